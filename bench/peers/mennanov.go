package peers

import (
	"context"
	"time"

	"github.com/mennanov/limiters"

	"github.com/weirhq/weir/bench/subject"
)

// Mennanov is a token bucket of mennanov/limiters for each key in its registry,
// expired as its examples do.
var Mennanov = subject.Subject{
	Name:   "mennanov/limiters",
	Module: "github.com/mennanov/limiters",
	Keeps:  subject.Text,
	Cleans: "janitor, called by the user",
	Exact:  "exact if the registry keeps a key for at least the time in which its bucket fills",
	New: func(c subject.Config) (subject.Limiter, error) {
		m := &mennanov{config: c, registry: limiters.NewRegistry()}
		m.stop = subject.Every(c.Period, func() { m.registry.DeleteExpired(time.Now()) })
		return m, nil
	},
}

type mennanov struct {
	config   subject.Config
	registry *limiters.Registry
	clock    limiters.SystemClock
	logger   limiters.StdLogger
	stop     func()
}

func (m *mennanov) Allow(key string) bool {
	bucket := m.registry.GetOrCreate(key, m.bucket, m.config.Period, m.clock.Now())
	_, err := bucket.(*limiters.TokenBucket).Limit(context.Background())
	return err == nil
}

func (m *mennanov) bucket() any {
	return limiters.NewTokenBucket(m.config.Limit, m.config.Interval(),
		limiters.NewLockNoop(), limiters.NewTokenBucketInMemory(), &m.clock, &m.logger)
}

func (m *mennanov) Close() { m.stop() }
