package weir

import (
	"math"
	"math/bits"
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
	// first request of cost 1 has to wait for at most one emission interval,
	// unless the horizon is raised again meanwhile. A SetQuota that lowers the burst keeps
	// the horizon's debt, as it keeps every other: until it has passed,
	// newcomers wait longer.
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
// them. When claims exceed n by a quarter, those who claim sweep shard after
// shard, a few chunks with each claim: a lap. A lap is over after some n/32
// claims. The first lap drops the dead, and samples where the others stand. If
// more than n are left, the TAT is chosen above which the n keys with the most
// debt stand, and a margin for the error of the sample; and a second lap drops
// all others, by the raised horizon of the successors that it makes.
//
// When that TAT lies in the past it drops nobody. So if anybody alive is
// dropped, then n others are alive: but for those that Refund or Reset have put
// back among the unseen since the lap began. If they are more than the margin
// covers, the lap is abandoned and another one begun. That one insists: keys
// that come and go like this must not let the memory grow.
type bound struct {
	max       int64
	threshold int64              // claims that begin a lap
	number    atomicInt64        // of the newest lap
	lap       atomicPointer[lap] // the lap in progress, or nil
	lowered   atomic.Int64       // keys put back among the unseen while a lap was in progress
	pinned    atomic.Int64       // slots with a marker: no keys that the bound can drop
}

// A lap sweeps every shard once.
type lap struct {
	number   int64
	gcra     gcra        // TATs of another quota are neither sampled nor dropped
	raise    int64       // drop what does not stand above this TAT; 0 in a first lap
	lowered  int64       // bound.lowered when the sample was begun
	insist   bool        // whatever lowered says
	cursor   atomicInt64 // the shard to sweep
	finisher atomicInt64 // who came to finish it, a hint
	mask     uint64      // ids with these bits clear are sampled; they are a keyed hash's
	sampled  atomic.Int64
	tats     []atomic.Int64
}

// maxSample is the most TATs that a lap looks at, but for chance. n of them are
// then between 3,276 and 6,554 of the sample, so that the margin of five
// standard deviations is 6 to 9 % of n.
const maxSample = 8192

// checkEvery so many claims in a table the sum of claims is looked at.
const checkEvery = 32

func (b *bound) init(maxKeys int64) {
	b.max = min(maxKeys, 1<<48) // more fit into no memory
	b.threshold = b.max + b.max/4 + 64
}

// room is how many segments a table needs for all keys that the bound lets come
// to it, when others hold the given number: the threshold, and what is claimed
// until the laps are done.
func (b *bound) room(others int64) int {
	peak := b.threshold + b.threshold/16
	return int(min((peak-min(max(others, 0), peak))/fillSlots(1)+1, math.MaxInt32))
}

// raise is the TAT up to which the lap in progress has successors of the quota g
// drop keys, 0 if it does not. It is never above now + τ, whatever TATs callers
// have brought about: so under Strict a newcomer waits for one emission interval
// at most, until SetQuota lowers the burst.
func (b *bound) raise(g *gcra, now int64) int64 {
	l := b.lap.Load()
	if l == nil || l.gcra != *g || b.misled(l) {
		return 0
	}
	return min(l.raise, now+g.tolerance) // 0 in a first lap
}

// misled reports whether so many keys were put back among the unseen since a
// lap's sample was begun that its margin does not cover them.
func (b *bound) misled(l *lap) bool {
	return !l.insist && b.lowered.Load()-l.lowered > max(b.max/32, 1)
}

// fell notes that a key was put back, if that ended its life.
func (st *store) fell(before, after int64) {
	if st.bound.lap.Load() == nil {
		return
	}
	if now := st.clock.exact(); before > now && after <= now {
		st.bound.lowered.Add(1)
	}
}

// pressed reports whether there are claims enough for a lap.
func (st *store) pressed() bool {
	return st.counters.keys()-st.bound.pinned.Load() > st.bound.threshold
}

// claimed follows up an operation's claim in t, the used-th there: growth if t
// is full, or else the memory bound. It reports whether it made a successor.
func (st *store) claimed(sh *shard, t *table, used int64) bool {
	if used >= t.fill && st.wantSuccessor(sh, t) {
		return true
	}
	// Those who fill a successor empty its predecessor faster when it is late.
	const hurry = 6
	for i := 0; i < hurry && st.late(sh); i++ {
		st.help(sh)
	}
	if l := st.bound.lap.Load(); l != nil {
		st.press(l)
	} else if used%checkEvery == 0 && st.pressed() {
		st.bound.lap.CompareAndSwap(nil, st.newLap(false))
	}
	return false
}

// late reports whether a successor is nearly full while its predecessor is not
// empty.
func (st *store) late(sh *shard) bool {
	next := sh.cur.Load().next.Load()
	return next != nil && next.used.Load() > next.fill-next.fill/8 // unlinked holds nothing
}

func (st *store) newLap(insist bool) *lap {
	l := &lap{
		number:  st.bound.number.Add(1),
		gcra:    st.quota.Load().gcra,
		lowered: st.bound.lowered.Load(),
		insist:  insist,
	}
	keys := max(st.counters.keys(), 0)
	for keys>>bits.OnesCount64(l.mask) > maxSample {
		l.mask = l.mask<<1 | 1
	}
	expected := keys >> bits.OnesCount64(l.mask)
	l.tats = make([]atomic.Int64, expected+expected/4+64)
	return l
}

// press moves a lap on by four chunks, or to the next shard.
func (st *store) press(l *lap) {
	const shardsAStep, chunksAStep = 4, 4
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
		st.wantSuccessor(sh, t)
		for range chunksAStep {
			st.help(sh)
		}
		return
	}
}

