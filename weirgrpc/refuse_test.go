package weirgrpc_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// wantStatus compares with the text form of a status.
func wantStatus(t *testing.T, err error, text string) {
	t.Helper()
	var want statuspb.Status
	if err := prototext.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if got := status.Convert(err).Proto(); !proto.Equal(got, &want) {
		t.Errorf("status\n%v, want\n%v", got, &want)
	}
}

// The whole of what a client receives.
func TestRefusalOnTheWire(t *testing.T) {
	const want = `
		code: 8
		message: "The API rate limit for this account has been exceeded."
		details { [type.googleapis.com/google.rpc.RetryInfo] { retry_delay { seconds: 17 } } }
		details { [type.googleapis.com/google.rpc.QuotaFailure] {
			violations { subject: "business" description: "quota 1/17s exceeded" quota_value: 1 }
		} }`
	ctx := as(t, "business", "s3cret-id")
	s := new(service)
	conn := s.dial(t, byPartition(newPartitionLimiter(t, oneIn17s, new(stopped))))
	wantCode(t, "admitted", check(ctx, conn), codes.OK)

	var header, trailer metadata.MD
	_, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	wantStatus(t, err, want)
	if got := trailer["grpc-retry-pushback-ms"]; !slices.Equal(got, []string{"17000"}) {
		t.Errorf("pushback %q", got)
	}
	// No header: gRPC's own retries look only at responses that are a trailer alone.
	if len(header) != 0 {
		t.Errorf("header %v", header)
	}

	chat := newChat(ctx, conn)
	wantStatus(t, chat.say("hello"), want)
	if got := chat.Trailer()["grpc-retry-pushback-ms"]; !slices.Equal(got, []string{"17000"}) {
		t.Errorf("pushback of a stream %q", got)
	}
}

// A stubCall is a call that keeps the trailer it is given.
type stubCall struct {
	trailer metadata.MD
	err     error
}

func (c *stubCall) Method() string               { return checkMethod }
func (c *stubCall) SetHeader(metadata.MD) error  { panic("a header was set") }
func (c *stubCall) SendHeader(metadata.MD) error { panic("a header was sent") }
func (c *stubCall) SetTrailer(md metadata.MD) error {
	c.trailer = metadata.Join(c.trailer, md)
	return c.err
}

func TestRefuse(t *testing.T) {
	perMinute := weir.Quota{Limit: 300, Period: time.Minute, Burst: 50}
	for _, c := range []struct {
		name        string
		d           weirgrpc.Decision
		delay       time.Duration // -1 for none
		description string
		pushback    string
	}{
		{"a nanosecond", weirgrpc.Decision{Decision: weir.Decision{Limit: 300, RetryAfter: 1}, Quota: perMinute},
			1, "quota 300/1m burst 50 exceeded", "1"},
		{"a millisecond", weirgrpc.Decision{Decision: weir.Decision{Limit: 300, RetryAfter: time.Millisecond}, Quota: perMinute},
			time.Millisecond, "quota 300/1m burst 50 exceeded", "1"},
		{"more than a millisecond", weirgrpc.Decision{Decision: weir.Decision{Limit: 300, RetryAfter: time.Millisecond + 1}, Quota: perMinute},
			time.Millisecond + 1, "quota 300/1m burst 50 exceeded", "2"},
		{"292 years", weirgrpc.Decision{Decision: weir.Decision{Limit: 300, RetryAfter: weir.Never - 1}, Quota: perMinute},
			math.MaxInt64 - 1, "quota 300/1m burst 50 exceeded", "9223372036855"},
		{"for ever", weirgrpc.Decision{Decision: weir.Decision{Limit: 300, RetryAfter: weir.Never}, Quota: perMinute},
			-1, "quota 300/1m burst 50: a cost this high is never admitted", "-1"},
		{"a quota of the key's own", weirgrpc.Decision{Decision: weir.Decision{Limit: 500, RetryAfter: time.Second}, Quota: perMinute},
			time.Second, "limit 500 exceeded", "1000"},
		{"no quota", weirgrpc.Decision{Decision: weir.Decision{Limit: 5, RetryAfter: time.Second}},
			time.Second, "limit 5 exceeded", "1000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.d.Subject = "logins"
			call := new(stubCall)
			s := status.Convert(weirgrpc.Refuse(grpc.NewContextWithServerTransportStream(t.Context(), call), c.d))
			if s.Code() != codes.ResourceExhausted {
				t.Errorf("code %v", s.Code())
			}
			details := s.Details()
			if c.delay >= 0 {
				if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != c.delay {
					t.Errorf("first detail %v, want RetryInfo of %v", details[0], c.delay)
				}
				details = details[1:]
			}
			want := &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{
				{Subject: "logins", Description: c.description, QuotaValue: c.d.Limit},
			}}
			if len(details) != 1 || !proto.Equal(details[0].(proto.Message), want) {
				t.Errorf("details %v, want %v", details, want)
			}
			if got := call.trailer["grpc-retry-pushback-ms"]; len(call.trailer) != 1 || !slices.Equal(got, []string{c.pushback}) {
				t.Errorf("trailer %v, want %s ms", call.trailer, c.pushback)
			}
		})
	}
}

// What cannot be told is left out; the refusal stands.
func TestRefuseAllTheSame(t *testing.T) {
	d := weirgrpc.Decision{Decision: weir.Decision{Limit: 1, RetryAfter: time.Second}, Subject: "not UTF-8: \xff"}
	ended := &stubCall{err: errors.New("the call has ended")}
	for name, ctx := range map[string]context.Context{
		"no call":    t.Context(),
		"ended call": grpc.NewContextWithServerTransportStream(t.Context(), ended),
	} {
		wantStatus(t, weirgrpc.Refuse(ctx, d), `code: 8 message: "The API rate limit for this account has been exceeded."`)
		d.Subject = "logins"
		if _, ok := weirgrpc.RetryDelay(weirgrpc.Refuse(ctx, d)); !ok {
			t.Errorf("%s: no RetryInfo", name)
		}
		d.Subject = "not UTF-8: \xff"
	}
	if len(ended.trailer) == 0 {
		t.Error("the call that has ended was not tried")
	}
}
