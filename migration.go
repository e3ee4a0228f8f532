package weir

import "math/bits"

// This file is how a table gets its successor and is emptied into it, a chunk at
// a time, by whoever comes by; see shard for the rules.

// successor is t's next, settled.
func (st *store) successor(t *table) *table {
	n := t.next.Load()
	if n == nil || n == unlinked || n.floor.Load() != 0 {
		return n
	}
	// Whoever is first fixes the birth; all that follows from it, everybody
	// computes alike.
	n.born.CompareAndSwap(0, max(st.clock.exact(), t.born.Load()))
	born := n.born.Load()
	horizon := max(born, t.rescale(t.horizon.Load(), &n.gcra, born))
	floor := max(horizon, n.raise)
	if st.overflow == Strict {
		horizon = floor
	}
	n.settle(born, horizon, floor)
	return n
}

// succeed makes sure that t, which is not void, has a successor, under the
// quota g or, if that is nil, under its own. Its cost is one allocation of the
// successor's page table, 8 bytes for each 256 slots, and a sample of t: 10 to
// 20 µs. With sh nil or past t, t is not current and may have much still to
// come.
func (st *store) succeed(sh *shard, t *table, g *gcra) {
	if t.next.Load() != nil {
		return
	}
	if g == nil {
		g = &t.gcra
	}
	lap := st.bound.number.Load() // before the sweep, which is after the linking
	reading := st.clock.exact()
	raise := st.bound.raise(g, reading)
	standsAt := max(reading, t.horizon.Load())
	raised := raise > standsAt
	n := newTable(st.sizeOf(sh, t, max(raise, standsAt), raised), *g, raise, lap)
	if t.next.CompareAndSwap(nil, n) && raised {
		st.raises.Add(1)
	}
}

// wantSuccessor is succeed for those who can go on without: one of them makes
// it, so that it is allocated once; in case that one sleeps, every 64th does. It
// reports whether the caller was one.
func (st *store) wantSuccessor(sh *shard, t *table) (made bool) {
	if t.next.Load() != nil || t.makers.Add(1)%64 != 1 {
		return false
	}
	st.succeed(sh, t, nil)
	return true
}

// sizeOf is how many segments the successor of t gets.
func (st *store) sizeOf(sh *shard, t *table, floor int64, raised bool) int {
	live := t.fill // what it holds now says little while its predecessor has keys to bring
	if sh != nil && sh.cur.Load() == t {
		chunks := int64(roughSample)
		if st.bound.lap.Load() != nil {
			chunks = fineSample // where memory is scarce
		}
		live = t.sampleLive(floor, chunks)
	}
	size := segmentsFor(live, slotsPer10Keys)
	switch {
	case raised:
		size = segmentsFor(live, slotsPer10KeysAtBound)
	case t.used.Load() < t.fill && live < t.fill:
		// Not full: it is migrated for its dead keys or for its quota.
		size = min(size, max(len(t.segments), segmentsFor(live, slotsPer10KeysAtLeast)))
	}
	// The bound will not let more keys come than room says, so long as it can
	// drop any: nobody can make it drop those that AllowAt put far ahead.
	if room := st.bound.room(st.counters.keys() - t.used.Load()); size > room {
		size = max(room, segmentsFor(live, slotsPer10KeysAtLeast))
	}
	// However few are alive: t is swept by as many operations as it has chunks, 16
	// a segment, each of which may bring a new key. A successor with room for fewer
	// would be full before, and get one itself: with an eighth, chains have two
	// tables; without, there were eight once most of a million keys were dead.
	return max(size, len(t.segments)/8)
}

// A sample of 8 chunks, 128 slots, tells the size of a successor to some 5 %;
// one of 32 chunks to half of that, for four times the cache misses.
const (
	roughSample = 8
	fineSample  = 32
)

// sampleLive estimates how many keys stand above tat, from all slots of a small
// table, or some chunks of a large one. Places are given by a keyed hash, so
// that nobody can arrange what the sample sees.
func (t *table) sampleLive(tat, chunks int64) int64 {
	chunks = min(t.chunks(), chunks)
	stride := t.chunks() / chunks
	n := int64(0)
	for i := range chunks {
		for j := range t.lines(i * stride) {
			ln := &t.lines(i * stride)[j]
			for k := range ln {
				if tatOf(ln[k].tat.Load()) > tat {
					n++
				}
			}
		}
	}
	return n * t.chunks() / chunks
}

