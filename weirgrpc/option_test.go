package weirgrpc_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// Costs that are not one. A call names its cost in the service that it asks about.
func TestWithCost(t *testing.T) {
	costs := map[string]int64{"": 1, "three": 3, "free": 0, "eleven": 11, "negative": -1}
	byService := weirgrpc.WithCost(func(_ context.Context, fullMethod string, req any) int64 {
		if fullMethod == checkMethod {
			return costs[req.(*grpc_health_v1.HealthCheckRequest).Service]
		}
		if req != nil {
			t.Errorf("at the start of a stream, req is %v", req)
		}
		return 2
	})
	limiter := newLimiter(t, weir.Quota{Limit: 10, Period: 10 * time.Second}, new(stopped))
	conn := new(service).dial(t, byKey(limiter, everybody, byService))
	for _, c := range []struct {
		service string // "stream" starts a stream
		code    codes.Code
		wait    time.Duration // -1 for none
		left    int64
	}{
		{"", codes.OK, -1, 9},
		{"three", codes.OK, -1, 6},
		{"stream", codes.OK, -1, 4},
		{"free", codes.OK, -1, 4},
		{"eleven", codes.ResourceExhausted, -1, 4}, // above the burst: no wait would help
		{"negative", codes.ResourceExhausted, -1, 4},
		{"three", codes.OK, -1, 1},
		{"three", codes.ResourceExhausted, 2 * time.Second, 1},
		{"", codes.OK, -1, 0},
		{"free", codes.ResourceExhausted, time.Second, 0}, // one request would not pass
	} {
		var err error
		if c.service == "stream" {
			err = calls["stream both ways"](t.Context(), conn)
		} else {
			_, err = grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: c.service})
		}
		wantCode(t, c.service, err, c.code)
		if wait, ok := weirgrpc.RetryDelay(err); ok != (c.wait >= 0) || ok && wait != c.wait {
			t.Errorf("%s: told to wait %v (%t), want %v", c.service, wait, ok, c.wait)
		}
		if left := limiter.Peek("everybody").Remaining; left != c.left {
			t.Errorf("%s: %d left, want %d", c.service, left, c.left)
		}
	}
}

func TestWithSkip(t *testing.T) {
	decided := 0
	noHealth := weirgrpc.WithSkip(func(_ context.Context, fullMethod string) bool {
		return strings.HasPrefix(fullMethod, "/grpc.health.v1.Health/")
	})
	count := weirgrpc.WithOnDecision(func(context.Context, weirgrpc.Decision) { decided++ })
	limiter := newLimiter(t, oneIn17s, new(stopped))
	conn := new(service).dial(t, byKey(limiter, everybody, noHealth, count))
	for range 3 {
		wantCode(t, "unary", check(t.Context(), conn), codes.OK)
		wantCode(t, "stream", calls["stream from the server"](t.Context(), conn), codes.OK)
	}
	if s := limiter.Stats(); s.Admitted+s.Refused != 0 || decided != 0 {
		t.Errorf("%+v in all, %d told", s, decided)
	}
	wantCode(t, "not skipped", calls["stream both ways"](t.Context(), conn), codes.OK)
	wantCode(t, "not skipped", calls["stream both ways"](t.Context(), conn), codes.ResourceExhausted)
	if decided != 2 {
		t.Errorf("%d told, want 2", decided)
	}
}

func TestWithOnDecision(t *testing.T) {
	var told []weirgrpc.Decision
	tell := weirgrpc.WithOnDecision(func(_ context.Context, d weirgrpc.Decision) { told = append(told, d) })
	twoEach := weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 2 })
	quota := weir.Quota{Limit: 2, Period: 2 * time.Second}
	admitted := weir.Decision{Allowed: true, Limit: 2, Remaining: 1, ResetAfter: time.Second}
	refused := weir.Decision{Limit: 2, Remaining: 1, RetryAfter: time.Second, ResetAfter: time.Second}

	check := func(t *testing.T, want ...weirgrpc.Decision) {
		t.Helper()
		if len(told) != len(want) {
			t.Fatalf("told %+v, want %+v", told, want)
		}
		for i := range want {
			if told[i] != want[i] {
				t.Errorf("told\n%+v, want\n%+v", told[i], want[i])
			}
		}
		told = nil
	}
	t.Run("by partition", func(t *testing.T) {
		conn := new(service).dial(t, byPartition(newPartitionLimiter(t, quota, new(stopped)), tell, twoEach))
		want := weirgrpc.Decision{
			Decision: admitted, Subject: "user", Quota: quota, FullMethod: watchMethod, Cost: 1,
			PartitionKey: weir.PartitionKey{Partition: weir.User, ID: "7"}, Reason: weir.ByUser,
		}
		wantCode(t, "watch", calls["stream from the server"](as(t, "user", "7"), conn), codes.OK)
		check(t, want)

		want.FullMethod, want.Subject, want.Reason = checkMethod, "ip", weir.Anonymous
		want.PartitionKey = weir.PartitionKey{Prefix: netip.MustParsePrefix("127.0.0.1/32")}
		wantCode(t, "check", calls["unary"](as(t), conn), codes.OK)
		check(t, want)
	})
	t.Run("by key", func(t *testing.T) {
		conn := new(service).dial(t, byKey(newLimiter(t, quota, new(stopped)), everybody, tell, twoEach))
		wantCode(t, "message", newChat(t.Context(), conn).say("a"), codes.ResourceExhausted)
		start := weirgrpc.Decision{Decision: admitted, Subject: "key", Quota: quota, FullMethod: chatMethod, Cost: 1, Key: "everybody"}
		message := start
		message.Message, message.Cost, message.Decision = true, 2, refused
		check(t, start, message)
	})
}

