package weir

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

// An Option changes how [New], [NewMulti] or [NewPartitionLimiter] makes a
// limiter.
type Option func(*config) error

type config struct {
	now        func() time.Duration
	resolution time.Duration
	maxKeys    int
	overflow   Overflow
	policies   policies // of NewPartitionLimiter only
}

const defaultMaxKeys = 1 << 20

func newConfig(opts []Option) (config, error) {
	c := config{maxKeys: defaultMaxKeys}
	for _, opt := range opts {
		if opt == nil {
			return c, &ConfigError{"Option", "nil", "made by one of the With functions"}
		}
		if err := opt(&c); err != nil {
			return c, err
		}
	}
	return c, nil
}

// WithClock replaces the clock: now returns the time since any fixed origin. It
// should not step back, and is called by many goroutines at once, once a
// decision. A clock that does step back admits nothing beyond the quota, but
// refuses until it has caught up. Only a quota that is made faster while the
// clock is back takes the time in between for debt, and forgives a part of it;
// the same goes for what AllowAt has spent ahead of the clock. now must not be
// nil.
func WithClock(now func() time.Duration) Option {
	return func(c *config) error {
		if now == nil {
			return &ConfigError{"WithClock", "nil", "a function"}
		}
		c.now = now
		return nil
	}
}

// WithCoarseClock reads the clock twice a resolution in a goroutine of its own
// instead of once a decision, which about halves the cost of a decision. The
// goroutine ends when no decision was made for 4 resolutions, and starts again
// with the next one.
//
// What it costs: a decision is made at a reading up to one resolution old. So in
// a window w of the exact clock, MaxIn(w + resolution) requests can be admitted,
// and a refusal may last one resolution longer than it had to. That holds as
// far as the scheduler lets the goroutine run in time; readings that are later
// still admit nothing beyond the quota in windows of the readings themselves.
//
// The resolution must be above 0; 1 to 10 ms are good values. Below 200 µs the
// exact clock is read instead: no timer is that punctual.
func WithCoarseClock(resolution time.Duration) Option {
	return func(c *config) error {
		if resolution <= 0 {
			return &ConfigError{"WithCoarseClock", resolution, "above 0"}
		}
		c.resolution = resolution
		return nil
	}
}

// WithMaxKeys bounds the memory by the number of keys that are kept whole: n
// live keys at once are, however they fall on the shards, where a key is live
// until it is as if never seen. Only when there are more does the overflow rule
// of [WithOverflow] drop those with the least debt. Dead keys and those beyond n
// hold slots until their shard is next migrated; together all stay within
// 64·n bytes under any flood, for n of some thousands and more: below that, a
// page of 4 KiB a shard counts. The default is 1<<20. n must be above 0.
//
// Not bounded are keys that nothing can drop: those with a quota of their own,
// and those that stand further ahead of the clock than a spent burst, because
// AllowAt or Wait put them there or SetQuota lowered the burst.
func WithMaxKeys(n int) Option {
	return func(c *config) error {
		if n <= 0 {
			return &ConfigError{"WithMaxKeys", n, "above 0"}
		}
		c.maxKeys = n
		return nil
	}
}

// WithOverflow says what happens at the bound of [WithMaxKeys]: [Strict], the
// default, or [Lenient].
func WithOverflow(o Overflow) Option {
	return func(c *config) error {
		if o != Strict && o != Lenient {
			return &ConfigError{"WithOverflow", o, "Strict or Lenient"}
		}
		c.overflow = o
		return nil
	}
}

// randomKey is a key for the identity hash that nobody else knows.
func randomKey() (k0, k1 uint64) {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
}
