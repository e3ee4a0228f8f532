package weir

import (
	"runtime"
	"sync/atomic"
)

// A shard is a chain of tables, nearly always of length one:
//
//	cur ──▶ table ──next──▶ successor ──next──▶ nil
//	        (being emptied) (being filled)
//
// Growth, shrinking, expiry, eviction and a change of quota are one mechanism,
// a migration: a successor is linked; every slot of the current table is frozen
// (an empty one sealed) and copied if its TAT is above the successor's floor;
// then the shard moves on to the successor. These rules make it sound with any
// number of helpers, each of which may sleep at any point:
//
//   - One table at a time. Only the current table is swept, so a table is
//     emptied only after everything has arrived in it. An operation may carry
//     its own key ahead, from table to table, because it carries it out of one
//     before it touches the next.
//   - An operation that meets an empty slot in a table with a successor seals
//     it before it goes on. So a key met nowhere is nowhere, at that instant.
//   - Claims of chunks are hints. A chunk is through when its bit is set, which
//     is after its last slot has arrived. When the claims run out, any chunk
//     whose bit is clear is swept again, which is harmless. So no sleeper can
//     hold a migration up.
//   - Whoever moves the shard on unlinks the table it left.
//   - A successor's birth is read from the clock after it is linked, by whoever
//     meets it first. So an operation that still found no successor has read
//     the clock before, and no debt that it left is taken for older than it is.
type shard struct {
	cur atomicPointer[table]
}

// A store is all shards of a limiter, and what they share.
//
// Progress: find, carry, help and everything built on them is lock-free. A step
// is repeated only because another operation's step succeeded meanwhile; no
// step waits for one that somebody else began.
type store struct {
	shards   []shard
	clock    *clock
	counters *counters
	overflow Overflow
	bound    bound

	quota      atomicPointer[quotaGCRA] // of the limiter; tables may still be on their way to it
	migrations atomic.Int64
	raises     atomic.Int64
	forgiven   atomic.Int64
}

type quotaGCRA struct {
	Quota
	gcra
}

// keysPerShard is how many keys a shard holds at the bound; its table then has
// some 16,384 slots, in 64 segments.
const keysPerShard = 7800

// mostShards keeps an idle limiter below 32 KiB; they are 16 KiB. Beyond 16
// million keys the tables grow instead.
const mostShards = 2048

// shardsFor spreads max keys: a table each, but several for each processor, so
// that cores that claim new slots seldom meet in one table, and fewer when there
// are too few keys to fill them.
func shardsFor(maxKeys int64) int {
	n := (maxKeys-1)/keysPerShard + 1
	atLeast := min(int64(4*runtime.GOMAXPROCS(0)), maxKeys/fillSlots(1)+1)
	return int(min(max(n, atLeast), mostShards))
}

func (st *store) init(q Quota, c *clock, maxKeys int64, overflow Overflow) {
	st.shards = make([]shard, shardsFor(maxKeys))
	st.clock = c
	st.counters = new(counters)
	st.overflow = overflow
	st.bound.init(maxKeys)
	st.quota.Store(&quotaGCRA{q, newGCRA(q)})
	void := newVoid(newGCRA(q), c.exact())
	for i := range st.shards {
		st.shards[i].cur.Store(void)
	}
}

// find follows the chain to the one place where the key's TAT is, or would be,
// at this instant: its slot and true; or an empty slot and false, in a table
// without successor. The empty slot is nil in a void table, and in a segment
// that is not there yet. On the way it brings the key's value along, so that
// whoever comes here never decides on a forgotten debt.
//
// When find returns, nothing stops others from moving the table on. So what it
// says is acted on by CAS, which then fails.
func (st *store) find(sh *shard, id uint64) (*table, *slot, bool) {
restart:
	t := sh.cur.Load()
	for {
		// In this order: a slot found empty, then no successor found, means
		// that the slot was empty while the table was the last.
		s, found := t.probe(id, false)
		next := st.successor(t)
		switch {
		case next == unlinked:
			goto restart
		case next == nil && found == foundKey:
			return t, s, true
		case next == nil && found == foundFree:
			return t, s, false
		case next == nil: // no place left
			st.succeed(sh, t, nil)
			continue
		case found == foundKey:
			var y tally
			st.carry(t, next, s, id, &y)
			st.count(&y)
		case found == foundFree && !t.seal(id, s):
			continue // claimed under our hands, perhaps for this very key
		}
		t = next
	}
}

