package weirgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// statusOf is an error of a code, with details.
func statusOf(t testing.TB, code codes.Code, details ...protoadapt.MessageV1) error {
	t.Helper()
	s, err := status.New(code, "of the server").WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func retryIn(seconds int64, nanos int32) *errdetails.RetryInfo {
	return &errdetails.RetryInfo{RetryDelay: &durationpb.Duration{Seconds: seconds, Nanos: nanos}}
}

func refusal(t testing.TB, wait time.Duration) error {
	return statusOf(t, codes.ResourceExhausted, &errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
}

func TestRetryDelay(t *testing.T) {
	exhausted := codes.ResourceExhausted
	garbage := status.FromProto(&statuspb.Status{Code: int32(exhausted), Details: []*anypb.Any{
		{TypeUrl: "type.googleapis.com/google.rpc.RetryInfo", Value: []byte{0xff}},
		{TypeUrl: "type.googleapis.com/no.such.Type"},
	}}).Err()
	for _, c := range []struct {
		name string
		err  error
		want time.Duration // -1 for none
	}{
		{"no error", nil, -1},
		{"no status", errors.New("later"), -1},
		{"no details", status.Error(exhausted, "later"), -1},
		{"another code", statusOf(t, codes.Unavailable, retryIn(1, 0)), -1},
		{"another detail", statusOf(t, exhausted, &errdetails.QuotaFailure{}), -1},
		{"no delay", statusOf(t, exhausted, &errdetails.RetryInfo{}), -1},
		{"negative", statusOf(t, exhausted, retryIn(-1, 0)), -1},
		{"seconds and nanoseconds that disagree", statusOf(t, exhausted, retryIn(1, -1)), -1},
		{"more nanoseconds than a second has", statusOf(t, exhausted, retryIn(0, 1e9)), -1},
		{"what is no message", garbage, -1},

		{"none at all", statusOf(t, exhausted, retryIn(0, 0)), 0},
		{"a nanosecond", statusOf(t, exhausted, retryIn(0, 1)), 1},
		{"17 s", statusOf(t, exhausted, retryIn(17, 0)), 17 * time.Second},
		{"behind another detail", statusOf(t, exhausted, &errdetails.QuotaFailure{}, retryIn(2, 5)), 2*time.Second + 5},
		{"behind one that is no delay", statusOf(t, exhausted, retryIn(-1, 0), retryIn(2, 0)), 2 * time.Second},
		{"wrapped", fmt.Errorf("calling: %w", statusOf(t, exhausted, retryIn(3, 0))), 3 * time.Second},
		{"10,000 years", statusOf(t, exhausted, retryIn(315_576_000_000, 0)), math.MaxInt64},
	} {
		got, ok := weirgrpc.RetryDelay(c.err)
		if ok != (c.want >= 0) || ok && got != c.want || !ok && got != 0 {
			t.Errorf("%s: %v, %t; want %v", c.name, got, ok, c.want)
		}
	}
}

// Whatever a server sends, the delay of it can be slept.
func FuzzRetryDelay(f *testing.F) {
	for _, seed := range []error{refusal(f, 17*time.Second), refusal(f, -1), statusOf(f, codes.ResourceExhausted, retryIn(1, -1))} {
		b, err := proto.Marshal(status.Convert(seed).Proto())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s statuspb.Status
		if proto.Unmarshal(b, &s) != nil {
			t.Skip()
		}
		delay, ok := weirgrpc.RetryDelay(status.FromProto(&s).Err())
		if delay < 0 || !ok && delay != 0 || ok && codes.Code(s.Code) != codes.ResourceExhausted {
			t.Errorf("%v: %v, %t", &s, delay, ok)
		}
	})
}

// invoker answers attempts in turn, the last answer again and again, and records
// when each came.
type invoker struct {
	answers []error
	at      []time.Duration
	start   time.Time
}

func (i *invoker) invoke(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
	i.at = append(i.at, time.Since(i.start))
	return i.answers[min(len(i.at), len(i.answers))-1]
}

// attempt makes one call by the interceptor, inside a synctest bubble.
func attempt(ctx context.Context, answers []error, opts ...weirgrpc.ClientOption) (*invoker, error) {
	i := &invoker{answers: answers, start: time.Now()}
	return i, weirgrpc.UnaryClientInterceptor(opts...)(ctx, checkMethod, nil, nil, nil, i.invoke)
}

func TestClientWaits(t *testing.T) {
	second := time.Second
	unavailable := status.Error(codes.Unavailable, "down")
	for _, c := range []struct {
		name     string
		answers  []error
		opts     []weirgrpc.ClientOption
		deadline time.Duration   // 0 for none
		cancel   time.Duration   // 0 for never
		at       []time.Duration // of the attempts; the second wait and later ones are random
		code     codes.Code
	}{
		{name: "admitted", answers: []error{nil}, at: []time.Duration{0}},
		{name: "refused once", answers: []error{refusal(t, second+1), nil}, at: []time.Duration{0, second + 1}},
		{name: "told not to wait", answers: []error{refusal(t, 0), refusal(t, 0), nil}, at: []time.Duration{0, 0, 0}},
		{name: "another error", answers: []error{unavailable, nil}, at: []time.Duration{0}, code: codes.Unavailable},
		{name: "another error after a refusal", answers: []error{refusal(t, second), unavailable, nil},
			at: []time.Duration{0, second}, code: codes.Unavailable},
		{name: "refused for ever", answers: []error{statusOf(t, codes.ResourceExhausted), nil}, at: []time.Duration{0}, code: codes.ResourceExhausted},
		{name: "one attempt", answers: []error{refusal(t, second), nil}, opts: []weirgrpc.ClientOption{weirgrpc.WithMaxAttempts(1)},
			at: []time.Duration{0}, code: codes.ResourceExhausted},
		{name: "two attempts", answers: []error{refusal(t, second)}, opts: []weirgrpc.ClientOption{weirgrpc.WithMaxAttempts(2)},
			at: []time.Duration{0, second}, code: codes.ResourceExhausted},
		{name: "four attempts", answers: []error{refusal(t, 0)}, at: make([]time.Duration, 4), code: codes.ResourceExhausted},
		{name: "the longest wait", answers: []error{refusal(t, 2*time.Minute), nil}, at: []time.Duration{0, 2 * time.Minute}},
		{name: "too long a wait", answers: []error{refusal(t, 2*time.Minute+1), nil}, at: []time.Duration{0}, code: codes.ResourceExhausted},
		{name: "too long a wait, as set", answers: []error{refusal(t, second+1), nil}, opts: []weirgrpc.ClientOption{weirgrpc.WithMaxWait(second)},
			at: []time.Duration{0}, code: codes.ResourceExhausted},
		{name: "deadline too near", answers: []error{refusal(t, second), nil}, deadline: second - 1,
			at: []time.Duration{0}, code: codes.ResourceExhausted},
		{name: "deadline far enough", answers: []error{refusal(t, second), nil}, deadline: second + 1, at: []time.Duration{0, second}},
		{name: "cancelled meanwhile", answers: []error{refusal(t, second), nil}, cancel: second / 2, at: []time.Duration{0}, code: codes.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.deadline > 0 {
					ctx, cancel = context.WithTimeout(ctx, c.deadline)
					defer cancel()
				}
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				start := time.Now()
				i, err := attempt(ctx, c.answers, c.opts...)
				wantCode(t, "call", err, c.code)
				if !slices.Equal(i.at, c.at) {
					t.Errorf("attempts at %v, want %v", i.at, c.at)
				}
				// It returns with the last attempt, or when it is cancelled, and never
				// after having slept in vain.
				if took, want := time.Since(start), max(c.at[len(c.at)-1], c.cancel); took != want {
					t.Errorf("took %v, want %v", took, want)
				}
			})
		})
	}
}

