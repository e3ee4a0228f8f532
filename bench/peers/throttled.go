package peers

import (
	"context"

	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"

	"github.com/weirhq/weir/bench/subject"
)

// Throttled is throttled with its store without a bound.
var Throttled = subject.Subject{
	Name:   "throttled",
	Module: "github.com/throttled/throttled/v2",
	Keeps:  subject.Text,
	Cleans: "never",
	Exact:  "exact (GCRA); returns an error after 10 lost races, which is taken for a refusal",
	New: func(c subject.Config) (subject.Limiter, error) {
		return newThrottled(c, 0)
	},
}

// ThrottledLRU is throttled with its store of the keys seen last.
var ThrottledLRU = subject.Subject{
	Name:   "throttled, LRU",
	Module: "github.com/throttled/throttled/v2",
	Keeps:  subject.Text,
	Cleans: "least recently used, at MaxKeys",
	Exact:  "exact up to MaxKeys keys, dead ones included; beyond, forgives the key not seen for longest",
	New: func(c subject.Config) (subject.Limiter, error) {
		return newThrottled(c, c.MaxKeys)
	},
}

func newThrottled(c subject.Config, maxKeys int) (subject.Limiter, error) {
	store, err := memstore.NewCtx(maxKeys)
	if err != nil {
		return nil, err
	}
	quota := throttled.RateQuota{
		MaxRate:  throttled.PerDuration(int(c.Limit), c.Period),
		MaxBurst: int(c.Limit) - 1, // beyond the one that is always possible
	}
	l, err := throttled.NewGCRARateLimiterCtx(store, quota)
	if err != nil {
		return nil, err
	}
	return throttledLimiter{l}, nil
}

type throttledLimiter struct{ l *throttled.GCRARateLimiterCtx }

func (t throttledLimiter) Allow(key string) bool {
	limited, _, err := t.l.RateLimitCtx(context.Background(), key, 1)
	return !limited && err == nil
}

func (t throttledLimiter) Close() {}
