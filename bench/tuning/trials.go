package tuning

// Rows of the benchmarks of the root package.
var (
	admitted = Row{Bench: "Allow/clock=exact/outcome=admitted", Unit: "ns/op"}
	refused  = Row{Bench: "Allow/clock=exact/outcome=refused", Unit: "ns/op"}
	coarse   = Row{Bench: "Allow/clock=coarse/outcome=admitted", Unit: "ns/op"}
	pair     = Row{Bench: "RefusedParallel/procs=2", Unit: "ns/op"}
	million  = Row{Bench: "MillionKeys/table=weir", Unit: "ns/op"}
	grow     = Row{Bench: "Grow/table=weir", Unit: "ns/op", Rounds: 6}
	grow999  = Row{Bench: "Grow/table=weir", Unit: "p99.9-ns", Rounds: 6}
	grow9999 = Row{Bench: "Grow/table=weir", Unit: "p99.99-ns", Rounds: 6}
	growMax  = Row{Bench: "Grow/table=weir", Unit: "max-ns", Rounds: 6}
	perKey   = Row{Bench: "Memory/keys=1000000", Unit: "B/key", Rounds: 4}
)

// Trials are in the order in which a decision goes: hash, clock, table, counters;
// then what is paid when a table grows.
var Trials = []Trial{
	{
		Name: "no-memo", Title: "every key is hashed, also one that is remembered",
		Why:   "It was so. The memo is 8 KiB and a look that other keys pay for; it is worth what the two hashes of a hot key cost.",
		Edits: []Edit{{"memo.go", "\tif uint(len(key)-1) >= longestMemo { // or empty\n", "\tif true {\n"}},
		Rows:  []Row{admitted.is(worse), refused.is(worse), coarse.is(worse), million},
	},
	{
		Name: "learn-always", Title: "a key is remembered each time that it was not",
		Why:   "A hot key is learned at once then, but keys that come once write an entry each.",
		Edits: []Edit{{"sizes.go", "\tlearnLog = 10 ", "\tlearnLog = 0  "}},
		Rows:  []Row{admitted, million},
	},
	{
		Name: "one-hash", Title: "one keyed hash for the shard as well, XXH64 left out",
		Why: "SipHash gives 64 bits, of which the place in a shard uses the upper ones. Nobody could aim keys at one shard. Not " +
			"taken: that XXH64 places a key is part of the design, and since the memo spares hot keys both hashes, little is left to gain.",
		Edits: []Edit{{"memo.go",
			"\tshard, _ = mulhi(xxhash.Sum64String(key), len(l.shards))\n\treturn shard, proper(siphash.Sum64(l.k0, l.k1, key))\n",
			"\tid = proper(siphash.Sum64(l.k0, l.k1, key))\n\tshard, _ = mulhi(id<<32|id>>32, len(l.shards))\n\treturn shard, id\n"},
			{"memo.go", "\t\"github.com/cespare/xxhash/v2\"\n", ""}},
		Rows: []Row{million},
	},
	{
		Name: "clock-first", Title: "the clock is read before the key is located",
		Why: "The reading waits for all that was begun before it, and holds back all that comes after. Between hash and slot it " +
			"ends while the address of the slot is known already. It tells most with many keys.",
		Edits: []Edit{{"limiter.go", "\tsh, id := l.locate(key)\n" + clockText, clockText + "\tsh, id := l.locate(key)\n"}},
		Rows:  []Row{admitted, refused, million},
	},
	{
		Name: "every-reading", Title: "a batch reads the clock for each of its requests",
		Why: "AllowAt takes a reading, so it is the batch call: what a batch can share is the reading. A call for a whole batch was not " +
			"added: the processor overlaps the fetches of neighbouring decisions by itself, which is what such a call could still bring.",
		Rows: []Row{{Bench: "Batch/reading=each", Head: "Batch/reading=shared", Unit: "ns/op", Claim: worse}},
	},
	{
		Name: "long-way", Title: "AllowAt decides by the general operation",
		Why: "It was so; the short way saves the closure and the walk along the chain.",
		Edits: []Edit{{"limiter.go", "\tif r.now != r.asked { // before the clock's first reading, or after its last\n",
			"\tif r.now != 0 {\n"}},
		Rows: []Row{{Bench: "Batch/reading=shared", Unit: "ns/op", Claim: worse}},
	},
	{
		Name: "allow-called", Title: "Allow is not inlined into its caller",
		Why: "A Decision has more fields than the compiler keeps in registers, and goes through memory where it is returned. " +
			"`.ci/run inline` keeps it inlined.",
		Edits: []Edit{{"limiter.go", "func (l *Limiter) Allow(key string) (d Decision) {", "//go:noinline\nfunc (l *Limiter) Allow(key string) (d Decision) {"}},
		Rows:  []Row{admitted.is(worse), refused.is(worse), coarse.is(worse)},
	},
	{
		Name: "lookup-called", Title: "the first look at a slot is a call",
		Why:   "The first slot that is tried is the key's in most cases, so that much is inlined, and the rest of the probe is a call. It told more while a hot key was hashed.",
		Edits: []Edit{{"table.go", "func (t *table) lookup(id uint64) *slot {", "//go:noinline\nfunc (t *table) lookup(id uint64) *slot {"}},
		Rows:  []Row{admitted, coarse, million},
	},
	{
		Name: "no-bounds-checks", Title: "bounds checks left out of the whole build",
		Why:   "What is left to gain by proving more to the compiler: next to nothing, so no code is bent for it.",
		Flags: []string{"-gcflags=-B"},
		Rows:  []Row{admitted, refused, coarse, million},
	},
	{
		Name: "late-sums", Title: "what does not depend on the slot is computed after it is read",
		Why: "With many keys the time goes by waiting for memory. The less is left to do once the slot is there, the sooner the " +
			"processor reaches the next decision and fetches for that one as well.",
		Edits: []Edit{{"limiter.go", "\tnanos, latest := t.price(now, n)\n\tfloor := max(t.horizon.Load(), now)\n\tstripe := l.counters.mine()\n", ""},
			{"limiter.go", "\tstands := max(tat, floor)\n", "\tnanos, latest := t.price(now, n)\n\tstands := max(tat, max(t.horizon.Load(), now))\n\tstripe := l.counters.mine()\n"}},
		Rows: []Row{admitted, million},
	},
	{
		Name: "three-lines", Title: "what decides is spread over the three cache lines of a table",
		Why: "One line of the table and one of the slot are all that a decision reads. A second line of the table is a further miss " +
			"where many shards are in use.",
		Edits: []Edit{
			{"table.go", "\tborn atomicInt64\n\t// horizon", "\t_ [64]byte\n\tborn atomicInt64\n\t// horizon"},
			{"table.go", "\tgcra    // the quota that decides here\n\n", "\t_ [64]byte\n\tgcra // the quota that decides here\n\n"}},
		Rows: []Row{admitted, million},
	},
	{
		Name: "line-start", Title: "every probe starts at the first slot of its line",
		Why: "Started at a slot that the id tells, most keys are found at first sight. All four are in one cache line, so it matters little.",
		Edits: []Edit{{"table.go", "[id%slotsPerLine]; s.id.Load() == id", "[0]; s.id.Load() == id"},
			{"table.go", "s := &ln[(id+k)%slotsPerLine]", "s := &ln[k]"}},
		Rows: []Row{million},
	},
	{
		Name: "fuller", Title: "a successor is sized for a load of 0.63 instead of 0.48",
		Why:   "It would migrate sooner again: the sizes between two migrations are what a key takes on average.",
		Edits: []Edit{{"table.go", "slotsPer10Keys        = 21", "slotsPer10Keys        = 16"}},
		Rows:  []Row{million, grow, grow9999, perKey},
	},
	{
		Name: "emptier", Title: "a successor is sized for a load of 0.33",
		Why:   "Fewer slots to look at and fewer migrations, paid in memory: the bar is 36 bytes a key.",
		Edits: []Edit{{"table.go", "slotsPer10Keys        = 21", "slotsPer10Keys        = 30"}},
		Rows:  []Row{million, grow, grow9999, perKey},
	},
	{
		Name: "counts-apart", Title: "every admission is added to a stripe at once",
		Why: "It was so: a locked addition behind the CAS, for which it has to wait. A slot's value has room for the count of 31 admissions " +
			"beside the TAT, so that one of 32 adds them all.",
		Edits: []Edit{{"limiter.go", "\tnext, toCount := admitted(v, after)\n", "\tnext, toCount := after, int64(1)\n"}},
		Rows:  []Row{admitted.is(worse), coarse.is(worse), million, grow},
	},
	{
		Name: "counts-none", Title: "decisions are not counted",
		Why: "What counting costs now: a locked addition for a refusal, to a cache line of the caller's own, and for one admission of 32. " +
			"(What the memo learns is drawn without the counts then.)",
		Edits: []Edit{{"limiter.go", "\t\tstripe.refused.Add(1)\n", "\t\t_ = stripe\n"}, {"limiter.go", "\tnext, toCount := admitted(v, after)\n", "\tnext, toCount := after, int64(0)\n"},
			{"counters.go", "\treturn c.turn(id, log/2) && rand.Uint64()>>(64-(log-log/2)) == 0\n", "\treturn rand.Uint64()>>(64-log) == 0\n"},
			{"bench_test.go", "if s := l.Stats(); s.Refused != 0 || s.Keys != million {", "if s := l.Stats(); s.Keys != million {"}},
		Rows: []Row{admitted, refused.is(better), coarse, pair},
	},
	{
		Name: "counts-shared", Title: "one stripe of counters for everybody",
		Why: "Refusals of a hot key write nothing but their count: with a shared one, its line goes to and fro between the cores. In runs as " +
			"short as these the callers hardly meet; docs/scaling.md measures it for longer: 1.4 to 2.8 times as slow.",
		Edits: []Edit{{"counters.go", "\treturn &c.stripes[i]\n", "\treturn &c.stripes[i&0]\n"}},
		Rows:  []Row{refused, pair},
	},
	{
		Name: "chunk-8", Title: "a helping step sweeps 8 slots instead of 16",
		Why:   "Smaller steps, and more of them: what is fixed in a step weighs more.",
		Edits: []Edit{{"sizes.go", "linesPerStep    = 4 ", "linesPerStep    = 2 "}},
		Rows:  []Row{grow, grow999, grow9999},
	},
	{
		Name: "chunk-64", Title: "a helping step sweeps 64 slots",
		Why:   "Fewer steps; who meets one waits longer.",
		Edits: []Edit{{"sizes.go", "linesPerStep    = 4 ", "linesPerStep    = 16 "}},
		Rows:  []Row{grow, grow999, grow9999},
	},
	{
		Name: "segment-1k", Title: "a table's pages are 1 KiB instead of 4",
		Why:   "A page of the machine's own size is written once when it is fresh; smaller ones share it, and there are more to allocate.",
		Edits: []Edit{{"sizes.go", "linesPerSegment = 64 ", "linesPerSegment = 16 "}, {"sizes.go", "maxProbe        = 64 ", "maxProbe        = 16 "}},
		Rows:  []Row{million, grow, grow999, grow9999},
	},
	{
		Name: "segment-256k", Title: "a table's pages are 256 KiB, a whole table mostly",
		Why:   "It was so at first: then the one who fills a table has all of its successor to allocate and to clear.",
		Edits: []Edit{{"sizes.go", "linesPerSegment = 64 ", "linesPerSegment = 4096 "}},
		Rows:  []Row{million, grow, grow9999, growMax},
	},
	{
		Name: "read-first", Title: "a fresh page is not written before it is read",
		Why:   "A page that is read first is mapped to the page of zeros, and again when it is written.",
		Edits: []Edit{{"table.go", "\tg[0][0].id.Store(vacant)\n", ""}},
		Rows:  []Row{grow, grow999, grow9999},
	},
	{
		Name: "no-step-ahead", Title: "who sweeps a chunk also allocates the page it goes to",
		Why:   "One operation may then pay for both.",
		Edits: []Edit{{"migration.go", "\t\tif next.openAhead(chunk, chunks) {\n\t\t\treturn\n\t\t}\n", ""}},
		Rows:  []Row{grow, grow999, grow9999},
	},
	{
		Name: "fewer-shards", Title: "a quarter as many shards, of four times the keys",
		Why:   "Larger tables, fewer of them: their headers miss less often, their migrations last longer.",
		Edits: []Edit{{"shard.go", "const keysPerShard = 7800", "const keysPerShard = 31200"}},
		Rows:  []Row{million, grow, grow9999},
	},
	{
		Name: "more-shards", Title: "four times as many shards, of a quarter of the keys",
		Why:   "Smaller tables, more of them: more headers to fetch, and an idle limiter is larger.",
		Edits: []Edit{{"shard.go", "const keysPerShard = 7800", "const keysPerShard = 1950"}},
		Rows:  []Row{million, grow, grow9999},
	},
}

// clockText is where allow reads the clock.
const clockText = `	// The clock between hash and slot: measured to be the fastest order.
	now := at
	if at == unread {
		if now = l.clock.sinceBase(); now <= 0 {
			now = l.clock.reading()
		}
	}
`