// finish ends a lap and begins the next, if there is need of one. One of those
// who find the lap at its end does it; in case that one sleeps, every 64th.
func (st *store) finish(l *lap) {
	if l.finisher.Add(1)%64 != 1 {
		return
	}
	b := &st.bound
	var next *lap
	if tat := l.dropBelow(b.max); tat > st.clock.exact() && l.gcra == st.quota.Load().gcra && !b.misled(l) {
		next = &lap{number: b.number.Add(1), gcra: l.gcra, raise: tat, lowered: l.lowered, insist: l.insist}
	} else if st.pressed() {
		next = st.newLap(b.misled(l))
	}
	b.lap.CompareAndSwap(l, next)
}

// dropBelow is the TAT above which the maxKeys keys with the most debt stand,
// and a margin; 0 if the sample shows no more keys than that. The margin is n/32
// for TATs that fall meanwhile, and five standard deviations of the number of
// those keys that are in the sample, if not all keys are.
func (l *lap) dropBelow(maxKeys int64) int64 {
	keep := (maxKeys + maxKeys/32) >> bits.OnesCount64(l.mask)
	if l.mask != 0 {
		keep += int64(5*math.Sqrt(float64(keep))) + 1
	}
	n := min(l.sampled.Load(), int64(len(l.tats)))
	if n <= keep {
		return 0
	}
	tats := make([]int64, n)
	for i := range tats {
		tats[i] = l.tats[i].Load()
	}
	return selectNth(tats, int(n-1-keep))
}

// selectNth returns what would be at index k if a were sorted, and reorders a:
// Hoare's quickselect, in linear time, since all of it is one decision's.
func selectNth(a []int64, k int) int64 {
	lo, hi := 0, len(a)-1
	for lo < hi {
		pivot := a[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for a[i] < pivot {
				i++
			}
			for a[j] > pivot {
				j--
			}
			if i <= j {
				a[i], a[j] = a[j], a[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return a[k]
		}
	}
	return a[k]
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
			id, tat := s.id.Load(), tatOf(s.tat.Load())
			if id == sealed || id&l.mask != 0 || tat == unwritten || tat >= firstAway {
				continue
			}
			if at := l.sampled.Add(1) - 1; at < int64(len(l.tats)) {
				l.tats[at].Store(tat)
			}
		}
	}
}
