package weirgrpc_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// A client that sleeps just as long as a server by the same clock has said is
// admitted then, and would not have been a nanosecond sooner.
func TestClientOverAConnection(t *testing.T) {
	for _, c := range []struct {
		short time.Duration // by which the client sleeps less than it wanted to
		slept []time.Duration
	}{
		{0, []time.Duration{17 * time.Second}},
		{1, []time.Duration{17 * time.Second, 1}},
	} {
		clock, s := new(stopped), new(service)
		var slept []time.Duration
		retry := weirgrpc.UnaryClientInterceptor(weirgrpc.WithSleep(func(_ context.Context, d time.Duration) error {
			slept = append(slept, d)
			clock.advance(d - c.short)
			c.short = 0
			return nil
		}))
		conn := s.dial(t, byKey(newLimiter(t, oneIn17s, clock), everybody), grpc.WithChainUnaryInterceptor(retry))
		for range 2 {
			wantCode(t, "call", check(t.Context(), conn), codes.OK)
		}
		if len(slept) == 2 && slept[1] <= 2 {
			slept[1] = 1 // the second wait may be spread, by up to as much again
		}
		if !slices.Equal(slept, c.slept) || s.checks.Load() != 2 {
			t.Errorf("slept %v for %d calls, want %v for 2", slept, s.checks.Load(), c.slept)
		}
	}
}

// gRPC's own retries wait for what the trailer says, and for nothing where it says
// that no wait would help. The backoff of the policy is so long that the test would
// fail by it.
func TestRetryPolicyOfGRPC(t *testing.T) {
	const policy = `{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 3, "initialBackoff": "600s", "maxBackoff": "600s", "backoffMultiplier": 1,
		"retryableStatusCodes": ["RESOURCE_EXHAUSTED"]}}]}`
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()

	// A server whose clock moves on by a millisecond with each refusal, so that the
	// one millisecond for which the client really sleeps is enough.
	clock := new(stopped)
	decided := 0
	tick := weirgrpc.WithOnDecision(func(_ context.Context, d weirgrpc.Decision) {
		decided++
		if !d.Allowed {
			clock.advance(time.Millisecond)
		}
	})
	limiter := newLimiter(t, weir.PerSecond(1000), clock)
	limiter.AllowN("everybody", 1000)
	conn := new(service).dial(t, byKey(limiter, everybody, tick), grpc.WithDefaultServiceConfig(policy))
	wantCode(t, "after a millisecond", check(ctx, conn), codes.OK)
	if decided != 2 {
		t.Errorf("%d attempts, want 2", decided)
	}

	decided = 0
	tooDear := weirgrpc.WithCost(func(context.Context, string, any) int64 { return 1001 })
	conn = new(service).dial(t, byKey(limiter, everybody, tick, tooDear), grpc.WithDefaultServiceConfig(policy))
	wantCode(t, "never", check(ctx, conn), codes.ResourceExhausted)
	if decided != 1 {
		t.Errorf("%d attempts, want 1", decided)
	}
}
