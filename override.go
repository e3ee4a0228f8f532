package weir

import "sync/atomic"

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
	at      int64 // the instant of the hand-over into it; debts are rescaled around it
	leaving bool  // not a quota, but the way back to the table

	tat  atomicTAT
	next atomic.Pointer[keyQuota]
}

// ownKey names a key as the tables do. Not by its string: two keys that share
// an identity share everything, so that no marker is ever without its keyQuota.
type ownKey struct {
	shard *shard
	id    uint64
}

// current follows the hand-overs from e to the entry that holds the TAT, and
// returns it with the TAT. If the key is leaving, the TAT is final, and e.next
// says so.
func (e *keyQuota) current() (*keyQuota, int64) {
	for {
		v := e.tat.Load()
		if v >= 0 {
			return e, v
		}
		next := e.next.Load() // not nil: it is linked before the freeze
		if next.leaving {
			return e, v
		}
		next.arrive(e, v&^frozen)
		e = next
	}
}

// arrive writes what the key stood at in from, unless that was done before.
func (e *keyQuota) arrive(from *keyQuota, final int64) {
	e.tat.CompareAndSwap(unwritten, max(resetTAT, from.rescale(final, &e.gcra, e.at)))
}

// leave puts the final value of a leaving key back into its slot in t, if the
// marker is still there.
func (e *keyQuota) leave(t *table, s *slot, final int64) {
	s.tat.CompareAndSwap(e.marker, max(resetTAT, e.rescale(final, &t.gcra, e.next.Load().at)))
}

// setKeyQuota and clearKeyQuota are called by one goroutine at a time; all
// others they race with are operations, which never wait for them.
func (l *Limiter) setKeyQuota(sh *shard, id uint64, q Quota) {
	at := l.clock.exact()
	own := ownKey{sh, id}
	n := &keyQuota{Quota: q, gcra: newGCRA(q), at: at}
	if e, ok := l.own.Load(own); ok {
		n.marker = e.marker
		e.next.Store(n)
		final, _ := e.tat.freeze()
		n.arrive(e, final)
		l.own.Store(own, n)
		return
	}
	n.marker = firstAway + l.markers
	l.markers++
	l.own.Store(own, n) // before anybody can find the marker
	l.apply(sh, id, reading{now: at, asked: at, renew: true}, func(k standing) (int64, bool) {
		n.at = k.now
		n.tat.Store(max(resetTAT, k.rescale(k.tat, &n.gcra, k.now)))
		return n.marker, true
	})
}

func (l *Limiter) clearKeyQuota(sh *shard, id uint64) {
	own := ownKey{sh, id}
	e, ok := l.own.Load(own)
	if !ok {
		return
	}
	e.next.Store(&keyQuota{leaving: true, at: l.clock.exact()})
	final, _ := e.tat.freeze()
	for {
		t, s, found := l.find(sh, id)
		if !found {
			break
		}
		v := s.tat.Load()
		if v >= 0 && v != e.marker {
			break // another operation has put it back
		}
		if v >= 0 {
			e.leave(t, s, final)
		}
	}
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
		if e, v = e.current(); v < 0 {
			e.leave(t, s, v&^frozen)
			return false
		}
		now, asked := l.fresh(e.at, r)
		after, write := step(standing{&e.gcra, v, resetTAT, now, asked})
		if !write || e.tat.CompareAndSwap(v, after) {
			return true
		}
	}
}
