package planted

// Rules of a change of quota, of all keys or of one.
var quotaBugs = []Bug{
	{"rescale-down", "a rescaled debt is rounded up", Linear, []Edit{{"gcra.go", `
	if rest != 0 {
		debt++
	}
	if debt >`, `
	_ = rest
	if debt >`}}},
	{"rescale-by-own-clock", "debts are rescaled around the successor's birth, by every copier alike", Linear, []Edit{
		{"shard.go", `v = hop(from, to, v)
`, `if v < firstAway {
			v = from.rescale(v, &to.gcra, st.clock.exact())
		}
`}}},
	{"no-rescale", "what was consumed is kept, in requests", Linear, []Edit{{"shard.go",
		`return from.rescale(v, &to.gcra, to.born.Load())`, `return v`}}},
	{"set-quota-returns-early", "after SetQuota nobody is decided by the old quota", Linear, []Edit{{"migration.go", `
			st.succeed(sh, t, &g)
			st.help(sh)
`, `
			st.succeed(sh, t, &g)
			st.help(sh)
			if t.next.Load() != nil {
				break
			}
`}}},
	{"marker-is-rescaled", "a copier leaves a marker as it is", Linear, []Edit{{"shard.go", `
	if v >= firstAway {
		return v
	}
	return from`, `
	return from`}}},
	{"marker-twice", "no two stays have the same marker", Schedules, []Edit{{"override.go", `
	l.markers++
`, `
`}}},
	{"own-tat-after-marker", "into a quota of its own: the TAT first, then the marker", Linear, []Edit{
		{"override.go", `
	l.own.Store(own, n) // before anybody can find the marker
`, `
	l.own.Store(own, n)
	late := unwritten
`},
		{"override.go", `n.tat.Store(max(resetTAT, tat))`, `late = max(resetTAT, tat)`},
		{"override.go", `
	l.bound.pinned.Add(1)
`, `
	n.tat.CompareAndSwap(unwritten, late)
	l.bound.pinned.Add(1)
`}}},
	{"own-marker-before-entry", "nobody finds a marker without its entry", Schedules, []Edit{
		{"override.go", `
	l.own.Store(own, n) // before anybody can find the marker
`, `
`},
		{"override.go", `
	l.bound.pinned.Add(1)
`, `
	l.own.Store(own, n)
	l.bound.pinned.Add(1)
`}}},
	{"own-freeze-before-link", "the next entry is linked before the TAT is frozen", Schedules, []Edit{{"override.go", `
		e.next.Store(n)
		e.tat.freeze()
`, `
		e.tat.freeze()
		e.next.Store(n)
`}}},
	{"own-by-store", "a key's own TAT too moves by CAS", Schedules, []Edit{{"override.go",
		`if !write || e.tat.CompareAndSwap(v, after) {`, `if write {
			e.tat.Store(after)
		}
		if true {`}}},
	{"own-next-overwritten", "what is handed on to the next entry is written once", Schedules, []Edit{{"override.go",
		`next.tat.CompareAndSwap(unwritten, max(`, `next.tat.Store(max(`}, {"override.go",
		`&next.gcra, next.at.Load())))`, `&next.gcra, next.at.Load())))`}}},
	{"own-not-rescaled", "leaving a quota of its own keeps what was consumed", Linear, []Edit{{"override.go",
		`return max(at, e.rescale(final, g, at))`, `return max(at, final)`}}},
	{"own-back-twice", "the way back replaces the marker only, and once", Linear, []Edit{{"override.go",
		`if w >= 0 && (w != e.marker || s.tat.CompareAndSwap(w, e.returned(v&^frozen, &t.gcra))) {`,
		`if w >= 0 && s.tat.CompareAndSwap(w, e.returned(v&^frozen, &t.gcra)) {`}}},
	{"own-reading-too-early", "no debt that came later is taken for older than it is", Linear, []Edit{
		{"override.go", `
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		now := max(l.clock.exact(), k.now)`, `
	early := l.clock.exact()
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		now := max(early, k.now)`}}},
}