// Who is refused again has company, and spreads.
func TestSpread(t *testing.T) {
	const delay, room = time.Second, 10 * time.Second
	for _, c := range []struct {
		refusals    int
		delay, room time.Duration
		least, most time.Duration
		mustDiffer  bool
	}{
		{refusals: 1, delay: delay, room: room, least: delay, most: delay},
		{refusals: 2, delay: delay, room: room, least: delay, most: 2 * delay, mustDiffer: true},
		{refusals: 3, delay: delay, room: room, least: delay, most: 3 * delay, mustDiffer: true},
		{refusals: 4, delay: delay, room: room, least: delay, most: 5 * delay, mustDiffer: true},
		{refusals: 6, delay: delay, room: room, least: delay, most: room, mustDiffer: true},
		{refusals: 1000, delay: delay, room: room, least: delay, most: room, mustDiffer: true},
		{refusals: 2, delay: room, room: room, least: room, most: room},
		{refusals: 5, delay: 0, room: room, least: 0, most: 0},
		{refusals: 5, delay: 0, room: math.MaxInt64, least: 0, most: 0},
		{refusals: 1000, delay: 1, room: math.MaxInt64, least: 1, most: math.MaxInt64, mustDiffer: true},
	} {
		low, high := time.Duration(math.MaxInt64), time.Duration(-1)
		for range 1000 {
			wait := weirgrpc.Spread(c.delay, c.room, c.refusals)
			low, high = min(low, wait), max(high, wait)
		}
		if low < c.least || high > c.most {
			t.Errorf("after %d refusals: from %v to %v, want from %v to %v", c.refusals, low, high, c.least, c.most)
		}
		// A thousand of them nearly fill the range: the odds against it are beyond e^-200.
		if c.mustDiffer && (low > c.least+(c.most-c.least)/5 || high < c.most-(c.most-c.least)/5) {
			t.Errorf("after %d refusals: only from %v to %v of %v to %v", c.refusals, low, high, c.least, c.most)
		}
	}
}

func TestClientSpreadsItsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, err := attempt(t.Context(), []error{refusal(t, time.Second)}, weirgrpc.WithMaxAttempts(4), weirgrpc.WithMaxWait(4*time.Second))
		wantCode(t, "call", err, codes.ResourceExhausted)
		if len(i.at) != 4 || i.at[1] != time.Second {
			t.Fatalf("attempts at %v", i.at)
		}
		second, third := i.at[2]-i.at[1], i.at[3]-i.at[2]
		if second < time.Second || second > 2*time.Second || third < time.Second || third > 3*time.Second {
			t.Errorf("waited %v and %v", second, third)
		}
		if second == time.Second || third == time.Second {
			t.Error("a later wait was not spread")
		}
	})
}

func TestWithPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter, err := weir.New(weir.Quota{Limit: 1, Period: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		asked := 0
		pace := weirgrpc.WithPace(limiter, func(_ context.Context, fullMethod string) string {
			asked++
			return fullMethod
		})
		// The second attempt, told to come at once, waits for its turn all the same.
		i, err := attempt(t.Context(), []error{refusal(t, 0), nil}, pace)
		if want := []time.Duration{0, time.Second}; err != nil || !slices.Equal(i.at, want) || asked != 1 {
			t.Errorf("attempts at %v (%v), want %v; asked for %d keys", i.at, err, want, asked)
		}
		// The next turn is in a second.
		ctx, cancel := context.WithTimeout(t.Context(), time.Second-1)
		defer cancel()
		i, err = attempt(ctx, []error{nil}, pace)
		if len(i.at) != 0 || ctx.Err() != nil {
			t.Error("the call was sent, or waited, too late for its deadline")
		}
		wantCode(t, "deadline before its turn", err, codes.DeadlineExceeded)

		// A refusal that is told to come at once, and whose turn comes too late.
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second-1)
		defer cancel()
		i, err = attempt(ctx, []error{refusal(t, 0), nil}, pace)
		if len(i.at) != 1 || i.at[0] != time.Second || ctx.Err() != nil {
			t.Errorf("attempts at %v, want one at 1s, and no wait after it", i.at)
		}
		wantCode(t, "refused, and its next turn too late", err, codes.ResourceExhausted)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second/2, cancel)
		_, err = attempt(ctx, []error{nil}, pace)
		wantCode(t, "cancelled while it waits for its turn", err, codes.Canceled)

		ctx, cancel = context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel) // its turns are in half a second and in one and a half
		i, err = attempt(ctx, []error{refusal(t, 0), nil}, pace)
		if len(i.at) != 1 {
			t.Errorf("attempts at %v, want one", i.at)
		}
		wantCode(t, "cancelled while it waits for its second turn", err, codes.Canceled)
	})
}