func TestWithShadow(t *testing.T) {
	var told []bool
	tell := weirgrpc.WithOnDecision(func(_ context.Context, d weirgrpc.Decision) { told = append(told, d.Allowed) })
	oneEach := weirgrpc.WithMessageCost(func(context.Context, string, any) int64 { return 1 })
	s := new(service)
	limiter := newLimiter(t, oneIn17s, new(stopped))
	conn := s.dial(t, byKey(limiter, everybody, weirgrpc.WithShadow(), tell, oneEach,
		weirgrpc.WithRefusal(func(context.Context, weirgrpc.Decision) error {
			t.Error("asked how to refuse")
			return nil
		})))
	for _, call := range []string{"unary", "unary", "stream both ways"} {
		wantCode(t, call, calls[call](t.Context(), conn), codes.OK)
	}
	if want := []bool{true, false, false, false}; len(told) != len(want) || told[0] != true || told[1] || told[2] || told[3] {
		t.Errorf("told %v, want %v", told, want)
	}
	if s := limiter.Stats(); s.Admitted != 1 || s.Refused != 3 {
		t.Errorf("counted %+v, want 1 admitted and 3 refused", s)
	}
	if s.checks.Load() != 2 || s.texts.Load() != 1 {
		t.Error("not everything reached the handlers")
	}
}

func TestWithRefusal(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer error
		code   codes.Code
		text   string
	}{
		{"another status", status.Error(codes.Unavailable, "later"), codes.Unavailable, "later"},
		{"no status", errors.New("later"), codes.Unknown, "later"},
		// That would tell the caller that all went well.
		{"nothing", nil, codes.ResourceExhausted, "The API rate limit for this account has been exceeded."},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []weirgrpc.Decision
			conn := new(service).dial(t, byKey(newLimiter(t, oneIn17s, new(stopped)), everybody,
				weirgrpc.WithRefusal(func(_ context.Context, d weirgrpc.Decision) error {
					asked = append(asked, d)
					return c.answer
				})))
			wantCode(t, "admitted", check(t.Context(), conn), codes.OK)
			for name, call := range calls {
				err := call(t.Context(), conn)
				wantCode(t, name, err, c.code)
				if got := status.Convert(err).Message(); got != c.text {
					t.Errorf("%s: message %q, want %q", name, got, c.text)
				}
			}
			if len(asked) != len(calls) {
				t.Fatalf("asked %d times, want %d", len(asked), len(calls))
			}
			for _, d := range asked {
				if d.Allowed || d.RetryAfter != 17*time.Second || d.Key != "everybody" {
					t.Errorf("asked about %+v", d)
				}
			}
		})
	}
}

func TestLastOptionWins(t *testing.T) {
	free := weirgrpc.WithCost(func(context.Context, string, any) int64 { return 100 })
	one := weirgrpc.WithCost(func(context.Context, string, any) int64 { return 1 })
	conn := new(service).dial(t, byKey(newLimiter(t, oneIn17s, new(stopped)), everybody, free, one))
	wantCode(t, "of cost 1", check(t.Context(), conn), codes.OK)
}

// What a program gets wrong must fail when it starts.
func TestSetUpPanics(t *testing.T) {
	limiter, partitions := newLimiter(t, oneIn17s, new(stopped)), newPartitionLimiter(t, oneIn17s, new(stopped))
	for want, setUp := range map[string]func(){
		"weirgrpc: UnaryServerInterceptor: nil limiter":       func() { weirgrpc.UnaryServerInterceptor(nil, describe) },
		"weirgrpc: UnaryServerInterceptor: nil describe":      func() { weirgrpc.UnaryServerInterceptor(partitions, nil) },
		"weirgrpc: StreamServerInterceptor: nil limiter":      func() { weirgrpc.StreamServerInterceptor(nil, describe) },
		"weirgrpc: StreamServerInterceptor: nil describe":     func() { weirgrpc.StreamServerInterceptor(partitions, nil) },
		"weirgrpc: UnaryServerInterceptorByKey: nil limiter":  func() { weirgrpc.UnaryServerInterceptorByKey(nil, everybody) },
		"weirgrpc: UnaryServerInterceptorByKey: nil key":      func() { weirgrpc.UnaryServerInterceptorByKey(limiter, nil) },
		"weirgrpc: StreamServerInterceptorByKey: nil limiter": func() { weirgrpc.StreamServerInterceptorByKey(nil, everybody) },
		"weirgrpc: StreamServerInterceptorByKey: nil key":     func() { weirgrpc.StreamServerInterceptorByKey(limiter, nil) },
		"weirgrpc: WithCost: nil function":                    func() { weirgrpc.WithCost(nil) },
		"weirgrpc: WithMessageCost: nil function":             func() { weirgrpc.WithMessageCost(nil) },
		"weirgrpc: WithSkip: nil function":                    func() { weirgrpc.WithSkip(nil) },
		"weirgrpc: WithOnDecision: nil function":              func() { weirgrpc.WithOnDecision(nil) },
		"weirgrpc: WithRefusal: nil function":                 func() { weirgrpc.WithRefusal(nil) },
		"weirgrpc: WithMaxAttempts: less than 1":              func() { weirgrpc.WithMaxAttempts(0) },
		"weirgrpc: WithMaxWait: not above 0":                  func() { weirgrpc.WithMaxWait(0) },
		"weirgrpc: WithPace: nil limiter":                     func() { weirgrpc.WithPace(nil, everybody) },
		"weirgrpc: WithPace: nil key":                         func() { weirgrpc.WithPace(limiter, nil) },
	} {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic %v", got)
				}
			}()
			setUp()
		})
	}
}
