package planted

// Rules of the arithmetic.
var arithmeticBugs = []Bug{
	{"price-overflows", "overflow is impossible", Unit, []Edit{{"gcra.go",
		`if hi != 0 || lo > uint64(g.tolerance) {`, `if hi&0 != 0 || lo > uint64(g.tolerance) {`}}},
	{"one-request-too-few", "a request that just fits is admitted", Linear, []Edit{{"gcra.go", `
	if stands <= latest {
		return stands + nanos, 0
	}
`, `
	if stands < latest {
		return stands + nanos, 0
	}
`}}},
	{"fast-one-too-many", "at most MaxIn(w) in any window w", Linear, []Edit{{"limiter.go",
		`if stands > latest {`, `if stands > latest+1 {`}}},
	{"retry-too-late", "RetryAfter is exact", Linear, []Edit{{"gcra.go",
		`return stands - latest
`, `return stands - latest + 1
`}}},
	{"remaining-too-few", "Remaining is whole requests that would be admitted", Unit, []Edit{{"gcra.go",
		`if room-n*g.interval >= g.interval {`, `if room-n*g.interval > g.interval {`}}},
	{"interval-down", "T is rounded up", Linear, []Edit{{"quota.go",
		`if int64(q.Period)%q.Limit != 0 {`, `if false {`}}},
	{"refund-beyond", "Refund gives no more than an unseen key has", Schedules, []Edit{{"gcra.go",
		`if hi != 0 || lo >= uint64(tat-floor) {`, `if hi != 0 {`}}},
	{"refund-below-horizon", "a key put back stands at the horizon, not below", Unit, []Edit{{"operation.go",
		`max(tatOf(v), horizon), horizon, max(r.now, born), r.asked})`, `tatOf(v), min(born, horizon), max(r.now, born), r.asked})`}}},
	{"late-forgotten", "durations count from the caller's time", Linear, []Edit{{"limiter.go",
		`v = k.tell(after, k.now, retry).late(k.now - k.asked)`, `v = k.tell(after, k.now, retry)`}}},
	{"rescale-overflows", "a rescaled debt saturates", Unit, []Edit{{"gcra.go",
		`if debt > uint64(maxTAT-at) {`, `if false {`}}},
}
