package redisbench

import (
	"context"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// The floor is a call of the server that does nothing, and one that runs a script
// which does nothing: through each client that is documented for many callers.
var (
	rueidisPing = Subject{
		Name: "PING, rueidis", Module: "github.com/redis/rueidis", Client: viaRueidis, Counts: "nothing", Kind: Floor,
		New: func(e Env) (Limiter, error) {
			c, err := newRueidis(e)
			return rueidisFloor{c, func(ctx context.Context) error {
				return c.Do(ctx, c.B().Ping().Build()).Error()
			}}, err
		},
	}
	rueidisEval = Subject{
		Name: "EVALSHA, rueidis", Module: "github.com/redis/rueidis", Client: viaRueidis, Counts: "nothing", Kind: Floor,
		New: func(e Env) (Limiter, error) {
			c, err := newRueidis(e)
			script := rueidis.NewLuaScript(returnOne)
			return rueidisFloor{c, func(ctx context.Context) error {
				return script.Exec(ctx, c, nil, nil).Error()
			}}, err
		},
	}
	goRedisPing = Subject{
		Name: "PING, go-redis", Module: "github.com/redis/go-redis/v9", Client: viaGoRedis, Counts: "nothing", Kind: Floor,
		New: func(e Env) (Limiter, error) {
			c := newGoRedis(e)
			return goRedisFloor{c, func(ctx context.Context) error { return c.Ping(ctx).Err() }}, nil
		},
	}
	goRedisEval = Subject{
		Name: "EVALSHA, go-redis", Module: "github.com/redis/go-redis/v9", Client: viaGoRedis, Counts: "nothing", Kind: Floor,
		New: func(e Env) (Limiter, error) {
			c := newGoRedis(e)
			script := redis.NewScript(returnOne)
			return goRedisFloor{c, func(ctx context.Context) error { return script.Run(ctx, c, nil).Err() }}, nil
		},
	}
)

const returnOne = "return 1"

type rueidisFloor struct {
	client rueidis.Client
	call   func(context.Context) error
}

func (f rueidisFloor) Allow(ctx context.Context, _ string) (bool, error) {
	err := f.call(ctx)
	return err == nil, err
}

func (f rueidisFloor) Close() error { f.client.Close(); return nil }

type goRedisFloor struct {
	client *redis.Client
	call   func(context.Context) error
}

func (f goRedisFloor) Allow(ctx context.Context, _ string) (bool, error) {
	err := f.call(ctx)
	return err == nil, err
}

func (f goRedisFloor) Close() error { return f.client.Close() }
