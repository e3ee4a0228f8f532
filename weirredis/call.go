package weirredis

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A deadline ends the calls of a short while together: a timer for each would cost a
// fifth of what the client takes for one.
type deadline struct {
	context.Context
	born time.Duration // by server.now
}

// deadlines hands out the deadline to be used now.
type deadlines struct{ current atomic.Pointer[deadline] }

// soon is a deadline at most timeout from now, and at least 7/8 of that.
func (ds *deadlines) soon(now, timeout time.Duration) *deadline {
	d := ds.current.Load()
	if d != nil && now-d.born < timeout/8 {
		return d
	}
	// Its timer is what frees it: nobody knows when the last call is through.
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	context.AfterFunc(ctx, cancel)
	fresh := &deadline{ctx, now}
	if !ds.current.CompareAndSwap(d, fresh) {
		cancel()
		return ds.current.Load() // as young
	}
	return fresh
}

// A callContext ends with a deadline of ours, and has the values of the caller's
// context, for a client that traces its calls.
type callContext struct {
	*deadline
	caller context.Context
}

func (c callContext) Value(key any) any { return c.caller.Value(key) }

// call runs a script, within the timeout. It neither looks at the breaker nor tells it.
//
// A caller's deadline that is sooner than ours is kept. A cancellation is not looked
// for while the call lasts, which is no longer than the timeout: that would take a
// context of its own for each call, at a fifth of its cost.
func (s *server) call(ctx context.Context, sc *script, name string, args ...string) (rueidis.RedisResult, error) {
	s.calls.Inc()
	now := s.now()
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > s.timeout {
		ctx = callContext{s.deadlines.soon(now, s.timeout), ctx}
	}
	if s.breakers[s.part(name)].answered(now) {
		reply := sc.run(ctx, s.client, name, args)
		return reply, reply.Error()
	}
	return s.callAside(ctx, sc, name, slices.Clone(args))
}

// callAside leaves a call to a goroutine. It is for when there may be no connection:
// while somebody makes one, the client has others wait for it without looking at their
// contexts.
func (s *server) callAside(ctx context.Context, sc *script, name string, args []string) (rueidis.RedisResult, error) {
	answer := make(chan rueidis.RedisResult, 1)
	go func() { answer <- sc.run(ctx, s.client, name, args) }()
	select {
	case reply := <-answer:
		return reply, reply.Error()
	case <-ctx.Done():
		return rueidis.RedisResult{}, ctx.Err()
	}
}
