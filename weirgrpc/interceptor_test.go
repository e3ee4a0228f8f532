package weirgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

func TestPartitionsAreKeptApart(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			conn := new(service).dial(t, byPartition(newPartitionLimiter(t, oneIn17s, new(stopped))))
			for _, want := range []codes.Code{codes.OK, codes.ResourceExhausted} {
				wantCode(t, "business 42", call(as(t, "business", "42"), conn), want)
				wantCode(t, "business 43", call(as(t, "business", "43"), conn), want)
				wantCode(t, "user 42", call(as(t, "user", "42"), conn), want)
				wantCode(t, "nobody", call(as(t), conn), want)
			}
		})
	}
}

// A method can be an intake route.
func TestIntakeRoute(t *testing.T) {
	intake := weir.Route{Method: "POST", Path: watchMethod}
	conn := new(service).dial(t, byPartition(newPartitionLimiter(t, oneIn17s, new(stopped), intake)))
	watch := calls["stream from the server"]
	for _, want := range []codes.Code{codes.OK, codes.ResourceExhausted} {
		wantCode(t, "intake of business 42", watch(as(t, "source", "spring"), conn), want)
		wantCode(t, "nobody", watch(as(t, "source", "autumn"), conn), want)
		wantCode(t, "business 42", check(as(t, "business", "42", "source", "spring"), conn), want)
	}
}

func TestKeysAreKeptApart(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			tenant := func(ctx context.Context, _ string) string { return first(ctx, "tenant") }
			conn := new(service).dial(t, byKey(newLimiter(t, oneIn17s, new(stopped)), tenant))
			for _, want := range []codes.Code{codes.OK, codes.ResourceExhausted} {
				for _, tenant := range []string{"a", "b", ""} {
					wantCode(t, "tenant "+tenant, call(as(t, "tenant", tenant), conn), want)
				}
			}
		})
	}
}

// Both interceptors of one limiter share its budgets, and nothing that is refused
// reaches a handler.
func TestRefusedNeverReachesTheHandler(t *testing.T) {
	s := new(service)
	conn := s.dial(t, byKey(newLimiter(t, weir.Quota{Limit: 3, Period: time.Minute}, new(stopped)), everybody))
	for _, want := range []codes.Code{codes.OK, codes.ResourceExhausted} {
		for name, call := range calls {
			wantCode(t, name, call(t.Context(), conn), want)
		}
	}
	if s.checks.Load() != 1 || s.watches.Load() != 1 || s.chats.Load() != 1 {
		t.Errorf("%d, %d and %d calls reached the handlers, want one each", s.checks.Load(), s.watches.Load(), s.chats.Load())
	}
}

// gRPC asks no interceptor about a method that the server does not have.
func TestUnknownMethodsAreNotCounted(t *testing.T) {
	limiter := newLimiter(t, oneIn17s, new(stopped))
	conn := new(service).dial(t, byKey(limiter, everybody))
	err := conn.Invoke(t.Context(), "/weir.test.Chat/None", wrapperspb.String(""), new(wrapperspb.StringValue))
	wantCode(t, "unknown", err, codes.Unimplemented)
	if s := limiter.Stats(); s.Admitted != 0 || s.Refused != 0 {
		t.Errorf("counted: %+v", s)
	}
}

// The time of a refusal is exact on the other side of the connection too.
func TestRetryInfoIsExact(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			clock := new(stopped)
			conn := new(service).dial(t, byPartition(newPartitionLimiter(t, weir.Quota{Limit: 3, Period: time.Second}, clock)))
			for range 3 {
				wantCode(t, "burst", call(t.Context(), conn), codes.OK)
			}
			const interval = 333_333_334 * time.Nanosecond // a third of a second, rounded up
			for _, step := range []struct{ pass, left time.Duration }{
				{0, interval}, {interval - 1, 1}, {1, 0}, {0, interval},
			} {
				clock.advance(step.pass)
				left, refused := weirgrpc.RetryDelay(call(t.Context(), conn))
				if left != step.left || refused != (left > 0) {
					t.Errorf("after %v: to wait %v, want %v", step.pass, left, step.left)
				}
			}
		})
	}
}

