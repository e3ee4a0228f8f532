package weirgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// businessOf stands for what an interceptor has found out about the caller's token.
func businessOf(ctx context.Context) string {
	token := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(token) != 1 {
		return ""
	}
	return map[string]string{"Bearer s3cret": "42"}[token[0]]
}

// serveHealth serves gRPC's health service with server and returns its address.
func serveHealth(server *grpc.Server) string {
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go server.Serve(listener)
	return listener.Addr().String()
}

// Four partitions, each with a budget of its own. A quota of two and a clock that
// stands still make the example short.
func Example() {
	resolver, err := weir.NewResolver(func(_ context.Context, sourceKey string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource // ask your database here
	}, weir.WithIntakeRoutes(weir.Route{Method: "POST", Path: "/leads.v1.Leads/Intake"}))
	if err != nil {
		log.Fatal(err)
	}
	two := weir.PerMinute(2)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: two, weir.User: two, weir.Business: two, weir.BusinessIntake: two,
	}, weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	describe := func(ctx context.Context, fullMethod string) weir.Request {
		req := weirgrpc.Anonymous(ctx, fullMethod) // method, path and the peer's address
		req.BusinessID = businessOf(ctx)           // who has authenticated
		return req
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(weirgrpc.UnaryServerInterceptor(limiter, describe)),
		grpc.ChainStreamInterceptor(weirgrpc.StreamServerInterceptor(limiter, describe)),
	)
	defer server.Stop()
	conn, err := grpc.NewClient(serveHealth(server), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()

	for _, token := range []string{"Bearer s3cret", "Bearer s3cret", "Bearer s3cret", "none"} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", token)
		_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(token, status.Code(err))
		for _, detail := range status.Convert(err).Details() {
			fmt.Printf("  %T\n", detail)
		}
		if delay, ok := weirgrpc.RetryDelay(err); ok {
			fmt.Println("  come again in", delay)
		}
	}
	// Output:
	// Bearer s3cret OK
	// Bearer s3cret OK
	// Bearer s3cret ResourceExhausted
	//   *errdetails.RetryInfo
	//   *errdetails.QuotaFailure
	//   come again in 30s
	// none OK
}

// A client that waits as long as it is told. Three calls at a server that admits one
// each 20 ms take 40 ms.
func ExampleUnaryClientInterceptor() {
	limiter, err := weir.New(weir.Quota{Limit: 1, Period: 20 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	all := func(context.Context, string) string { return "all" }
	server := grpc.NewServer(grpc.UnaryInterceptor(weirgrpc.UnaryServerInterceptorByKey(limiter, all)))
	defer server.Stop()

	conn, err := grpc.NewClient(serveHealth(server),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(weirgrpc.UnaryClientInterceptor()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	for range 3 {
		_, err := grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
		fmt.Println(status.Code(err))
	}
	fmt.Println(time.Since(start) >= 40*time.Millisecond)
	// Output:
	// OK
	// OK
	// OK
	// true
}

// Each message of a stream costs one, and so does the stream.
func ExampleWithMessageCost() {
	limiter, err := weir.New(weir.PerMinute(3), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	limit := weirgrpc.StreamServerInterceptorByKey(limiter, func(context.Context, string) string { return "all" },
		weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 }))

	// What gRPC does with an interceptor, without a connection.
	stream := &stubStream{ctx: context.Background()}
	err = limit(nil, stream, &grpc.StreamServerInfo{FullMethod: "/chat.v1.Chat/Talk", IsClientStream: true},
		func(_ any, stream grpc.ServerStream) error {
			for {
				if err := stream.RecvMsg(nil); err != nil {
					return err
				}
				fmt.Println("a message")
			}
		})
	fmt.Println(status.Code(err))
	// Output:
	// a message
	// a message
	// ResourceExhausted
}

// Log a refusal, and answer it as always.
func ExampleWithRefusal() {
	limiter, err := weir.New(weir.PerMinute(1), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	limit := weirgrpc.UnaryServerInterceptorByKey(limiter, func(context.Context, string) string { return "ada" },
		weirgrpc.WithRefusal(func(ctx context.Context, d weirgrpc.Decision) error {
			fmt.Println("refused", d.Key, d.FullMethod, "for", d.RetryAfter)
			return weirgrpc.Refuse(ctx, d)
		}))
	for range 2 {
		_, err := limit(context.Background(), nil, &grpc.UnaryServerInfo{FullMethod: "/shop.v1.Orders/List"},
			func(context.Context, any) (any, error) { return nil, errors.ErrUnsupported })
		fmt.Println(status.Code(err) == codes.ResourceExhausted)
	}
	// Output:
	// false
	// refused ada /shop.v1.Orders/List for 1m0s
	// true
}

// A handler that limits something of its own answers as the interceptors do.
func ExampleRefuse() {
	logins, err := weir.New(weir.PerMinute(5), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	login := func(ctx context.Context, account string) error {
		if d := logins.Allow(account); !d.Allowed {
			return weirgrpc.Refuse(ctx, weirgrpc.Decision{Decision: d, Subject: "logins", Quota: logins.Quota()})
		}
		return nil
	}
	for range 6 {
		err := login(context.Background(), "ada")
		fmt.Print(status.Code(err), " ")
	}
	// Output: OK OK OK OK OK ResourceExhausted
}
