package weir

// A reading is when an operation takes place.
type reading struct {
	now       int64 // the instant to decide at
	asked     int64 // the instant that the caller's durations count from; ≤ now
	renewable bool  // now is of the limiter's clock, and may be read once more
}

// renew reads the clock again for an operation about to decide in a table, or
// under a quota, that was born after its reading: that would refuse what should
// pass. It reports whether it did: then the operation looks again, so that it
// still has read the clock before it saw no successor. Where a newer reading
// does not help, because the clock has stepped back or the time is the
// caller's, the birth counts.
func (st *store) renew(r *reading, born int64) bool {
	if r.now >= born || !r.renewable {
		return false
	}
	now := st.clock.reading()
	*r = reading{now: now, asked: now}
	return true
}

// A standing is what a step of an operation sees of its key.
type standing struct {
	*gcra       // the quota that decides
	tat   int64 // ≥ floor
	floor int64 // where a key stands that was never seen
	now   int64 // when to decide
	asked int64 // what the caller's durations count from
}

// A step says where a key stands after an operation, and whether that is to be
// written. It is repeated if the key was changed meanwhile.
type step func(k standing) (after int64, write bool)

// apply does one step on a key, wherever its TAT lives, and then its share of
// the work on the shard.
//
// Its order matters: the decision comes first, then the claim of a slot, then
// the TAT. So refusals end without a write; and where a claim is cut off from
// its TAT by a freeze, the slot is final at unwritten, which says nothing.
func (l *Limiter) apply(sh *shard, id uint64, r reading, step step) {
	var claimed *table
	var used int64
	var opened bool
	for {
		t, s, found := l.find(sh, id)
		v := unwritten
		if found {
			if v = s.tat.Load(); v < 0 {
				continue // frozen since it was found: follow it
			}
			if tat := tatOf(v); tat >= firstAway {
				if l.applyOwn(ownKey{sh, id}, t, s, tat, r, step) {
					break
				}
				continue
			}
		}
		born, horizon := t.born.Load(), t.horizon.Load()
		if l.renew(&r, born) {
			continue
		}
		after, write := step(standing{&t.gcra, max(tatOf(v), horizon), horizon, max(r.now, born), r.asked})
		if !write {
			break
		}
		if !found {
			if t.void() {
				l.open(sh, t)
				continue
			}
			opened = s == nil
			if s = t.claim(s, id); s == nil {
				continue
			}
			l.counters.mine().keys.Add(1)
			claimed, used = t, t.used.Add(1)
		}
		if s.tat.CompareAndSwap(v, after) {
			if n := admissionsOf(v); n != 0 {
				l.counters.mine().admitted.Add(n)
			}
			break
		}
	}
	if claimed != nil && (l.claimed(sh, claimed, used) || opened) {
		return // making a successor, or a segment, is enough for one operation
	}
	l.help(sh)
}

// peek walks the chain and changes nothing on it. A frozen value that is not
// unwritten is where the key stands until the walk meets what became of it.
func (l *Limiter) peek(sh *shard, id uint64, r reading) verdict {
	var leaving *keyQuota // seen on its way out of a quota of its own
restart:
	t := sh.cur.Load()
	v := unwritten
	for {
		s, found := t.probe(id, false)
		final := false
		if found == foundKey {
			w := s.tat.Load()
			final = w < 0
			if w = tatOf(w); w != unwritten {
				v = w
			}
		}
		next := l.successor(t)
		if next == unlinked {
			goto restart
		}
		// A live value, also one not yet written, and an empty slot both say:
		// the key is nowhere beyond.
		if next == nil || found == foundFree || found == foundKey && !final {
			born := t.born.Load()
			if l.renew(&r, born) {
				goto restart
			}
			if v < firstAway {
				return t.peek(max(v, t.horizon.Load()), max(r.now, born)).late(max(r.now, born) - r.asked)
			}
			if answer, ok := l.peekOwn(ownKey{sh, id}, t, v, r, &leaving); ok {
				return answer
			}
			goto restart
		}
		if v = hop(t, next, v); v <= next.floor.Load() {
			v = unwritten
		}
		t = next
	}
}

// peekOwn is peek for a key whose slot in t held a marker; false if the key has
// left meanwhile, and at first if it is leaving: a SetQuota may have come between
// the marker and that. Who then walks once more and finds the marker again knows
// the table to which the key comes back, since no SetQuota begins before it has.
// Not by whether t has a successor: Peek would wait until somebody has moved it on.
func (l *Limiter) peekOwn(own ownKey, t *table, marker int64, r reading, leaving **keyQuota) (verdict, bool) {
	e, ok := l.own.Load(own)
	if !ok || e.marker != marker {
		return verdict{}, false
	}
	e, v := e.current(l.clock)
	g, born := &e.gcra, e.at.Load()
	if v < 0 {
		if *leaving != e {
			*leaving = e
			return verdict{}, false
		}
		g, born = &t.gcra, max(e.next.Load().at.Load(), t.born.Load())
		v = max(e.returned(v&^frozen, g), t.horizon.Load())
	}
	now := max(r.now, born)
	return g.peek(v, now).late(now - r.asked), true
}
