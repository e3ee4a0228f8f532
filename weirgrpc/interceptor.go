// Package weirgrpc puts weir's limits in front of gRPC services.
//
//	describe := func(ctx context.Context, fullMethod string) weir.Request {
//		req := weirgrpc.Anonymous(ctx, fullMethod) // method, path and the peer's address
//		req.BusinessID = businessOf(ctx)
//		return req
//	}
//	server := grpc.NewServer(
//		grpc.ChainUnaryInterceptor(authenticate, weirgrpc.UnaryServerInterceptor(limiter, describe)),
//		grpc.ChainStreamInterceptor(authenticateStream, weirgrpc.StreamServerInterceptor(limiter, describe)),
//	)
//
// An admitted call goes on to the handler untouched: no metadata is added, the
// stream is not wrapped (unless its messages are counted), nothing is allocated. A
// refused one is answered at once by [Refuse], with RESOURCE_EXHAUSTED and the
// exact time to wait, and never reaches the handler. Nothing is ever queued.
//
// Authentication comes before the interceptor or inside describe: what describe
// reports is believed. It is as trustworthy as its sources, so take the ids from a
// verified token, and never from metadata that the caller may choose.
//
// gRPC calls no interceptor for a method that the server does not have, unless it
// was made with [grpc.UnknownServiceHandler]; such calls are not counted. It calls
// the one of a unary method once the request message has been read and decoded, and
// the one of a stream before any message: a unary refusal spares the work of the
// handler, not that of reading the request.
//
// For the other side of the connection, [UnaryClientInterceptor] waits as it is
// told and calls again.
package weirgrpc

import (
	"context"

	"google.golang.org/grpc"

	"github.com/weirhq/weir"
)

