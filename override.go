package weir

// A keyQuota is where a key with a quota of its own keeps its TAT: a copier does
// not know a key's own interval, so it could not rescale a TAT of it. The key's
// slot in the table holds a marker instead, which no other stay of any key in
// any keyQuota has or had. Whoever finds the marker looks the keyQuota up; so
// the many keys without one pay nothing for the few that have one.
//
//	into it     the TAT is written here first, then the slot's is replaced by
//	            the marker, by one CAS: an operation that spends in between
//	            makes the CAS fail, and the TAT is taken again
//	on to next  another quota of its own: next is linked, tat is frozen, and its
//	            value written to next's where that is still unwritten
//	out of it   next is linked with leaving set, tat is frozen, and the slot's
//	            marker is replaced by its value, by one CAS
//
// Who meets a frozen tat does the rest of the hand-over itself, so nobody waits.
type keyQuota struct {
	Quota
	gcra
	marker  int64 // ≥ firstAway
	leaving bool  // not a quota, but the way back to the table

	// at is a reading from when the TAT before the hand-over was final: debts are rescaled around it. Like a table's
	// birth. 0 until somebody meets the frozen TAT.
	at   atomicInt64
	tat  atomicTAT
	next atomicPointer[keyQuota]
}

// ownKey names a key as the tables do. Not by its string: two keys that share
// an identity share everything, so that no marker is ever without its keyQuota.
type ownKey struct {
	shard *shard
	id    uint64
}

// current follows the hand-overs from e to the entry that holds the TAT, and
// returns it with the TAT. If the key is leaving, the TAT is final (below 0),
// and e.next says so.
func (e *keyQuota) current(c *clock) (*keyQuota, int64) {
	for {
		v := e.tat.Load()
		if v >= 0 {
			return e, v
		}
		next := e.next.Load() // not nil: it is linked before the freeze
		if next.at.Load() == 0 {
			next.at.CompareAndSwap(0, max(c.exact(), e.at.Load()))
		}
		if next.leaving {
			return e, v
		}
		next.tat.CompareAndSwap(unwritten, max(resetTAT, e.rescale(v&^frozen, &next.gcra, next.at.Load())))
		e = next
	}
}

// returned is what the final value of a leaving key is under g. It is not before
// the hand-over, for a table has no birth of its own for one key: an operation
// that read the clock before must not find a debt of the key's own quota.
func (e *keyQuota) returned(final int64, g *gcra) int64 {
	at := e.next.Load().at.Load()
	return max(at, e.rescale(final, g, at))
}

// setKeyQuota and clearKeyQuota are called by one goroutine at a time; all
// others they race with are operations, which never wait for them.
func (l *Limiter) setKeyQuota(sh *shard, id uint64, q Quota) {
	own := ownKey{sh, id}
	n := &keyQuota{Quota: q, gcra: newGCRA(q)}
	if e, ok := l.own.Load(own); ok {
		n.marker = e.marker
		e.next.Store(n)
		e.tat.freeze()
		e.current(l.clock)
		l.own.Store(own, n)
		return
	}
	n.marker = firstAway + l.markers
	l.markers++
	l.own.Store(own, n) // before anybody can find the marker
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		now := max(l.clock.exact(), k.now) // after k.tat was read, so not before any reading that made it
		tat := k.rescale(k.tat, &n.gcra, now)
		if k.tat <= k.floor {
			// Not seen, or forgotten: it stands at a horizon that is not its
			// own doing, and at worst is taken to have spent its burst.
			tat = min(tat, now+n.tolerance)
		}
		n.at.Store(now)
		n.tat.Store(max(resetTAT, tat))
		return n.marker, true
	})
	l.bound.pinned.Add(1)
}

func (l *Limiter) clearKeyQuota(sh *shard, id uint64) {
	own := ownKey{sh, id}
	e, ok := l.own.Load(own)
	if !ok {
		return
	}
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	_, v := e.current(l.clock)
	for {
		t, s, found := l.find(sh, id)
		if !found {
			break // put back by another operation, and dropped by a migration since
		}
		w := s.tat.Load()
		if w >= 0 && (w != e.marker || s.tat.CompareAndSwap(w, e.returned(v&^frozen, &t.gcra))) {
			break // put back, by this or another operation
		}
	}
	l.bound.pinned.Add(-1)
	l.own.Delete(own)
}

// applyOwn is apply for a key whose slot s in t held a marker. It reports false
// if the key has left meanwhile: then the slot is to be looked at again.
func (l *Limiter) applyOwn(own ownKey, t *table, s *slot, marker int64, r reading, step step) bool {
	e, ok := l.own.Load(own)
	if !ok || e.marker != marker {
		return false
	}
	for {
		var v int64
		if e, v = e.current(l.clock); v < 0 {
			s.tat.CompareAndSwap(marker, e.returned(v&^frozen, &t.gcra))
			return false
		}
		born := e.at.Load()
		if l.renew(&r, born) {
			continue
		}
		after, write := step(standing{&e.gcra, v, resetTAT, max(r.now, born), r.asked})
		if !write || e.tat.CompareAndSwap(v, after) {
			return true
		}
	}
}
