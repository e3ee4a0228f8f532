package weir

// A reading is when an operation takes place.
type reading struct {
	now   int64 // the instant to decide at
	asked int64 // the instant that the caller's durations count from; ≤ now
	renew bool  // now is of the limiter's clock, so it may be read again
}

// fresh is when to decide in a table, or under a quota, that was born at born.
// A reading older than that would refuse what should pass: so the clock is read
// once more; and where that does not help, because the clock has stepped back
// or the time is the caller's, the birth counts.
func (st *store) fresh(born int64, r reading) (now, asked int64) {
	if r.now < born && r.renew {
		r.now = st.clock.reading()
		r.asked = r.now
	}
	return max(r.now, born), r.asked
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
	for {
		t, s, found := l.find(sh, id)
		v := unwritten
		if found {
			if v = s.tat.Load(); v < 0 {
				continue // frozen since it was found: follow it
			}
			if v >= firstAway {
				if l.applyOwn(ownKey{sh, id}, t, s, v, r, step) {
					break
				}
				continue
			}
		}
		now, asked := l.fresh(t.born, r)
		after, write := step(standing{&t.gcra, max(v, t.horizon), t.horizon, now, asked})
		if !write {
			break
		}
		if !found {
			if t.void() {
				l.open(sh, t)
				continue
			}
			n := l.claim(t, s, id)
			if n == 0 {
				continue
			}
			claimed, used = t, n
		}
		if s.tat.CompareAndSwap(v, after) {
			break
		}
	}
	if claimed != nil {
		l.claimed(sh, claimed, used)
	}
	l.help(sh)
}

// peek walks the chain and changes nothing on it. A frozen value that is not
// unwritten is where the key stands until the walk meets what became of it.
func (l *Limiter) peek(sh *shard, id uint64, r reading) verdict {
restart:
	t := sh.cur.Load()
	v := unwritten
	for {
		s, found := t.probe(id)
		frozenHere := false
		if found == foundKey {
			w := s.tat.Load()
			if w >= firstAway {
				if answer, ok := l.peekOwn(ownKey{sh, id}, t, w, r); ok {
					return answer
				}
				goto restart
			}
			if w&^frozen != unwritten {
				v = w &^ frozen
			}
			frozenHere = w < 0
		}
		// A live value, also one not yet written, and an empty slot both say:
		// the key is nowhere beyond.
		next := t.next.Load()
		if next == unlinked {
			goto restart
		}
		if next == nil || found == foundFree || found == foundKey && !frozenHere {
			now, asked := l.fresh(t.born, r)
			return t.peek(max(v, t.horizon), now).late(now - asked)
		}
		if v = hop(t, next, v); v <= next.floor {
			v = unwritten
		}
		t = next
	}
}

// peekOwn is peek for a key whose slot in t held a marker; false if the key has
// left meanwhile.
func (l *Limiter) peekOwn(own ownKey, t *table, marker int64, r reading) (verdict, bool) {
	e, ok := l.own.Load(own)
	if !ok || e.marker != marker {
		return verdict{}, false
	}
	e, v := e.current()
	g, born := &e.gcra, e.at
	if v < 0 {
		g, born = &t.gcra, max(e.next.Load().at, t.born)
		v = e.rescale(v&^frozen, g, e.next.Load().at)
	}
	now, asked := l.fresh(born, r)
	return g.peek(v, now).late(now - asked), true
}