// help moves the shard's migration, if it has one, on by one chunk of 16 slots.
// That is the slow step of a migration: 0.5 to 1 µs (BenchmarkHelp), some 2 µs
// when nothing of it is in the caches, and 0.5 to 5 µs more when it needs a new
// segment.
func (st *store) help(sh *shard) {
	t := sh.cur.Load()
	next := st.successor(t)
	if next == nil || next == unlinked {
		return
	}
	chunks := t.chunks()
	chunk := t.hand.Load()
	if chunk < chunks {
		if next.openAhead(chunk, chunks) {
			return
		}
		chunk = t.hand.Add(1) - 1
	}
	if chunk >= chunks {
		if chunk = t.unswept(); chunk < 0 {
			st.moveOn(sh, t, next)
			return
		}
	}
	st.sweep(t, next, chunk)
	if t.done.Load() == chunks {
		st.moveOn(sh, t, next)
	}
}

// openAhead allocates, if need be, where the keys of the given one of so many
// chunks go, and reports whether it did: that is a step of its own, so that none
// has to pay for both.
func (t *table) openAhead(chunk, chunks int64) bool {
	n := int64(len(t.segments))
	for i := chunk * n / chunks; i <= ((chunk+1)*n-1)/chunks; i++ {
		if t.segments[i].Load() == nil {
			t.open(int(i))
			return true
		}
	}
	return false
}

// sweep carries every key of one chunk over, then marks the chunk as through.
func (st *store) sweep(t, next *table, chunk int64) {
	lap := st.bound.sampling(t, next)
	t.shut(int(chunk / stepsPerSegment))
	lines := t.lines(chunk)
	var y tally
	ids := int64(0)
	for i := range lines {
		for k := range lines[i] {
			s := &lines[i][k]
			if s.id.Load() == vacant && s.seal() {
				continue
			}
			if id := s.id.Load(); id != sealed {
				ids++
				st.carry(t, next, s, id, &y)
			}
		}
	}
	st.count(&y)
	bit := uint64(1) << (chunk % 64)
	if t.through[chunk/64].Or(bit)&bit != 0 {
		return // swept by somebody else as well
	}
	// The slots are final, so these sums are exact, and added once for a chunk.
	st.counters.mine().keys.Add(-ids)
	if y.forgiven > 0 {
		st.forgiven.Add(y.forgiven)
	}
	if lap != nil {
		lap.sample(lines)
	}
	t.done.Add(1)
}

// unswept is a chunk whose bit is clear, or -1 when all are through.
func (t *table) unswept() int64 {
	chunks := t.chunks()
	for w := range t.through {
		if free := ^t.through[w].Load(); free != 0 {
			chunk := int64(w*64 + bits.TrailingZeros64(free))
			if chunk < chunks {
				return chunk
			}
		}
	}
	return -1
}

// moveOn makes the successor current. It is called by everybody who has seen
// that all of t is through; the one whose CAS succeeds unlinks t.
func (st *store) moveOn(sh *shard, t, next *table) {
	if sh.cur.CompareAndSwap(t, next) {
		t.next.Store(unlinked)
		st.migrations.Add(1)
	}
}

// setQuota moves every shard to the quota q and returns when all have moved.
// It is called by one goroutine at a time, and waits for nobody: a chunk that a
// sleeping helper holds is swept again.
func (st *store) setQuota(q Quota) {
	g := newGCRA(q)
	st.quota.Store(&quotaGCRA{q, g})
	st.bound.lap.Store(nil) // its sample was measured in the old interval
	void := newVoid(g, st.clock.exact())
	for i := range st.shards {
		sh := &st.shards[i]
		for {
			t := sh.cur.Load()
			if t.gcra == g {
				break
			}
			if t.void() {
				sh.cur.CompareAndSwap(t, void)
				continue
			}
			st.succeed(sh, t, &g)
			st.help(sh)
		}
	}
}
