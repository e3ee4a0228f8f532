package weirredis

import (
	"time"
)

// An Option is given to [New] or [NewPartitionLimiter].
type Option func(*config) error

type config struct {
	prefix    string
	keysApart bool
	busyPoll  *BusyPoll // nil if there is none
	timeout   time.Duration
	refusals  time.Duration // how long a refusal is believed; 0: not at all
	batch     int64         // of a lease; 0: none are taken
	leaseAge  time.Duration
	fallback  Fallback
	failures  int           // in a row that open the breaker
	retry     time.Duration // from opening it to the first probe
	onHealth  func(Health)
	maxKeys   int // that the refusals, the leases, and the debts to be charged may each take up
}

// longest is a time that can be added to any other: a century.
const longest = 100 * 365 * 24 * time.Hour

func newConfig(opts []Option) (config, error) {
	c := config{
		prefix:   "weir:",
		timeout:  100 * time.Millisecond,
		refusals: time.Second,
		fallback: Local(1),
		failures: 5,
		retry:    100 * time.Millisecond,
		maxKeys:  1 << 16,
	}
	for _, opt := range opts {
		if err := opt(&c); err != nil {
			return config{}, err
		}
	}
	return c, nil
}

// WithPrefix sets what the names of all keys on the server begin with; by default
// "weir:". Limiters with the same prefix and key share a budget; two with different
// quotas count the same requests against it, see [Limiter.SetQuota].
//
// On a cluster a key's slot is computed from its name, and if there is a part in
// braces, from that alone: with "weir:{tenant-7}:" all keys of the Limiter are on one
// server; by default they are spread over all. Braces in a key do the same.
func WithPrefix(prefix string) Option {
	return func(c *config) error {
		c.prefix = prefix
		return nil
	}
}

// WithKeysApart has each call be for one key. By default requests for several keys of
// one quota, made at the same time, share a call where the client speaks to one server:
// a key then costs it 3 µs instead of 5. On a cluster, whose servers have different keys,
// they are apart anyway; so they are from the first time that a server says that it has
// not all of them. Give this option where neither is seen: behind a proxy that spreads
// keys over servers and sends each call where its first key is.
func WithKeysApart() Option {
	return func(c *config) error {
		c.keysApart = true
		return nil
	}
}

// WithTimeout sets the longest that any call waits for the server, connecting
// included; by default 100 ms. What has no answer by then is decided by the fallback,
// as is what the context ends before. A server that does answer later may have counted
// the request, too: the caller then has less left than it was told, never more.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return &ConfigError{"WithTimeout", d, "more than 0"}
		}
		c.timeout = d
		return nil
	}
}

// WithRefusalCache sets how long a refusal is believed without asking the server
// again; by default 1 s, and 0 asks always. Nobody can admit a key before its
// RetryAfter is over, so a refusal answered from here is the server's own, unless another
// Limiter has given something back meanwhile: by a Refund or a Reset, a Wait that was
// given up, or a lease that was returned. That is noticed up to maxAge late. (What this
// one gives back is noticed at once, and so is a new quota.)
//
// Under an attack on a key the server then hears of it maxAge apart, and each time
// that a request would fit. The cache holds 65,536 refused keys of at most 256 bytes.
func WithRefusalCache(maxAge time.Duration) Option {
	return func(c *config) error {
		if maxAge < 0 {
			return &ConfigError{"WithRefusalCache", maxAge, "0 or more"}
		}
		c.refusals = min(maxAge, longest)
		return nil
	}
}

// WithLeases lets the Limiter take up to batch requests of a key that is asked for
// again within age ahead of time, and decide them here, in some hundred nanoseconds,
// until they are used or age is over; then it gives the rest back. By default it takes
// none.
//
// What is leased has been spent on the server, so all processes together never spend
// more than the quota; but a request may pass up to age after it was paid for: for
// MaxIn(w) read MaxIn(w + age). It takes at most half of what a key has left. What one
// process holds, others are refused, for at most age and as long as they believe the
// refusal: up to batch requests for each holder. A process that dies with a lease has
// spent it. A [Limiter.Reset] does not call in what other processes hold.
func WithLeases(batch int64, age time.Duration) Option {
	return func(c *config) error {
		if batch < 2 {
			return &ConfigError{"WithLeases: batch", batch, "2 or more"}
		}
		if age <= 0 {
			return &ConfigError{"WithLeases: age", age, "more than 0"}
		}
		c.batch, c.leaseAge = batch, min(age, longest)
		return nil
	}
}

// WithFallback sets who decides while the server cannot be asked: [Local] (by default
// Local(1)), [Open] or [Closed].
func WithFallback(f Fallback) Option {
	return func(c *config) error {
		if f.kind == noFallback {
			return &ConfigError{"WithFallback", "the zero Fallback", "Local, Open or Closed"}
		}
		if f.kind == localFallback && f.processes < 1 {
			return &ConfigError{"WithFallback: Local: processes", f.processes, "1 or more"}
		}
		c.fallback = f
		return nil
	}
}

// WithBreaker sets how many failures in a row, 5 by default, let the Limiter stop
// asking the server, and after what time, 100 ms by default, it first tries whether
// the server is back. It tries by itself, one call at a time, at intervals that double
// up to ten times retry; each is drawn from half to all of that, so that processes do
// not come back in step. On a cluster this goes on for each 64 slots apart, since
// one of its servers may fail while others serve.
func WithBreaker(failures int, retry time.Duration) Option {
	return func(c *config) error {
		if failures < 1 {
			return &ConfigError{"WithBreaker: failures", failures, "1 or more"}
		}
		if retry <= 0 {
			return &ConfigError{"WithBreaker: retry", retry, "more than 0"}
		}
		c.failures, c.retry = failures, retry
		return nil
	}
}

// WithOnHealth has f called at each change: when the Limiter stops asking the server,
// or a part of a cluster, and when it asks again. Calls come one at a time, from a
// goroutine of their own; f may block, but delays the next.
func WithOnHealth(f func(Health)) Option {
	return func(c *config) error {
		if f == nil {
			return &ConfigError{"WithOnHealth", "nil", "a function"}
		}
		c.onHealth = f
		return nil
	}
}