// claim makes the empty slot s the key's, or where probe gave none, one in a new
// segment. It returns the slot, or nil if somebody else was faster. The key
// still stands at the horizon until a TAT is stored. The caller counts.
func (t *table) claim(s *slot, id uint64) *slot {
	if s == nil {
		var found finding
		if s, found = t.probe(id, true); found != foundFree {
			return nil
		}
	}
	if !s.id.CompareAndSwap(vacant, id) {
		return nil
	}
	return s
}

// A tally is what one sweep adds up, to be counted at its end instead of by two
// atomic additions for every slot. What slots hold of admissions is not in it.
type tally struct {
	into     *table // where keys were claimed, mostly
	claimed  int64
	forgiven int64
}

// count adds a tally to the counts that are shared.
func (st *store) count(y *tally) {
	if y.claimed > 0 {
		st.counters.mine().keys.Add(y.claimed)
		y.into.used.Add(y.claimed)
	}
	y.claimed = 0
}

// claimedIn notes a claim.
func (st *store) claimedIn(t *table, y *tally) {
	if y.into != t {
		st.count(y)
		y.into = t
	}
	y.claimed++
}

// carry freezes a slot of a table that has a successor and makes sure that its
// value has arrived where it lives on.
func (st *store) carry(t, next *table, s *slot, id uint64, y *tally) {
	final, toCount := s.tat.freeze()
	if toCount != 0 { // not in the tally, which a user's clock that panics would lose
		st.counters.mine().admitted.Add(toCount)
	}
	st.bring(t, next, id, final, y)
}

// bring writes the final value v of a key, frozen in from, into the chain from
// to onwards, unless it is there already or is not above the floor: then it is
// dropped, and the key stands at the horizon by being absent. All that decides
// this is fixed once to exists, so every bringer of the value decides alike. It
// never helps a migration.
func (st *store) bring(from, to *table, id uint64, v int64, y *tally) {
	for {
		v = hop(from, to, v)
		if v <= to.floor.Load() {
			// None but under Lenient, where the floor is above the horizon.
			y.forgiven += to.forgiven(v - to.horizon.Load())
			return
		}
		for {
			s, found := to.probe(id, false)
			if found == foundKey {
				// Only where nothing was ever written: what is there is this
				// value or what became of it.
				s.tat.CompareAndSwap(unwritten, v)
				return
			}
			next := st.successor(to)
			if next == unlinked {
				return // through, so it has arrived
			}
			if next != nil {
				if found == foundFree && !to.seal(id, s) {
					continue
				}
				from, to = to, next
				break
			}
			if found == foundEnd {
				st.succeed(nil, to, nil)
			} else if s := to.claim(s, id); s != nil {
				s.tat.CompareAndSwap(unwritten, v)
				st.claimedIn(to, y)
				return
			}
		}
	}
}

// hop is what a TAT of from becomes in its successor to. A marker of a key with
// its own quota is no TAT and stays as it is.
func hop(from, to *table, v int64) int64 {
	if v >= firstAway {
		return v
	}
	return from.rescale(v, &to.gcra, to.born.Load())
}

// open replaces the void table of a shard by a first real one.
func (st *store) open(sh *shard, void *table) {
	t := newTable(1, void.gcra, 0, st.bound.number.Load())
	born := max(st.clock.exact(), void.born.Load())
	t.settle(born, born, born)
	sh.cur.CompareAndSwap(void, t)
}
