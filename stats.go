package weir

import "unsafe"

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

// Stats counts. Counts of decisions are exact once the calls that made them have
// returned. Keys is counted by looking at every slot: some 9 ms for a million
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
	for i := range l.counters.stripes {
		s.Admitted += l.counters.stripes[i].admitted.Load()
		s.Refused += l.counters.stripes[i].refused.Load()
	}
	if m := l.memo.Load(); m != noMemo {
		s.Bytes += int64(unsafe.Sizeof(*m))
	}
	now := l.clock.exact()
	for i := range l.shards {
		keys, bytes := l.survey(&l.shards[i], now)
		s.Keys += keys
		s.Bytes += bytes
	}
	return s
}

// survey counts one shard. If the shard has moved on meanwhile, it would have
// counted tables that were not there at one time; so then it counts again, a few
// times at most.
func (l *Limiter) survey(sh *shard, now int64) (keys, bytes int64) {
	const attempts = 4
	for range attempts {
		cur := sh.cur.Load()
		keys, bytes = 0, 0
		for t := cur; t != nil && t != unlinked; t = l.successor(t) {
			if !t.void() {
				keys += l.liveIn(sh, t, now)
				bytes += t.bytes()
			}
		}
		if sh.cur.Load() == cur {
			break
		}
	}
	return keys, bytes
}

// liveIn counts the keys of t that stand above now and the horizon, but for
// those that a later table has.
func (l *Limiter) liveIn(sh *shard, t *table, now int64) (n int64) {
	for chunk := range t.chunks() {
		lines := t.lines(chunk)
		for i := range lines {
			for k := range lines[i] {
				if l.live(sh, t, &lines[i][k], now) {
					n++
				}
			}
		}
	}
	return n
}

func (l *Limiter) live(sh *shard, t *table, s *slot, now int64) bool {
	id, v := s.id.Load(), s.tat.Load()
	if v < 0 {
		// An operation may have carried it further than to the next table.
		for next := l.successor(t); next != nil && next != unlinked; next = l.successor(next) {
			if s, found := next.probe(id, false); found == foundKey && s.tat.Load() != unwritten {
				return false // counted there
			}
		}
	}
	v &^= frozen
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
