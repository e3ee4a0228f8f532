package weir

import (
	"sync/atomic"
	"time"
)

// A clock turns monotonic readings into the instants that TATs are made of:
// nanoseconds in [1, maxReading], 1 for the first reading. 0 is left for "never
// written", and 1 is before every debt.
type clock struct {
	base   time.Time            // of the default clock
	plain  bool                 // neither of the options below
	custom func() time.Duration // WithClock; nil for the default clock
	origin time.Duration        // custom's first reading
	coarse *coarseClock         // WithCoarseClock; nil without
}

// newClock takes the first reading of custom, if there is one. A resolution of
// 0 means an exact clock.
func newClock(custom func() time.Duration, resolution time.Duration) *clock {
	c := &clock{base: time.Now(), custom: custom}
	if custom != nil {
		c.origin = custom()
	}
	// Below this no timer keeps the promise that a reading is at most one
	// resolution old (Linux wakes a sleeper some 60 µs late), so read afresh.
	const finest = 200 * time.Microsecond
	if resolution >= finest {
		c.coarse = &coarseClock{read: c.exact, every: resolution / 2}
	}
	c.plain = c.custom == nil && c.coarse == nil
	return c
}

// reading is the present instant.
func (c *clock) reading() int64 {
	k := c.coarse
	if k == nil {
		return c.exact()
	}
	if now := k.now.Load(); now != 0 && k.used.Load() {
		return now
	}
	return k.reading()
}

// sinceBase is reading where the clock is the default one, and 0 or less where
// it is not; so small that it is inlined.
func (c *clock) sinceBase() int64 {
	if !c.plain {
		return 0
	}
	return int64(time.Since(c.base)) + 1
}

// exact reads the underlying clock, whatever the resolution.
func (c *clock) exact() int64 {
	if c.custom != nil {
		return c.instant(c.custom())
	}
	// time.Since of a Time with a monotonic reading is one monotonic clock
	// read, and is the fake clock inside a testing/synctest bubble.
	return max(int64(time.Since(c.base)), 0) + 1
}

// instant is the reading at which the user's clock shows at.
func (c *clock) instant(at time.Duration) int64 {
	return min(max(c.shifted(at), 1), maxReading)
}

// shifted is instant without the clamp: it may be 0 or less for a time before
// the clock's first reading. It saturates instead of overflowing.
func (c *clock) shifted(at time.Duration) int64 {
	d := int64(at) - int64(c.origin)
	if overflow := (int64(at) < int64(c.origin)) != (d < 0); overflow {
		if at < c.origin {
			return 1 - maxReading
		}
		return maxReading
	}
	return min(max(d, -maxReading), maxReading-1) + 1
}

// user turns an instant back into a time of the user's clock.
func (c *clock) user(instant int64) time.Duration {
	return time.Duration(instant-1) + c.origin
}

// A coarseClock remembers one reading and renews it twice a resolution, so that
// with half a resolution to spare for a late timer no reading is older than
// one resolution. The goroutine that renews it starts with the first reading
// and ends after idleTicks renewals that nobody read.
type coarseClock struct {
	now     atomic.Int64  // the reading; 0 while no goroutine renews it
	read    func() int64  // the exact clock
	every   time.Duration // half the resolution
	used    atomic.Bool   // somebody has read now since the last renewal
	running atomic.Bool   // owned by the goroutine, from its start to its end
}

// idleTicks is 4 resolutions: long enough that steady traffic never restarts
// the goroutine, short enough that a test which waits for goroutines to end
// does not wait long.
const idleTicks = 8

func (c *coarseClock) reading() int64 {
	now := c.now.Load()
	if now == 0 {
		return c.start()
	}
	// Load first: the store happens once a renewal, so that the line stays
	// shared between cores.
	if !c.used.Load() {
		c.used.Store(true)
	}
	return now
}

// start returns an exact reading, and has it kept fresh from now on.
func (c *coarseClock) start() int64 {
	if !c.running.CompareAndSwap(false, true) {
		return c.read() // another one is about to store its reading
	}
	now := c.read()
	c.now.Store(now)
	go c.renew()
	return now
}

func (c *coarseClock) renew() {
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	for idle := 0; idle < idleTicks; idle++ {
		<-ticker.C
		if c.used.Swap(false) {
			idle = 0
		}
		c.now.Store(c.read())
	}
	// In this order: a caller that finds 0 while running is still true reads
	// the exact clock, and the next one starts a new goroutine.
	c.now.Store(0)
	c.running.Store(false)
}
