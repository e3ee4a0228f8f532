package weirredis

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/puzpuzpuz/xsync/v3"
)

// near is what this process knows of keys without asking: that they are refused until
// some time, and what it has leased of them.
type near struct {
	keys      *xsync.MapOf[string, *known]
	max       int
	sweepAt   atomic.Int64 // the number of keys at which the next sweep is due
	sweeping  sync.Mutex
	sweptAt   time.Duration      // when the last one was, by this process's clock; guarded by sweeping
	forgotten [256]atomic.Uint32 // by hash of the key; see epoch
}

// maxNearKey is the length of the longest key that near keeps, which bounds its memory.
const maxNearKey = 256

// known is what is known of a key. It changes under its lock in the map only; it may
// be read by anybody.
type known struct {
	refusal atomic.Pointer[refusal]
	lease   atomic.Pointer[lease]
}

// A refusal is what the server said when it refused. It never changes.
type refusal struct {
	meter          *meter
	debtNanos      int64         // of the key, when the server decided
	sent, received time.Duration // the server decided in between, by this process's clock
	until          time.Duration // it is believed
}

// refuses reports whether the server would certainly refuse a request of that cost
// now, and what remains of the debt. Since it decided no earlier than the request was
// sent, the key owes no less than if it had decided then. What is told is counted from
// when the answer came: who waits that long is certainly not too early.
func (r *refusal) refuses(m *meter, now time.Duration, costMicros int64) (debtNanos int64, yes bool) {
	if r == nil || r.meter != m || now >= r.until {
		return 0, false
	}
	room := (m.tolerance - costMicros) * int64(time.Microsecond)
	if r.debtNanos-int64(now-r.sent) <= room {
		return 0, false
	}
	return r.debtNanos - int64(now-r.received), true
}

func newNear(max int) *near {
	n := &near{keys: xsync.NewMapOf[string, *known](), max: max}
	n.sweepAt.Store(1024)
	return n
}

// epoch of a key changes when it is forgotten.
func (n *near) epoch(key string) *atomic.Uint32 {
	return &n.forgotten[xxhash.Sum64String(key)%uint64(len(n.forgotten))]
}

// refused keeps a refusal, unless the key was forgotten since the server was asked, at
// that epoch, or there is no room.
func (n *near) refused(key string, r *refusal, asked uint32, now time.Duration) {
	n.change(key, now, func(k *known) {
		if n.epoch(key).Load() == asked {
			k.refusal.Store(r)
		}
	})
}

// forget drops what is known of refusals of the key, which no longer hold.
func (n *near) forget(key string) {
	n.epoch(key).Add(1)
	n.keys.Compute(key, func(k *known, loaded bool) (*known, bool) {
		if loaded {
			k.refusal.Store(nil)
		}
		return k, !loaded
	})
}

// change changes what is known of a key under its lock, and reports whether it could.
func (n *near) change(key string, now time.Duration, change func(*known)) bool {
	if len(key) > maxNearKey {
		return false
	}
	n.sweep(now)
	changed := false
	if _, ok := n.keys.Load(key); !ok {
		key = strings.Clone(key) // which may be a part of something large
	}
	n.keys.Compute(key, func(k *known, loaded bool) (*known, bool) {
		if !loaded {
			if n.keys.Size() >= n.max {
				return nil, true
			}
			k = new(known)
		}
		change(k)
		changed = true
		return k, false
	})
	return changed
}

// sweep drops the keys of which nothing is known any more, if it is due: when there
// are twice as many as the last one left, so that it costs each new key as much as one
// step; and while there is no room, every tenth of a second.
func (n *near) sweep(now time.Duration) {
	size := n.keys.Size()
	if size < int(n.sweepAt.Load()) || !n.sweeping.TryLock() {
		return
	}
	defer n.sweeping.Unlock()
	if size >= n.max && now-n.sweptAt < time.Second/10 {
		return
	}
	n.sweptAt = now
	n.keys.Range(func(key string, _ *known) bool {
		n.keys.Compute(key, func(k *known, loaded bool) (*known, bool) {
			return k, !loaded || k.idle(now)
		})
		return true
	})
	n.sweepAt.Store(int64(max(min(2*n.keys.Size(), n.max), 1024)))
}

// idle reports whether nothing is known that still holds. A lease stays until it has
// been given back.
func (k *known) idle(now time.Duration) bool {
	r := k.refusal.Load()
	return k.lease.Load() == nil && (r == nil || now >= r.until)
}
