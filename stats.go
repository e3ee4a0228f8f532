package weir

import "unsafe"

// Stats are counts since New, except Keys and Bytes, which are of now.
type Stats struct {
	Admitted      int64 // requests admitted, whatever their cost; also by Wait
	Refused       int64 // requests refused; also by Wait
	Keys          int64 // keys that are not as if never seen
	Bytes         int64 // memory of the tables and of what they share
	Migrations    int64 // tables replaced by a successor
	HorizonRaises int64 // successors that the memory bound made drop live keys
	Forgiven      int64 // under Lenient: requests that dropped keys may make beyond the quota, at most
}

// Stats counts. Counts of decisions are exact once the calls that made them have
// returned. Keys is counted by looking at every slot, 1 to 2 ns each: some 5 ms
// for a million keys. It does not block, and nothing waits for it.
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
	now := l.clock.exact()
	for i := range l.shards {
		sh := &l.shards[i]
		for t := sh.cur.Load(); t != nil && t != unlinked; t = l.successor(t) {
			if !t.void() {
				s.Bytes += t.bytes()
				s.Keys += l.liveIn(sh, t, now)
			}
		}
	}
	return s
}

// liveIn counts the keys of t that stand above now and the horizon, but for
// those that its successor has.
func (st *Limiter) liveIn(sh *shard, t *table, now int64) (n int64) {
	next := st.successor(t)
	for i := range t.lines {
		for k := range t.lines[i] {
			s := &t.lines[i][k]
			v := s.tat.Load()
			if v < 0 && next != nil && next != unlinked {
				if s, found := next.probe(s.id.Load()); found == foundKey && s.tat.Load() != unwritten {
					continue
				}
			}
			v &^= frozen
			if v >= firstAway {
				if e, ok := st.own.Load(ownKey{sh, s.id.Load()}); ok {
					_, v = e.current(st.clock)
					v &^= frozen
				}
			}
			if v > max(now, t.horizon.Load()) {
				n++
			}
		}
	}
	return n
}
