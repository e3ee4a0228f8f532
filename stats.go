package weir

import (
	"sync/atomic"
	"unsafe"
)

// Stats are counts since New, except Keys and Bytes, which are of now.
type Stats struct {
	Admitted      int64 // requests admitted, whatever their cost but 0; also by Wait
	Refused       int64 // requests refused; also by Wait, given up while it slept included
	Keys          int64 // keys that are not as if never seen
	Bytes         int64 // memory of the tables and of what they share
	Migrations    int64 // tables replaced by a successor
	HorizonRaises int64 // successors that the memory bound made drop live keys
	Forgiven      int64 // under Lenient: requests that dropped keys may make beyond the quota, at most
}

// Stats counts. Counts of decisions are exact when no call is under way, never
// more than there were, and never less than Stats has told before. Up to 31
// admissions of a key are counted beside its TAT, and move from there to a sum at the
// 32nd, and when the table is replaced: those that just move while Stats looks
// may be missing. Keys is counted by looking at every slot: some 9 ms for a million
// keys. It does not block, and nothing waits for it.
func (l *Limiter) Stats() Stats {
	s := Stats{
		Migrations:    l.migrations.Load(),
		HorizonRaises: l.raises.Load(),
		Forgiven:      l.forgiven.Load(),
		Bytes: int64(unsafe.Sizeof(*l)) +
			int64(len(l.shards))*int64(unsafe.Sizeof(shard{})) +
			int64(len(l.counters.stripes))*int64(unsafe.Sizeof(stripe{})) +
			int64(l.own.Size())*int64(unsafe.Sizeof(keyQuota{})),
	}
	s.Admitted, s.Refused = l.counters.decisions()
	if m := l.memo.Load(); m != noMemo {
		s.Bytes += int64(unsafe.Sizeof(*m))
	}
	now := l.clock.exact()
	for i := range l.shards { // after the sums: what moves there meanwhile must not be counted twice
		found := l.survey(&l.shards[i], now)
		s.Admitted += found.admitted
		s.Keys += found.keys
		s.Bytes += found.bytes
	}
	atLeast, _ := l.counters.decisions()
	s.Admitted = raise(&l.told, max(s.Admitted, atLeast))
	return s
}

// raise makes a at least n, and returns it.
func raise(a *atomic.Int64, n int64) int64 {
	for {
		old := a.Load()
		if n <= old {
			return old
		}
		if a.CompareAndSwap(old, n) {
			return n
		}
	}
}

// A survey is what Stats finds in the tables.
type survey struct {
	keys, bytes, admitted int64
}

// survey looks at one shard. If the shard has moved on meanwhile, it would have
// counted tables that were not there at one time; so then it counts again, a few
// times at most.
func (l *Limiter) survey(sh *shard, now int64) (found survey) {
	const attempts = 4
	for range attempts {
		cur := sh.cur.Load()
		found = survey{}
		for t := cur; t != nil && t != unlinked; t = l.successor(t) {
			if !t.void() {
				l.surveyTable(sh, t, now, &found)
			}
		}
		if sh.cur.Load() == cur {
			break
		}
	}
	return found
}

// surveyTable counts what t takes, the admissions that its slots hold, and its
// keys that stand above now and the horizon, but for those that a later table has.
func (l *Limiter) surveyTable(sh *shard, t *table, now int64, found *survey) {
	found.bytes += t.bytes()
	for chunk := range t.chunks() {
		lines := t.lines(chunk)
		for i := range lines {
			for k := range lines[i] {
				id, v := lines[i][k].id.Load(), lines[i][k].tat.Load()
				found.admitted += admissionsOf(v)
				if l.live(sh, t, id, v, now) {
					found.keys++
				}
			}
		}
	}
}

// live reports whether a slot of t that holds id and v is a key's that is not as if
// never seen, and not counted in a later table.
func (l *Limiter) live(sh *shard, t *table, id uint64, v, now int64) bool {
	if v < 0 {
		// An operation may have carried it further than to the next table.
		for next := l.successor(t); next != nil && next != unlinked; next = l.successor(next) {
			if s, found := next.probe(id, false); found == foundKey && s.tat.Load() != unwritten {
				return false // counted there
			}
		}
	}
	v = tatOf(v)
	if v >= firstAway {
		e, ok := l.own.Load(ownKey{sh, id})
		if !ok {
			return false
		}
		_, v = e.current(l.clock)
		v &^= frozen
		return v > now
	}
	return v > max(now, t.horizon.Load())
}
