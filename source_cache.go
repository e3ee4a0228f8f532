package weir

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v3"
)

// A ttlCache remembers values for a time, at most max of them.
//
// get is lock-free: a lookup in a concurrent map and the load of one bit. put
// takes a mutex; it follows a lookup of a source, next to which that is nothing.
//
// Whom to forget is decided by CLOCK. The entries stand in a ring; get marks an
// entry; a put that finds the ring full moves the hand on from where it stopped,
// takes the mark off those that have one and the place of the first that has
// none, or has expired. A new entry starts without a mark, just behind the hand,
// so a flood of keys that come once goes round through its own places, while a
// key that is asked for once a round keeps its mark and its place.
type ttlCache[K comparable, V any] struct {
	entries *xsync.MapOf[K, *ttlEntry[K, V]] // the entries of ring, by key
	max     int

	mu   sync.Mutex // held by writers
	ring []*ttlEntry[K, V]
	hand int // index in ring of the next to be asked to go
}

// A ttlEntry is not changed once it is in the map, but for its mark.
type ttlEntry[K comparable, V any] struct {
	key     K
	value   V
	expires time.Duration
	slot    int         // index in ring
	marked  atomic.Bool // asked for since the hand passed
}

func newTTLCache[K comparable, V any](max int) *ttlCache[K, V] {
	return &ttlCache[K, V]{entries: xsync.NewMapOf[K, *ttlEntry[K, V]](), max: max}
}

// get returns the value of key unless it has expired at now.
func (c *ttlCache[K, V]) get(key K, now time.Duration) (value V, ok bool) {
	e, ok := c.entries.Load(key)
	if !ok || now >= e.expires {
		return value, false
	}
	// Load first, so that the line of a busy entry stays shared between cores.
	if !e.marked.Load() {
		e.marked.Store(true)
	}
	return e.value, true
}

// put remembers a value from now on for ttl. It keeps key: the caller must not
// hand over a piece of something bigger.
func (c *ttlCache[K, V]) put(key K, value V, now, ttl time.Duration) {
	e := &ttlEntry[K, V]{key: key, value: value, expires: now + ttl}
	if e.expires < now {
		e.expires = 1<<63 - 1 // a ttl of centuries has overflowed: never
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.entries.Load(key); ok {
		e.slot = old.slot
		e.marked.Store(true) // it is asked for again after it had expired
		c.ring[e.slot] = e
	} else if len(c.ring) < c.max {
		e.slot = len(c.ring)
		c.ring = append(c.ring, e)
	} else {
		e.slot = c.evict(now)
		c.ring[e.slot] = e
	}
	c.entries.Store(key, e)
}

// evict removes one entry from a full ring and returns its slot. The caller
// holds the mutex.
func (c *ttlCache[K, V]) evict(now time.Duration) (slot int) {
	// One round takes every mark off, so it finds somebody unless readers put
	// marks back as fast. Then whoever the hand has come back to goes.
	for range len(c.ring) {
		if e := c.ring[c.hand]; now >= e.expires || !e.marked.Swap(false) {
			break
		}
		c.advance()
	}
	slot = c.hand
	c.entries.Delete(c.ring[slot].key)
	c.advance()
	return slot
}

func (c *ttlCache[K, V]) advance() {
	if c.hand++; c.hand == len(c.ring) {
		c.hand = 0
	}
}
