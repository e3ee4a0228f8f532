package planted

// Rules of operations: readings, Peek, what refusals write, whose key it is.
var operationBugs = []Bug{
	{"no-renew", "a reading older than the table is renewed", Linear, []Edit{{"operation.go",
		`if r.now >= born || !r.renewable {`, `if true {`}}},
	{"decide-before-birth", "nobody decides with a reading older than the table", Linear, []Edit{{"operation.go",
		`max(tatOf(v), horizon), horizon, max(r.now, born), r.asked})`, `max(tatOf(v), horizon), horizon, r.now, r.asked})`}}},
	{"fast-before-birth", "the short path too minds the birth", Linear, []Edit{{"limiter.go",
		`if t.next.Load() != nil || now < t.born.Load() || n <= 0 {`, `if t.next.Load() != nil || n <= 0 {`}}},
	{"fast-by-store", "the short path too moves a TAT by CAS", Schedules, []Edit{{"limiter.go",
		`if !s.tat.CompareAndSwap(v, next) {`, `if s.tat.Store(next); false {`}}},
	{"claim-before-deciding", "a refusal writes nothing: decide first, then claim", Unit, []Edit{{"operation.go", `
		if !write {
			break
		}
		if !found {
			if t.void() {`, `
		if !write && found {
			break
		}
		if !found {
			if t.void() {`}}},
	{"xxhash-decides", "XXH64 places a key and is never its identity", Unit, []Edit{
		{"memo.go", `return shard, proper(siphash.Sum64(l.k0, l.k1, key))`,
			`return shard, proper(siphash.Sum64(0, 0, "") ^ xxhash.Sum64String(key))`}}},
	{"memo-by-its-ends", "the memo answers for the whole key", Unit, []Edit{{"memo.go",
		` && (len(key) <= 16 || e.holds(key))`, ``}}},
	{"memo-torn", "the memo answers from one writing", Unit, []Edit{{"memo.go",
		` && e.head.Load() == head {`, ` {`}}},
	{"memo-two-writers", "an entry of the memo has one writer at a time", Unit, []Edit{{"memo.go",
		`head&memoLength == memoWriting || `, ``}}},
	{"peek-stops-at-unwritten", "Peek goes on past a frozen slot that was never written", Schedules, []Edit{{"operation.go",
		`final = w < 0
`, `final = w < 0 && w != frozen
`}}},
	{"peek-forgets", "Peek remembers the last frozen value that was not 0", Schedules, []Edit{{"operation.go",
		`if w = tatOf(w); w != unwritten {`, `if w = tatOf(w); true {`}}},
	{"peek-without-rescale", "Peek takes a value to the quota of the table it goes on to", Schedules, []Edit{{"operation.go",
		`if v = hop(t, next, v); v <= next.floor.Load() {`, `if v <= next.floor.Load() {`}}},
	{"give-back-a-gap", "Wait gives back only if nobody stands behind", Linear, []Edit{{"wait.go",
		`mine := *k.gcra == p.gcra && k.tat == p.after`, `mine := *k.gcra == p.gcra`}}},
	{"give-back-after-reset", "a place that a Reset has forgiven is not given back", Unit, []Edit{{"wait.go",
		` && !p.void()`, ``}}},
	{"wait-jumps-the-queue", "Wait takes its place behind all that is spent", Linear, []Edit{{"gcra.go",
		`
	after = stands + nanos
`, `
	after = max(min(stands, now+g.tolerance), now) + nanos
`}}},
}
