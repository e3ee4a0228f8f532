package weirgrpc

import (
	"context"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/weirhq/weir"
)

// The defaults are those of weirhttp.Transport. Two minutes, because most public
// quotas count by the minute; the rest is room for what is added to the wait.
const (
	defaultMaxAttempts = 4
	defaultMaxWait     = 2 * time.Minute
)

// RetryDelay reports how long a refusal asks to wait: the retry_delay of the
// RetryInfo in an error whose code is RESOURCE_EXHAUSTED. It reports false for all
// other errors, for nil, for a refusal without one, which no wait would help
// against, and for one that is negative or no duration. A delay of more than 292
// years is that.
//
// It is for those who call again by themselves, such as clients of streams; see
// [UnaryClientInterceptor]. It decodes the details of a refusal, and allocates for
// that.
func RetryDelay(err error) (time.Duration, bool) {
	s, ok := status.FromError(err)
	if !ok || s.Code() != codes.ResourceExhausted {
		return 0, false
	}
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.RetryInfo)
		if !ok {
			continue
		}
		delay := info.GetRetryDelay()
		if delay.IsValid() && delay.AsDuration() >= 0 {
			return delay.AsDuration(), true
		}
	}
	return 0, false
}

// UnaryClientInterceptor returns an interceptor that waits as long as a refusal
// says, and calls again. A refusal is RESOURCE_EXHAUSTED with a RetryInfo, as
// [Refuse] gives it and as servers by others may: by it the server says that the same
// request may come again, so no method is excepted. All other errors are returned as
// they are.
//
//	conn, err := grpc.NewClient(target, creds,
//		grpc.WithChainUnaryInterceptor(weirgrpc.UnaryClientInterceptor()))
//
// The first wait is exact: a client alone on its key is admitted then. One that
// came when it was told to and is refused again has company, which was told the same.
// So it adds a random time of up to as much again, and twice that after each further
// refusal.
//
// The refusal itself is returned, at once, if the time to wait is longer than
// [WithMaxWait] or reaches beyond the context's deadline, and if there have been as
// many attempts as [WithMaxAttempts] allows. If the context ends during a wait, the
// error is CANCELED or DEADLINE_EXCEEDED.
//
// Interceptors before it in the chain see one call; those behind it see every
// attempt. Streams are not called again: only their callers know what was sent on
// them. gRPC's own retries (the retryPolicy of a service config) come after all
// interceptors, wait by grpc-retry-pushback-ms and not by RetryInfo, and are best
// not given RESOURCE_EXHAUSTED as well: both would wait in turn.
func UnaryClientInterceptor(opts ...ClientOption) grpc.UnaryClientInterceptor {
	c := &client{maxAttempts: defaultMaxAttempts, maxWait: defaultMaxWait, sleep: sleep}
	for _, opt := range opts {
		opt(c)
	}
	return c.unary
}

// A ClientOption changes what [UnaryClientInterceptor] does. Of two that set the
// same thing the last one wins.
type ClientOption func(*client)

// WithMaxAttempts bounds how often a call is sent, the first time included. The
// default is 4; 1 sends it once. WithMaxAttempts panics if n is less than 1.
func WithMaxAttempts(n int) ClientOption {
	if n < 1 {
		panic("weirgrpc: WithMaxAttempts: less than 1")
	}
	return func(c *client) { c.maxAttempts = n }
}

// WithMaxWait bounds each single wait; the default is 2 minutes. A refusal that asks
// for more is returned at once: to come sooner would be in vain. WithMaxWait panics
// if d is not above 0.
func WithMaxWait(d time.Duration) ClientOption {
	if d <= 0 {
		panic("weirgrpc: WithMaxWait: not above 0")
	}
	return func(c *client) { c.maxWait = d }
}

// WithPace has each attempt wait for its turn in limiter first ([weir.Limiter.Wait]),
// so that a client whose limiter has the quota of its server, or a little less, is
// seldom refused. Key says whose turn, best by what the server counts by; it is
// called once a call. That time is not bounded by [WithMaxWait].
//
// An attempt whose turn would come after the context's deadline is not sent. The
// call then ends at once: with the refusal if there was one, and otherwise with
// DEADLINE_EXCEEDED. WithPace panics if limiter or key is nil.
func WithPace(limiter *weir.Limiter, key func(ctx context.Context, fullMethod string) string) ClientOption {
	if limiter == nil {
		panic("weirgrpc: WithPace: nil limiter")
	}
	if key == nil {
		panic("weirgrpc: WithPace: nil key")
	}
	return func(c *client) { c.pacer, c.paceKey = limiter, key }
}

// client is a UnaryClientInterceptor. It does not change once it is made.
type client struct {
	maxAttempts int
	maxWait     time.Duration
	pacer       *weir.Limiter // nil without WithPace
	paceKey     func(ctx context.Context, fullMethod string) string
	sleep       func(ctx context.Context, d time.Duration) error
}

// unary is a [grpc.UnaryClientInterceptor].
func (c *client) unary(ctx context.Context, fullMethod string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var key string
	if c.pacer != nil {
		key = c.paceKey(ctx, fullMethod)
	}
	var err error // of the last attempt
	for attempt := 1; ; attempt++ {
		if c.pacer != nil {
			if tooLate := c.pacer.Wait(ctx, key, 1); tooLate != nil {
				if err != nil && ctx.Err() == nil {
					return err // the server's answer says more
				}
				return status.FromContextError(tooLate).Err()
			}
		}
		err = invoke(ctx, fullMethod, req, reply, cc, opts...)
		delay, refused := RetryDelay(err)
		if !refused || attempt >= c.maxAttempts {
			return err
		}
		room := c.maxWait
		if deadline, ok := ctx.Deadline(); ok {
			room = min(room, time.Until(deadline))
		}
		if delay > room {
			return err
		}
		if err := c.sleep(ctx, spread(delay, room, attempt)); err != nil {
			return status.FromContextError(err).Err()
		}
	}
}

// spread is how long to wait after the given number of refusals, the last of which
// asked for delay: that exactly at first, then with a random part of up to one
// delay, two, four, and so on, within room, which is at least delay.
func spread(delay, room time.Duration, refusals int) time.Duration {
	doublings := refusals - 2
	if doublings < 0 {
		return delay
	}
	most := room - delay
	if delay <= most>>doublings {
		most = delay << doublings
	}
	return delay + rand.N(most+1) // most+1 overflows for no delay but 0, which has most = 0
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
