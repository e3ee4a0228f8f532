package redisbench

import (
	"context"
	"io"
	"runtime"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/goredisstore.v9"
	"github.com/ulule/limiter/v3"
	ululeredis "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/weirhq/weir"
)

const viaGoRedis = "go-redis, a connection for each caller"

// newGoRedis makes a client with the defaults, but with a connection for each caller
// where there are more of them than the default's ten a processor.
func newGoRedis(e Env) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: e.Addr, PoolSize: max(10*runtime.GOMAXPROCS(0), e.Callers)})
}

var (
	redisRate = Subject{
		Name: "redis_rate", Module: "github.com/go-redis/redis_rate/v10", Client: viaGoRedis,
		Counts: "GCRA in floating point", Space: "rate", Kind: Peer,
		New: func(e Env) (Limiter, error) {
			client := newGoRedis(e)
			return newRedisRate(redis_rate.NewLimiter(client), e.Quota, client), nil
		},
	}
	redisRatePipelined = Subject{
		Name: "redis_rate, AutoPipeline", Module: "github.com/go-redis/redis_rate/v10",
		Client: "go-redis with its AutoPipeline, which it marks as experimental; defaults",
		Counts: "GCRA in floating point", Space: "rate", Kind: OptIn,
		New: func(e Env) (Limiter, error) {
			client := newGoRedis(e)
			pipeline, err := client.AutoPipeline()
			if err != nil {
				return nil, err
			}
			return newRedisRate(redis_rate.NewLimiter(pipeline), e.Quota, pipeline, client), nil
		},
	}
	throttledGoRedis = Subject{
		Name: "throttled, go-redis", Module: "github.com/throttled/throttled/v2", Client: viaGoRedis,
		Counts: "GCRA; reads, then compares and swaps, up to 10 times", Space: "throttled", Kind: Peer,
		New: func(e Env) (Limiter, error) {
			client := newGoRedis(e)
			store, err := goredisstore.NewCtx(client, "throttled:")
			if err != nil {
				return nil, err
			}
			return newThrottled(store, e.Quota, client)
		},
	}
	ulule = Subject{
		Name: "ulule/limiter", Module: "github.com/ulule/limiter/v3", Client: viaGoRedis,
		Counts: "fixed windows, from a key's first request", Space: "limiter", Kind: Peer,
		New: func(e Env) (Limiter, error) {
			client := newGoRedis(e)
			store, err := ululeredis.NewStore(client)
			if err != nil {
				return nil, err
			}
			rate := limiter.Rate{Limit: e.Quota.Limit, Period: e.Quota.Period}
			return ululeLimiter{limiter.New(store, rate), client}, nil
		},
	}
)

type redisRateLimiter struct {
	limiter *redis_rate.Limiter
	limit   redis_rate.Limit
	closers
}

func newRedisRate(l *redis_rate.Limiter, q weir.Quota, closers ...io.Closer) redisRateLimiter {
	return redisRateLimiter{l, redis_rate.Limit{Rate: int(q.Limit), Burst: int(q.Limit), Period: q.Period}, closers}
}

func (r redisRateLimiter) Allow(ctx context.Context, key string) (bool, error) {
	result, err := r.limiter.Allow(ctx, key, r.limit)
	if err != nil {
		return false, err
	}
	return result.Allowed > 0, nil
}

type throttledLimiter struct {
	*throttled.GCRARateLimiterCtx
	closers
}

func newThrottled(store throttled.GCRAStoreCtx, q weir.Quota, client io.Closer) (Limiter, error) {
	rate := throttled.PerDuration(int(q.Limit), q.Period)
	l, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: rate, MaxBurst: int(q.Limit) - 1})
	if err != nil {
		return nil, err
	}
	return throttledLimiter{l, closers{client}}, nil
}

func (t throttledLimiter) Allow(ctx context.Context, key string) (bool, error) {
	limited, _, err := t.RateLimitCtx(ctx, key, 1)
	return err == nil && !limited, err
}

type ululeLimiter struct {
	limiter *limiter.Limiter
	client  *redis.Client
}

func (u ululeLimiter) Allow(ctx context.Context, key string) (bool, error) {
	state, err := u.limiter.Get(ctx, key)
	return err == nil && !state.Reached, err
}

func (u ululeLimiter) Close() error { return u.client.Close() }

// closers are closed in their order; the first error is told.
type closers []io.Closer

func (cs closers) Close() (first error) {
	for _, c := range cs {
		if err := c.Close(); first == nil {
			first = err
		}
	}
	return first
}
