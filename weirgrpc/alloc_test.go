package weirgrpc_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// plenty admits everything.
var plenty = weir.Quota{Limit: 1 << 40, Period: time.Hour}

// A caller is what a describe has found out.
type caller struct {
	name string
	ctx  context.Context
	who  weir.Request
}

func callers() []caller {
	v4 := peer.NewContext(context.Background(), &peer.Peer{Addr: tcp("203.0.113.7", "")})
	v6 := peer.NewContext(context.Background(), &peer.Peer{Addr: tcp("2001:db8::7", "")})
	return []caller{
		{"business", v4, weir.Request{BusinessID: "42"}},
		{"user", v4, weir.Request{UserID: "42"}},
		{"ip4", v4, weir.Request{}},
		{"ip6", v6, weir.Request{}},
	}
}

func (c caller) describe(ctx context.Context, fullMethod string) weir.Request {
	req := weirgrpc.Anonymous(ctx, fullMethod)
	req.BusinessID, req.UserID = c.who.BusinessID, c.who.UserID
	return req
}

// used is how often hooks of allHooks ran.
var used int

// allHooks are all options that an admitted call meets.
func allHooks() []weirgrpc.Option {
	return []weirgrpc.Option{
		weirgrpc.WithCost(func(context.Context, string, any) int64 { used++; return 1 }),
		weirgrpc.WithSkip(func(context.Context, string) bool { used++; return false }),
		weirgrpc.WithOnDecision(func(context.Context, weirgrpc.Decision) { used++ }),
	}
}

func TestAdmittedAllocatesNothing(t *testing.T) {
	req := any(new(grpc_health_v1.HealthCheckRequest))
	unaryInfo := &grpc.UnaryServerInfo{FullMethod: checkMethod}
	streamInfo := &grpc.StreamServerInfo{FullMethod: chatMethod, IsClientStream: true, IsServerStream: true}
	handled := 0
	unaryHandler := func(_ context.Context, req any) (any, error) { handled++; return req, nil }
	streamHandler := func(any, grpc.ServerStream) error { handled++; return nil }

	for _, c := range callers() {
		for _, opts := range [][]weirgrpc.Option{nil, allHooks()} {
			limiter, partitions := newLimiter(t, plenty, new(stopped)), newPartitionLimiter(t, plenty, new(stopped))
			ss := &stubStream{ctx: c.ctx}
			unary := map[string]grpc.UnaryServerInterceptor{
				"UnaryServerInterceptor":      weirgrpc.UnaryServerInterceptor(partitions, c.describe, opts...),
				"UnaryServerInterceptorByKey": weirgrpc.UnaryServerInterceptorByKey(limiter, everybody, opts...),
			}
			stream := map[string]grpc.StreamServerInterceptor{
				"StreamServerInterceptor":      weirgrpc.StreamServerInterceptor(partitions, c.describe, opts...),
				"StreamServerInterceptorByKey": weirgrpc.StreamServerInterceptorByKey(limiter, everybody, opts...),
			}
			check := func(name string, call func()) {
				t.Helper()
				handled, used = 0, 0
				if got := testing.AllocsPerRun(1000, call); got != 0 {
					t.Errorf("%s, %s, %d options: %v allocations", name, c.name, len(opts), got)
				}
				if handled != 1001 || used != 1001*len(opts) { // AllocsPerRun warms up with one
					t.Errorf("%s, %s: %d of 1001 admitted, %d calls of hooks", name, c.name, handled, used)
				}
			}
			for name, call := range unary {
				check(name, func() { call(c.ctx, req, unaryInfo, unaryHandler) })
			}
			for name, call := range stream {
				check(name, func() { call(nil, ss, streamInfo, streamHandler) })
			}
		}
	}
}

// Counting messages costs one allocation a stream, and none a message.
func TestCountedStreamAllocatesOnce(t *testing.T) {
	oneEach := weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 })
	limiter := newLimiter(t, plenty, new(stopped))
	call := weirgrpc.StreamServerInterceptorByKey(limiter, everybody, oneEach)
	info := &grpc.StreamServerInfo{FullMethod: chatMethod, IsClientStream: true}
	handler := func(_ any, ss grpc.ServerStream) error {
		for range 10 {
			if err := ss.RecvMsg(nil); err != nil {
				return err
			}
		}
		return nil
	}
	ss := &stubStream{ctx: t.Context()}
	if got := testing.AllocsPerRun(100, func() { call(nil, ss, info, handler) }); got != 1 {
		t.Errorf("%v allocations", got)
	}
	if got := limiter.Stats().Admitted; got != 101*11 {
		t.Errorf("%d admitted, want a start and ten messages, 101 times", got)
	}
}

// BenchmarkUnary is what a unary call costs with and without a limit, before a
// handler that does nothing and by the real clock.
func BenchmarkUnary(b *testing.B) {
	info := &grpc.UnaryServerInfo{FullMethod: checkMethod}
	handler := func(_ context.Context, req any) (any, error) { return req, nil }
	bench := func(name string, c caller, intercept grpc.UnaryServerInterceptor) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = intercept(c.ctx, nil, info, handler)
			}
		})
	}
	bench("limit=none", callers()[0], func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return handler(ctx, req)
	})
	for _, d := range []struct {
		decision string
		quota    weir.Quota
	}{{"admitted", plenty}, {"refused", weir.Quota{Limit: 1, Period: time.Hour}}} {
		resolver, err := weir.NewResolver(sourceOf, weir.WithIntakeRoutes())
		if err != nil {
			b.Fatal(err)
		}
		q := d.quota
		partitions, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
			weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q})
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range callers() {
			bench(fmt.Sprintf("limit=%s/decision=%s", c.name, d.decision), c, weirgrpc.UnaryServerInterceptor(partitions, c.describe))
		}
	}
}

// BenchmarkCall is a whole unary call over a connection to the same machine: to a
// server without interceptors, with one that does nothing, and with a limit.
func BenchmarkCall(b *testing.B) {
	nothing := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		return handler(ctx, req)
	}
	for _, c := range []struct {
		name string
		opts []grpc.ServerOption
	}{
		{"interceptor=none", nil},
		{"interceptor=empty", []grpc.ServerOption{grpc.UnaryInterceptor(nothing)}},
		{"interceptor=weirgrpc", byKey(newLimiter(b, plenty, new(stopped)), everybody)},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := new(service).dial(b, c.opts)
			b.ReportAllocs()
			for b.Loop() {
				if err := check(b.Context(), conn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
