package planted

// Rules of chunks, and of the memory bound.
var migrationBugs = []Bug{
	{"bit-before-sweep", "a chunk is through after its last slot", Schedules, []Edit{
		{"migration.go", `
	lap := st.bound.sampling(t, next)
	t.shut(`, `
	lap := st.bound.sampling(t, next)
	bit := uint64(1) << (chunk % 64)
	if t.through[chunk/64].Or(bit)&bit != 0 {
		return
	}
	t.done.Add(1)
	t.shut(`},
		{"migration.go", `
	bit := uint64(1) << (chunk % 64)
	if t.through[chunk/64].Or(bit)&bit != 0 {
		return // swept by somebody else as well
	}
`, `
`},
		{"migration.go", `
	t.done.Add(1)
}
`, `
}
`}}},
	{"claims-are-proofs", "a claimed chunk is not one that is through", Schedules, []Edit{{"migration.go", `
		if chunk = t.unswept(); chunk < 0 {
			st.moveOn(sh, t, next)
			return
		}
`, `
		st.moveOn(sh, t, next)
		return
`}}},
	{"no-redo", "when claims run out, what is not through is swept again", Schedules, []Edit{{"migration.go", `
		if chunk = t.unswept(); chunk < 0 {
			st.moveOn(sh, t, next)
			return
		}
`, `
		if chunk = t.unswept(); chunk < 0 {
			st.moveOn(sh, t, next)
		}
		return
`}}},
	{"last-chunk-forgotten", "a shard moves on when all chunks are through", Linear, []Edit{{"migration.go",
		`if t.done.Load() == chunks {`, `if t.done.Load() >= chunks-1 {`}}},
	{"raise-without-end", "a raise is never above now + τ", Unit, []Edit{{"bound.go",
		`return min(l.raise, now+g.tolerance)`, `return l.raise`}}},
	{"raise-when-misled", "a sample is given up when keys were put back since", Unit, []Edit{{"bound.go",
		`if l == nil || l.gcra != *g || b.misled(l) {`, `if l == nil || l.gcra != *g {`}}},
	{"lenient-horizon", "Lenient forgives what it drops, Strict does not", Unit, []Edit{{"migration.go", `
	if st.overflow == Strict {
		horizon = floor
	}
`, `
`}}},
	{"forgiven-uncounted", "what Lenient may over-admit is counted", Unit, []Edit{{"shard.go",
		`y.forgiven += to.forgiven(v - to.horizon.Load())`, ``}}},
}
