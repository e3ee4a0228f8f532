package weir

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// Overflow says what happens to keys beyond the bound of [WithMaxKeys]. Under
// both, it is the keys with the least debt that lose their slots.
type Overflow uint8

const (
	// Strict never admits more than the quota allows. What loses its slot is
	// taken to stand at the horizon, which is at least where it stood; and so is
	// every key that is not in the table. So a newcomer starts with the debt of
	// the horizon, at worst as if it had just spent its whole burst: then its
	// first request has to wait for at most one emission interval, unless the
	// horizon is raised again meanwhile.
	Strict Overflow = iota
	// Lenient forgives what loses its slot: newcomers start with a full burst.
	// The most that this can admit beyond the quota is counted in
	// Stats.Forgiven.
	Lenient
)

// bound keeps the number of claimed slots, and with it the memory, in
// proportion to the most live keys that are to be kept whole.
//
// Slots are claimed by keys that may be dead by now, since nobody looks after
// them. When claims exceed the threshold, those who claim sweep shard after
// shard, a few chunks with each claim: a lap. A lap is over after some n/16
// claims. The first lap drops the dead, and samples where the others stand. If
// that was not enough, the TAT is chosen above which the n keys with the most
// debt stand, and n/16 more for the error of the sample; and a second lap drops
// all others, by the raised horizon of the successors that it makes.
//
// When that TAT lies in the past it drops nobody. So if anybody alive is
// dropped, then n others were alive: what the bound promises.
type bound struct {
	max       int64
	threshold int64
	number    atomic.Int64        // of the newest lap
	lap       atomic.Pointer[lap] // the lap in progress, or nil
}

// A lap sweeps every shard once.
type lap struct {
	number  int64
	gcra    gcra         // TATs of another quota are neither sampled nor dropped
	raise   int64        // drop what does not stand above this TAT; 0 in a first lap
	cursor  atomic.Int64 // the shard to sweep
	mask    uint64       // ids with these bits clear are sampled; they are a keyed hash's
	sampled atomic.Int64
	tats    []atomic.Int64 // room for twice what is expected
}

// maxSample is the most TATs that a lap looks at, but for chance. From 1,024 on,
// the error of the n that are kept (1.4 % of the keys, one standard deviation)
// is well inside the n/16 that are kept beyond.
const maxSample = 2048

// checkEvery so many claims in a table the sum of claims is looked at, at 0.1 µs
// for 32 stripes.
const checkEvery = 32

func (b *bound) init(maxKeys int64) {
	b.max = maxKeys
	b.threshold = maxKeys + maxKeys*3/8 + 64
}

// claimed follows up an operation's claim in t, the used-th there: growth if t
// is full, and the memory bound.
func (st *store) claimed(sh *shard, t *table, used int64) {
	// One claimer makes the successor, so that it is allocated once; if that
	// one sleeps, those who come an eighth later do.
	if used == t.fill || used >= t.fill+t.fill/8 {
		st.succeed(sh, t, nil)
	}
	if l := st.bound.lap.Load(); l != nil {
		st.press(l)
	} else if used%checkEvery == 0 && st.counters.keys() > st.bound.threshold {
		st.bound.lap.CompareAndSwap(nil, st.newLap(0))
	}
}

func (st *store) newLap(raise int64) *lap {
	l := &lap{
		number: st.bound.number.Add(1),
		gcra:   st.quota.Load().gcra,
		raise:  raise,
	}
	if raise == 0 {
		l.tats = make([]atomic.Int64, 2*maxSample)
		for keys := st.counters.keys(); keys>>bits.OnesCount64(l.mask) > maxSample; {
			l.mask = l.mask<<1 | 1
		}
	}
	return l
}

// press moves a lap on by two chunks, or to the next shard.
func (st *store) press(l *lap) {
	const shardsAStep = 4
	for range shardsAStep {
		i := l.cursor.Load()
		if i >= int64(len(st.shards)) {
			st.finish(l)
			return
		}
		sh := &st.shards[i]
		t := sh.cur.Load()
		if t.void() || t.lap >= l.number {
			l.cursor.CompareAndSwap(i, i+1)
			continue
		}
		st.succeed(sh, t, nil)
		st.help(sh)
		st.help(sh)
		return
	}
}

// finish ends a lap and begins the next, if there is need of one. All who find
// the lap at its end come here; the one whose CAS succeeds has done it.
func (st *store) finish(l *lap) {
	b := &st.bound
	var next *lap
	if tat := l.dropBelow(b.max); tat > st.clock.exact() && l.gcra == st.quota.Load().gcra {
		next = st.newLap(tat)
	} else if st.counters.keys() > b.threshold {
		next = st.newLap(0)
	}
	b.lap.CompareAndSwap(l, next)
}

// dropBelow is the TAT above which the maxKeys keys with the most debt stand,
// and a margin; 0 if the sample shows no more keys than that.
func (l *lap) dropBelow(maxKeys int64) int64 {
	keep := (maxKeys + maxKeys/16) >> bits.OnesCount64(l.mask)
	n := min(l.sampled.Load(), int64(len(l.tats)))
	if n <= keep {
		return 0
	}
	tats := make([]int64, n)
	for i := range tats {
		tats[i] = l.tats[i].Load()
	}
	slices.Sort(tats)
	return tats[n-1-keep]
}

// sampling is the lap in progress, if a sweep from t into next is t's one sweep
// in it; nil otherwise.
func (b *bound) sampling(t, next *table) *lap {
	l := b.lap.Load()
	if l == nil || l.raise != 0 || t.lap >= l.number || next.lap < l.number || t.gcra != l.gcra || next.gcra != l.gcra {
		return nil
	}
	return l
}

// sample notes where the chosen keys of swept lines stand.
func (l *lap) sample(lines []line) {
	for i := range lines {
		for k := range lines[i] {
			s := &lines[i][k]
			id, tat := s.id.Load(), s.tat.Load()&^frozen
			if id == sealed || id&l.mask != 0 || tat == unwritten {
				continue
			}
			if at := l.sampled.Add(1) - 1; at < int64(len(l.tats)) {
				l.tats[at].Store(tat)
			}
		}
	}
}