// UnaryServerInterceptor returns an interceptor that admits a unary call if its
// partition has room: describe says what is known of the call, and limiter finds
// the partition and decides. Each call it admits costs the partition one, or what
// [WithCost] says.
//
// Describe is called once a call, before the handler, and may be called by many
// goroutines at once. Its fullMethod is "/package.Service/Method". [Anonymous] is a
// describe for services without authentication, and where others start from. Unlike
// net/http, gRPC recovers no panic: one of describe, or of a function given to an
// option, ends the program, as one of a handler does.
//
// The limiter's [weir.Resolver] has the intake routes of an HTTP service unless it
// is told otherwise. [weir.WithIntakeRoutes] takes those of a gRPC service, as POST
// and the full method, or none. Without any, a resolver does not have to look at
// the method; with some, it allocates for methods of more than 128 bytes.
//
// An admitted call costs one call of describe, one decision of limiter and no
// allocation of its own. It blocks only where [weir.PartitionLimiter.Allow] does:
// while a source key that is not cached is looked up, for as long as the call's
// context lasts.
//
// UnaryServerInterceptor panics if limiter or describe is nil: a service without
// its limits must fail when it starts, neither admit everybody nor answer each call
// with an error. Nothing that a caller sends leads to a panic.
func UnaryServerInterceptor(limiter *weir.PartitionLimiter, describe func(ctx context.Context, fullMethod string) weir.Request, opts ...Option) grpc.UnaryServerInterceptor {
	return byPartition("UnaryServerInterceptor", limiter, describe, opts).unary
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams: those on which
// the client, the server, or both may send any number of messages. A stream costs
// one when it starts, or what [WithCost] says, however long it then lasts; with
// [WithMessageCost] each message that the client sends on it is decided as well. It
// panics if limiter or describe is nil.
func StreamServerInterceptor(limiter *weir.PartitionLimiter, describe func(ctx context.Context, fullMethod string) weir.Request, opts ...Option) grpc.StreamServerInterceptor {
	return byPartition("StreamServerInterceptor", limiter, describe, opts).stream
}

// UnaryServerInterceptorByKey returns an interceptor for those without partitions:
// it admits a unary call if the key that key reports for it has room in limiter.
// Calls with the same key share a budget; the empty key is a key like any other, so
// calls of which nothing is known share one too.
//
//	weirgrpc.UnaryServerInterceptorByKey(limiter, func(ctx context.Context, _ string) string {
//		return tenantOf(ctx)
//	})
//
// Key is called once a call, before the handler, and may be called by many
// goroutines at once. An admitted call costs one call of key, one
// [weir.Limiter.AllowN] and no allocation of its own, and never blocks.
// UnaryServerInterceptorByKey panics if limiter or key is nil; see
// [UnaryServerInterceptor].
func UnaryServerInterceptorByKey(limiter *weir.Limiter, key func(ctx context.Context, fullMethod string) string, opts ...Option) grpc.UnaryServerInterceptor {
	return byKey("UnaryServerInterceptorByKey", limiter, key, opts).unary
}

// StreamServerInterceptorByKey is [UnaryServerInterceptorByKey] for streams; see
// [StreamServerInterceptor] for what they cost. It panics if limiter or key is nil.
func StreamServerInterceptorByKey(limiter *weir.Limiter, key func(ctx context.Context, fullMethod string) string, opts ...Option) grpc.StreamServerInterceptor {
	return byKey("StreamServerInterceptorByKey", limiter, key, opts).stream
}

// An interceptor is what all four have in common. It does not change once it is
// made.
type interceptor struct {
	budget
	options
}

// A budget is what calls draw on.
type budget interface {
	// identify says whom a call is charged to. It decides nothing.
	identify(ctx context.Context, fullMethod string) Decision
	// spend decides d.Cost for whom identify has found, and says by which quota. It
	// takes d by value because a pointer would move it to the heap.
	spend(d Decision) (weir.Decision, weir.Quota)
}

// unary is a [grpc.UnaryServerInterceptor].
func (in *interceptor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if !in.skips(ctx, info.FullMethod) {
		d := in.identify(ctx, info.FullMethod)
		if err := in.admit(ctx, &d, in.costOf(ctx, info.FullMethod, req)); err != nil {
			return nil, err
		}
	}
	return handler(ctx, req)
}

// stream is a [grpc.StreamServerInterceptor].
func (in *interceptor) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx := ss.Context()
	if !in.skips(ctx, info.FullMethod) {
		d := in.identify(ctx, info.FullMethod)
		if err := in.admit(ctx, &d, in.costOf(ctx, info.FullMethod, nil)); err != nil {
			return err
		}
		// Where the client sends one message and no more, the start has paid for it.
		if in.messageCost != nil && info.IsClientStream {
			ss = &countedStream{ServerStream: ss, in: in, d: d}
		}
	}
	return handler(srv, ss)
}

// admit decides, and returns the error that a refused call or message is answered
// with; nil if it may pass.
func (in *interceptor) admit(ctx context.Context, d *Decision, cost int64) error {
	d.Cost = cost
	d.Decision, d.Quota = in.spend(*d)
	if in.onDecision != nil {
		in.onDecision(ctx, *d)
	}
	if d.Allowed || in.shadow {
		return nil
	}
	if err := in.refuse(ctx, *d); err != nil {
		return err
	}
	return Refuse(ctx, *d) // nil would tell gRPC that the call has succeeded
}

// A countedStream decides each message that its client sends.
type countedStream struct {
	grpc.ServerStream
	in      *interceptor
	d       Decision // of the stream's start, then of its last message
	refused error    // what ended the stream; RecvMsg is never called by two at once
}

// RecvMsg receives a message, and has it pay. Once it has refused one it returns
// the same error for ever, as gRPC does for a stream that has failed: a handler
// that went on would take what comes next for all that was sent.
func (s *countedStream) RecvMsg(m any) error {
	if s.refused != nil {
		return s.refused
	}
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	ctx := s.Context()
	s.d.Message = true
	s.refused = s.in.admit(ctx, &s.d, s.in.messageCost(ctx, s.d.FullMethod, m))
	return s.refused
}
