package weirgrpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// A service that the tests limit: gRPC's health service, whose Check is unary and
// whose Watch streams from the server, and Chat, on which both sides may send any
// number of texts.
type service struct {
	grpc_health_v1.UnimplementedHealthServer
	checks, watches, chats atomic.Int64 // calls that reached a handler
	texts                  atomic.Int64 // messages that a handler of Chat received
	peer                   atomic.Pointer[netip.Addr]
	afterRefusal           func(ss grpc.ServerStream) // what Chat does when RecvMsg fails, before it ends
}

const (
	checkMethod = grpc_health_v1.Health_Check_FullMethodName
	watchMethod = grpc_health_v1.Health_Watch_FullMethodName
	chatMethod  = "/weir.test.Chat/Chat"
)

func (s *service) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	s.checks.Add(1)
	addr := weirgrpc.PeerAddr(ctx)
	s.peer.Store(&addr)
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (s *service) Watch(_ *grpc_health_v1.HealthCheckRequest, out grpc_health_v1.Health_WatchServer) error {
	s.watches.Add(1)
	return out.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING})
}

// chat echoes.
func (s *service) chat(ss grpc.ServerStream) error {
	s.chats.Add(1)
	for {
		var text wrapperspb.StringValue
		err := ss.RecvMsg(&text)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			if s.afterRefusal != nil {
				s.afterRefusal(ss)
			}
			return err
		}
		s.texts.Add(1)
		if err := ss.SendMsg(&text); err != nil {
			return err
		}
	}
}

var chatDesc = grpc.ServiceDesc{
	ServiceName: "weir.test.Chat",
	HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{
		StreamName:    "Chat",
		Handler:       func(srv any, ss grpc.ServerStream) error { return srv.(*service).chat(ss) },
		ServerStreams: true,
		ClientStreams: true,
	}},
}

// serve runs the service on l, until the test ends.
func (s *service) serve(t testing.TB, l net.Listener, opts ...grpc.ServerOption) {
	t.Helper()
	server := s.server(opts...)
	go server.Serve(l)
	t.Cleanup(server.Stop)
}

func (s *service) server(opts ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(opts...)
	grpc_health_v1.RegisterHealthServer(server, s)
	server.RegisterService(&chatDesc, s)
	return server
}

// dial serves s over TCP and returns a connection to it.
func (s *service) dial(t testing.TB, serverOpts []grpc.ServerOption, dialOpts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.serve(t, l, serverOpts...)
	return connect(t, l.Addr().String(), dialOpts...)
}

func connect(t testing.TB, target string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(target, append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// byPartition and byKey are both interceptors of one limiter.
func byPartition(l *weir.PartitionLimiter, opts ...weirgrpc.Option) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(weirgrpc.UnaryServerInterceptor(l, describe, opts...)),
		grpc.ChainStreamInterceptor(weirgrpc.StreamServerInterceptor(l, describe, opts...)),
	}
}

func byKey(l *weir.Limiter, key func(context.Context, string) string, opts ...weirgrpc.Option) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(weirgrpc.UnaryServerInterceptorByKey(l, key, opts...)),
		grpc.ChainStreamInterceptor(weirgrpc.StreamServerInterceptorByKey(l, key, opts...)),
	}
}

// The ways to call the service: each makes one call and returns how it ended.
var calls = map[string]func(ctx context.Context, conn *grpc.ClientConn) error{
	"unary": check,
	"stream from the server": func(ctx context.Context, conn *grpc.ClientConn) error {
		stream, err := grpc_health_v1.NewHealthClient(conn).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			return err
		}
		_, err = stream.Recv()
		return err
	},
	"stream both ways": func(ctx context.Context, conn *grpc.ClientConn) error {
		return newChat(ctx, conn).say("hello")
	},
}

func check(ctx context.Context, conn *grpc.ClientConn) error {
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

// A chat is the client's side of a Chat.
type chat struct {
	grpc.ClientStream
	err error
}

func newChat(ctx context.Context, conn *grpc.ClientConn) chat {
	stream, err := conn.NewStream(ctx, &chatDesc.Streams[0], chatMethod)
	return chat{stream, err}
}

// say sends a text and waits for its echo.
func (c chat) say(text string) error {
	if c.err != nil {
		return c.err
	}
	// Where the server has ended the stream, SendMsg says EOF, and RecvMsg why.
	if err := c.SendMsg(wrapperspb.String(text)); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return c.RecvMsg(new(wrapperspb.StringValue))
}

// stopped is a clock that moves only when a test moves it.
type stopped struct{ nanos atomic.Int64 }

func (c *stopped) now() time.Duration          { return time.Hour + time.Duration(c.nanos.Load()) }
func (c *stopped) advance(d time.Duration)     { c.nanos.Add(int64(d)) }
func everybody(context.Context, string) string { return "everybody" }

// oneIn17s admits one request and has the next wait the 17 seconds that
// rate-limits.md shows.
var oneIn17s = weir.Quota{Limit: 1, Period: 17 * time.Second}

func newLimiter(t testing.TB, q weir.Quota, clock *stopped) *weir.Limiter {
	t.Helper()
	l, err := weir.New(q, weir.WithClock(clock.now))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newPartitionLimiter(t testing.TB, q weir.Quota, clock *stopped, intake ...weir.Route) *weir.PartitionLimiter {
	t.Helper()
	resolver, err := weir.NewResolver(sourceOf, weir.WithIntakeRoutes(intake...))
	if err != nil {
		t.Fatal(err)
	}
	quotas := map[weir.Partition]weir.Quota{weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q}
	l, err := weir.NewPartitionLimiter(resolver, quotas, weir.WithClock(clock.now))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// sourceOf knows one source.
func sourceOf(_ context.Context, sourceKey string) (weir.Source, error) {
	if sourceKey != "spring" {
		return weir.Source{}, weir.ErrNoSource
	}
	return weir.Source{BusinessID: "42", Enabled: true}, nil
}

// describe believes plain metadata, which is good enough for a test.
func describe(ctx context.Context, fullMethod string) weir.Request {
	req := weirgrpc.Anonymous(ctx, fullMethod)
	req.BusinessID = first(ctx, "business")
	req.UserID = first(ctx, "user")
	req.SourceKey = first(ctx, "source")
	return req
}

func first(ctx context.Context, name string) string {
	if values := metadata.ValueFromIncomingContext(ctx, name); len(values) > 0 {
		return values[0]
	}
	return ""
}

// as is a context whose calls carry metadata, given as names and values in turn.
func as(t testing.TB, pairs ...string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), pairs...)
}

func wantCode(t testing.TB, what string, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("%s: %v (%v), want %v", what, got, err, want)
	}
}