// An admitted call reaches the handler as it came.
func TestAdmittedIsUntouched(t *testing.T) {
	limiter := newLimiter(t, weir.Quota{Limit: 2, Period: time.Minute}, new(stopped))
	oneEach := weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 })

	ctx, req, reply := t.Context(), new(wrapperspb.StringValue), new(wrapperspb.BytesValue)
	got, err := weirgrpc.UnaryServerInterceptorByKey(limiter, everybody)(ctx, req, &grpc.UnaryServerInfo{FullMethod: checkMethod},
		func(gotCtx context.Context, gotReq any) (any, error) {
			if gotCtx != ctx || gotReq != any(req) {
				t.Error("the handler was given another context or request")
			}
			return reply, fmt.Errorf("of the handler")
		})
	if got != any(reply) || err == nil || err.Error() != "of the handler" {
		t.Errorf("the handler's answer became %v, %v", got, err)
	}

	// A stream whose client sends one message is not wrapped, whatever messages cost.
	ss := grpc.ServerStream(&stubStream{ctx: ctx})
	err = weirgrpc.StreamServerInterceptorByKey(limiter, everybody, oneEach)("srv", ss, &grpc.StreamServerInfo{IsServerStream: true},
		func(srv any, gotSS grpc.ServerStream) error {
			if srv != "srv" || gotSS != ss {
				t.Error("the handler was given another service or stream")
			}
			return fmt.Errorf("of the handler")
		})
	if err == nil || err.Error() != "of the handler" {
		t.Errorf("the handler's answer became %v", err)
	}
}

// stubStream is a stream that gRPC did not make. Its messages are whatever the
// handler passes in.
type stubStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *stubStream) Context() context.Context { return s.ctx }
func (s *stubStream) RecvMsg(any) error        { return nil }

func TestMessageCost(t *testing.T) {
	s := new(service)
	quota := weir.Quota{Limit: 10, Period: 10 * time.Second}
	limiter := newLimiter(t, quota, new(stopped))
	byLength := weirgrpc.WithMessageCost(func(_ context.Context, fullMethod string, msg any) int64 {
		if fullMethod != chatMethod {
			t.Errorf("a message of %s", fullMethod)
		}
		return int64(len(msg.(*wrapperspb.StringValue).Value))
	})
	conn := s.dial(t, byKey(limiter, everybody, byLength))

	chat := newChat(t.Context(), conn) // 1
	wantCode(t, "four letters", chat.say("four"), codes.OK)
	wantCode(t, "three letters", chat.say("two"), codes.OK)
	err := chat.say("three") // 2 are left
	wantCode(t, "five letters", err, codes.ResourceExhausted)
	if wait, _ := weirgrpc.RetryDelay(err); wait != 3*time.Second {
		t.Errorf("told to wait %v, want 3s", wait)
	}
	if got := s.texts.Load(); got != 2 {
		t.Errorf("the handler received %d messages, want 2", got)
	}
	if got := limiter.Peek("everybody").Remaining; got != 2 {
		t.Errorf("%d left, want 2: the start costs one, a refused message nothing", got)
	}
	// The health service's client sends one message on a Watch: the start pays for it.
	wantCode(t, "watch", calls["stream from the server"](t.Context(), conn), codes.OK)
	if got := limiter.Peek("everybody").Remaining; got != 1 {
		t.Errorf("%d left after a Watch, want 1", got)
	}
	// The end of what the client sends is no message.
	chat = newChat(t.Context(), conn)
	if err := chat.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := chat.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) || s.texts.Load() != 2 {
		t.Errorf("an empty stream ended with %v, %d messages received in all; want EOF, 2", err, s.texts.Load())
	}
	if got := limiter.Peek("everybody").Remaining; got != 0 {
		t.Errorf("%d left after an empty stream, want 0", got)
	}
}

// A handler that does not stop when it is told to gets nothing more, even when there
// is room again: a message in between would be missing.
func TestRefusedStreamStaysRefused(t *testing.T) {
	clock := new(stopped)
	errs := make(chan error, 2)
	s := &service{afterRefusal: func(ss grpc.ServerStream) {
		for range cap(errs) {
			clock.advance(time.Hour)
			errs <- ss.RecvMsg(new(wrapperspb.StringValue))
		}
	}}
	oneEach := weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 })
	limiter := newLimiter(t, weir.Quota{Limit: 2, Period: time.Minute}, clock)
	chat := newChat(t.Context(), s.dial(t, byKey(limiter, everybody, oneEach)))
	wantCode(t, "first", chat.say("a"), codes.OK)
	for _, text := range []string{"b", "c"} {
		if err := chat.SendMsg(wrapperspb.String(text)); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	if err := chat.CloseSend(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "second", chat.RecvMsg(new(wrapperspb.StringValue)), codes.ResourceExhausted)
	close(errs)
	if len(errs) != cap(errs) {
		t.Fatal("the handler did not go on")
	}
	for err := range errs {
		wantCode(t, "later", err, codes.ResourceExhausted)
	}
}
