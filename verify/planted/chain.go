package planted

// Rules of a chain of tables: sealing, the marks of a table, who is helped, unlinking.
var chainBugs = []Bug{
	{"no-seal-by-operation", "an empty slot in a table with a successor is sealed before going on", Linear, []Edit{{"shard.go",
		`case found == foundFree && !t.seal(id, s):`, `case false:`}}},
	{"no-seal-by-copier", "a copier that passes an empty slot seals it", Schedules, []Edit{{"shard.go",
		`if found == foundFree && !to.seal(id, s) {`, `if false {`}}},
	{"sweep-without-seal", "a sweep seals what is empty", Schedules, []Edit{{"migration.go",
		`if s.id.Load() == vacant && s.seal() {`, `if s.id.Load() == vacant {`}}},
	{"drop-by-clock", "a copy is dropped by the floor, never by a clock", Linear, []Edit{{"shard.go",
		`if v <= to.floor.Load() {`, `if v <= max(to.floor.Load(), st.clock.exact()) {`}}},
	{"drop-to-nowhere", "who stands above the horizon is copied", Linear, []Edit{{"shard.go",
		`if v <= to.floor.Load() {`, `if v <= to.floor.Load()+to.interval {`}}},
	{"born-falls", "a successor is not born before its predecessor", Linear, []Edit{{"migration.go",
		`n.born.CompareAndSwap(0, max(st.clock.exact(), t.born.Load()))`, `n.born.CompareAndSwap(0, st.clock.exact())`}}},
	{"born-before-linking", "a birth is read after the table is linked", Linear, []Edit{{"migration.go", `
	n := newTable(st.sizeOf(sh, t, max(raise, standsAt), raised), *g, raise, lap)
`, `
	n := newTable(st.sizeOf(sh, t, max(raise, standsAt), raised), *g, raise, lap)
	n.born.Store(max(reading, t.born.Load()))
`}}},
	{"born-by-everybody", "everybody takes the one birth that was fixed", Linear, []Edit{{"migration.go", `
	n.born.CompareAndSwap(0, max(st.clock.exact(), t.born.Load()))
	born := n.born.Load()
`, `
	born := max(st.clock.exact(), t.born.Load())
`}}},
	{"horizon-falls", "a horizon never falls along a chain", Unit, []Edit{{"migration.go",
		`horizon := max(born, t.rescale(t.horizon.Load(), &n.gcra, born))`, `horizon := born`}}},
	{"settled-too-soon", "floor comes last: it tells that the others are there", Schedules, []Edit{{"table.go", `
	t.born.Store(born)
	t.horizon.Store(horizon)
	t.floor.Store(floor)
`, `
	t.floor.Store(floor)
	t.born.Store(born)
	t.horizon.Store(horizon)
`}}},
	{"help-the-next", "only the current table is swept", Schedules, []Edit{{"migration.go", `
func (st *store) help(sh *shard) {
	t := sh.cur.Load()
`, `
func (st *store) help(sh *shard) {
	t := sh.cur.Load()
	if n := st.successor(t); n != nil && n != unlinked {
		if m := st.successor(n); m != nil && m != unlinked {
			t = n
		}
	}
`}}},
	{"no-unlink", "who moves a shard on unlinks the table it left", Unit, []Edit{{"migration.go", `
		t.next.Store(unlinked)
`, `
`}}},
	{"past-unlinked", "who finds a table unlinked starts again", Schedules, []Edit{{"shard.go", `
		case next == unlinked:
			goto restart
		case next == nil && found == foundKey:
`, `
		case next == nil && found == foundKey:
`}, {"shard.go", `
restart:
	t := sh.cur.Load()
`, `
	t := sh.cur.Load()
`}}},
	{"hop-from-the-first", "a debt is rescaled by one hop at a time", Schedules, []Edit{{"shard.go",
		`				from, to = to, next
`, `				to = next
`}}},
}
