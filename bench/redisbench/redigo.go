package redisbench

import (
	"context"
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-redisstore"
	"github.com/throttled/throttled/v2/store/redigostore"
)

const viaRedigo = "redigo, a connection for each caller"

// idleTimeout is that of redisstore.New.
const idleTimeout = 5 * time.Minute

// newRedigo makes a pool that keeps a connection for each caller, and has one that was
// idle for a minute checked, as redigo's documentation shows.
//
// redisstore.New would keep no idle connection, so dial for each request, and ping
// before each; its NewWithPool is for those who want it otherwise.
func newRedigo(e Env) *redis.Pool {
	return &redis.Pool{
		MaxIdle: e.Callers, MaxActive: e.Callers, Wait: true, IdleTimeout: idleTimeout,
		DialContext: func(ctx context.Context) (redis.Conn, error) { return redis.DialContext(ctx, "tcp", e.Addr) },
		TestOnBorrow: func(c redis.Conn, lastUsed time.Time) error {
			if time.Since(lastUsed) < time.Minute {
				return nil
			}
			_, err := c.Do("PING")
			return err
		},
	}
}

var (
	throttledRedigo = Subject{
		Name: "throttled, redigo", Module: "github.com/throttled/throttled/v2", Client: viaRedigo,
		Counts: "GCRA; reads, then compares and swaps, up to 10 times", Space: "throttled", Kind: Peer,
		New: func(e Env) (Limiter, error) {
			pool := newRedigo(e)
			store, err := redigostore.NewCtx(pool, "throttled:", 0)
			if err != nil {
				return nil, err
			}
			return newThrottled(store, e.Quota, pool)
		},
	}
	sethvargo = Subject{
		Name: "sethvargo/go-redisstore", Module: "github.com/sethvargo/go-redisstore", Client: viaRedigo,
		Counts: "fixed windows, by the callers' clocks", Space: "sethvargo", Kind: Peer,
		New: func(e Env) (Limiter, error) {
			store, err := redisstore.NewWithPool(&redisstore.Config{Tokens: uint64(e.Quota.Limit), Interval: e.Quota.Period}, newRedigo(e))
			return sethvargoLimiter{store}, err
		},
	}
)

type sethvargoLimiter struct{ store limiter.Store }

func (s sethvargoLimiter) Allow(ctx context.Context, key string) (bool, error) {
	// It is the only one that puts no prefix of its own before the key.
	_, _, _, ok, err := s.store.Take(ctx, "sethvargo:"+key)
	return ok, err
}

// Close closes the pool with the store. The context that it wants bounds nothing.
func (s sethvargoLimiter) Close() error {
	if err := s.store.Close(context.Background()); err != nil && !errors.Is(err, limiter.ErrStopped) {
		return err
	}
	return nil
}
