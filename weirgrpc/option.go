package weirgrpc

import "context"

// An Option changes what a server interceptor does. Of two that set the same thing
// the last one wins. Functions given to options run on the goroutine of the call
// and may be called by many at once. The unary and the stream interceptor of a
// server usually take the same options; what concerns the other is ignored.
type Option func(*options)

type options struct {
	cost        func(ctx context.Context, fullMethod string, req any) int64
	messageCost func(ctx context.Context, fullMethod string, msg any) int64
	skip        func(ctx context.Context, fullMethod string) bool
	onDecision  func(ctx context.Context, d Decision)
	refuse      func(ctx context.Context, d Decision) error
	shadow      bool
}

func newOptions(opts []Option) options {
	o := options{refuse: Refuse}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func (o *options) skips(ctx context.Context, fullMethod string) bool {
	return o.skip != nil && o.skip(ctx, fullMethod)
}

func (o *options) costOf(ctx context.Context, fullMethod string, req any) int64 {
	if o.cost == nil {
		return 1
	}
	return o.cost(ctx, fullMethod, req)
}

// WithCost has cost say what a call costs, in requests, instead of one. Req is the
// request message of a unary call, and nil at the start of a stream, which has none
// yet.
//
// A cost is spent whole or not at all. One above the quota's burst is refused for
// ever ([weir.Never]), and so is a negative one. A call that costs 0 passes where
// one of cost 1 would, and spends nothing; for calls that always pass, see
// [WithSkip]. WithCost panics if cost is nil.
func WithCost(cost func(ctx context.Context, fullMethod string, req any) int64) Option {
	if cost == nil {
		panic("weirgrpc: WithCost: nil function")
	}
	return func(o *options) { o.cost = cost }
}

// WithMessageCost has each message that a client sends on a stream decided as well,
// at what cost says, from the same budget as the start of the stream. Without it,
// a stream costs as much as its start does. To count every message as one:
//
//	weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 })
//
// It concerns methods whose client may send any number of messages. Where it sends
// one, and only the server streams, the start has paid for that one.
//
// A message is decided when the handler asks for it, once it has been read and
// decoded. If it is refused, RecvMsg returns the refusal, now and ever after, and
// the handler, which never learns the message, ends the stream by returning that
// error. What was sent before is not given back. The partition or key is that of
// the stream's start; the quota is that of the moment. A stream whose messages are
// decided costs one allocation. WithMessageCost panics if cost is nil.
func WithMessageCost(cost func(ctx context.Context, fullMethod string, msg any) int64) Option {
	if cost == nil {
		panic("weirgrpc: WithMessageCost: nil function")
	}
	return func(o *options) { o.messageCost = cost }
}

// WithSkip lets calls pass for which skip reports true, such as those of a load
// balancer to the health service. They are not described, decided, counted, or
// reported to [WithOnDecision]. WithSkip panics if skip is nil.
func WithSkip(skip func(ctx context.Context, fullMethod string) bool) Option {
	if skip == nil {
		panic("weirgrpc: WithSkip: nil function")
	}
	return func(o *options) { o.skip = skip }
}

// WithOnDecision has hook told every decision, admitted or refused, before the
// handler runs or the refusal is sent; what takes long belongs elsewhere.
// WithOnDecision panics if hook is nil.
func WithOnDecision(hook func(ctx context.Context, d Decision)) Option {
	if hook == nil {
		panic("weirgrpc: WithOnDecision: nil function")
	}
	return func(o *options) { o.onDecision = hook }
}

// WithShadow decides, counts and tells [WithOnDecision] as always, but refuses
// nothing: to see what a quota would do before it does it. As ever, what would have
// been refused spends nothing, and the limiter stays in its memory bound.
func WithShadow() Option {
	return func(o *options) { o.shadow = true }
}

// WithRefusal has answer say what a refused call is answered with in place of
// [Refuse], which it may call: to log refusals, to give another status, or both.
// Errors should be of package status; gRPC makes others UNKNOWN.
//
// The decision has been made, and nothing was spent on it; whatever answer does,
// the call does not reach the handler. If it returns nil, which would tell the
// caller that all went well, the answer is Refuse's. WithRefusal panics if answer is
// nil.
func WithRefusal(answer func(ctx context.Context, d Decision) error) Option {
	if answer == nil {
		panic("weirgrpc: WithRefusal: nil function")
	}
	return func(o *options) { o.refuse = answer }
}
