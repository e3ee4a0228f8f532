package planted

// Rules of a slot: an id is written once, a TAT moves by CAS, frozen is final.
var slotBugs = []Bug{
	{"freeze-by-store", "a freeze is one atomic Or", Schedules, []Edit{{"table.go", `
		toCount = admissionsOf(a.Or(frozen))
`, `
		v := a.Load()
		a.Store(v | frozen)
		toCount = admissionsOf(v)
`}}},
	{"freeze-value-before", "the final value is loaded after the Or", Schedules, []Edit{{"table.go", `
	if a.Load() >= 0 {
		toCount = admissionsOf(a.Or(frozen))
	}
	return tatOf(a.Load()), toCount
`, `
	before := a.Load()
	return tatOf(before), admissionsOf(a.Or(frozen))
`}}},
	{"admissions-for-each", "the admissions of a frozen slot are one freezer's to count", Schedules, []Edit{{"table.go", `
		toCount = admissionsOf(a.Or(frozen))
`, `
		toCount = admissionsOf(a.Load())
		a.Or(frozen)
`}}},
	{"admissions-twice", "a frozen slot's admissions are counted by who froze it, not by Stats", Unit, []Edit{{"table.go", `
	if v < firstPacked {
		return 0
	}
	return v`, `
	if v&^frozen < firstPacked {
		return 0
	}
	return v &^ frozen`}}},
	{"admissions-dropped", "who freezes a slot counts its admissions", Unit, []Edit{{"shard.go",
		`if toCount != 0 {`, `if false {`}}},
	{"admissions-overwritten", "who replaces a value counts its admissions", Unit, []Edit{{"operation.go",
		`if n := admissionsOf(v); n != 0 {`, `if n := admissionsOf(v); n > 31 {`}}},
	{"carry-without-freeze", "a value is frozen before it is copied", Linear, []Edit{{"shard.go",
		`final, toCount := s.tat.freeze()`, `final, toCount := tatOf(s.tat.Load()), int64(0)`}}},
	{"cas-on-frozen", "nobody changes a frozen TAT", Schedules, []Edit{{"operation.go", `
			if v = s.tat.Load(); v < 0 {
				continue // frozen since it was found: follow it
			}
`, `
			v = s.tat.Load()
`}}},
	{"reset-by-store", "Reset is a CAS: a store can undo a freeze", Schedules, []Edit{{"operation.go", `
		if s.tat.CompareAndSwap(v, after) {
`, `
		if after == resetTAT {
			s.tat.Store(after)
			break
		}
		if s.tat.CompareAndSwap(v, after) {
`}}},
	{"refund-by-store", "Refund is a CAS: a store can undo a freeze", Schedules, []Edit{{"operation.go", `
		if s.tat.CompareAndSwap(v, after) {
`, `
		if after < v && after != resetTAT {
			s.tat.Store(after)
			break
		}
		if s.tat.CompareAndSwap(v, after) {
`}}},
	{"reset-to-zero", "nobody stores 0: it means never written", Linear, []Edit{{"limiter.go",
		`return resetTAT, before > after`, `return unwritten, before > after`}}},
	{"copy-overwrites", "a copy is written only where the TAT is still 0", Linear, []Edit{{"shard.go", `
				s.tat.CompareAndSwap(unwritten, v)
				return
			}
			next :=`, `
				if w := s.tat.Load(); w >= 0 {
					s.tat.CompareAndSwap(w, v)
				}
				return
			}
			next :=`}}},
	{"claim-by-store", "an id is written once, by CAS", Schedules, []Edit{{"shard.go", `
	if !s.id.CompareAndSwap(vacant, id) {
		return nil
	}
	return s
`, `
	if s.id.Load() != vacant {
		return nil
	}
	s.id.Store(id)
	return s
`}}},
}
