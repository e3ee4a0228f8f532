package weirhttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// errGone is why a limiter on other machines cannot decide.
var errGone = errors.New("the server is out of reach")

// elsewhere is a Decider whose quotas are kept by somebody else: it says what it was
// told to say, and notes what it was asked.
type elsewhere struct {
	ruling   weir.Ruling
	policies map[weir.Partition][]string // names

	ctx      context.Context
	req      weir.Request
	cost     int64
	decided  int
	refunded []string
}

func (e *elsewhere) Decide(ctx context.Context, req weir.Request, n int64) weir.Ruling {
	e.ctx, e.req, e.cost = ctx, req, n
	e.decided++
	return e.ruling
}

func (e *elsewhere) Refund(key weir.PartitionKey, n int64) {
	e.refunded = append(e.refunded, fmt.Sprint(key, " ", n))
}

func (e *elsewhere) Policies(part weir.Partition) (list []weir.Policy) {
	for _, name := range e.policies[part] {
		list = append(list, weir.Policy{Name: name})
	}
	return list
}

func (e *elsewhere) Quota(_ weir.PartitionKey, policy int) weir.Quota {
	return []weir.Quota{weir.PerMinute(300), weir.PerSecond(10)}[policy]
}

// userRuling is one of user 42.
func userRuling(d weir.Decision, err error) weir.Ruling {
	return weir.Ruling{Decision: d, Key: weir.PartitionKey{Partition: weir.User, ID: "42"}, Reason: weir.ByUser, Policy: 1, Err: err}
}

func newElsewhere(d weir.Decision, err error) *elsewhere {
	return &elsewhere{ruling: userRuling(d, err), policies: map[weir.Partition][]string{weir.IP: {"ip"}, weir.User: {"user", "user-2"}}}
}

// keysElsewhere is a KeyDecider of the same kind.
type keysElsewhere struct {
	decision  weir.Decision
	err       error // of AllowN
	refundErr error

	asked              []string
	refunds            []string
	ctx                context.Context // of AllowN
	refundErrOfContext error
	refundDeadline     bool
	refundValue        any
}

type contextKey struct{}

func (k *keysElsewhere) AllowN(ctx context.Context, key string, n int64) (weir.Decision, error) {
	k.ctx = ctx
	k.asked = append(k.asked, key)
	return k.decision, k.err
}

func (k *keysElsewhere) Refund(ctx context.Context, key string, n int64) error {
	k.refunds = append(k.refunds, key+" "+strconv.FormatInt(n, 10))
	k.refundErrOfContext, k.refundValue = ctx.Err(), ctx.Value(contextKey{})
	_, k.refundDeadline = ctx.Deadline()
	return k.refundErr
}

func (k *keysElsewhere) Quota() weir.Quota { return weir.PerMinute(300) }

var (
	admitted = weir.Decision{Allowed: true, Limit: 10, Remaining: 7, ResetAfter: 300 * time.Millisecond}
	refused  = weir.Decision{Limit: 10, RetryAfter: 1500 * time.Millisecond, ResetAfter: 2 * time.Second}
)

// New asks any Decider, and tells what it says, also where no policy has a Limiter.
func TestNewAsksADecider(t *testing.T) {
	for _, c := range []struct {
		what       string
		decision   weir.Decision
		status     int
		limit      string
		retryAfter string
		refunded   []string
	}{
		{"admitted", admitted, 418, `"user-2";r=7;t=1`, "", []string{"user:42 3"}},
		{"refused", refused, 429, `"user-2";r=0;t=2`, "2", nil},
	} {
		e := newElsewhere(c.decision, nil)
		var heard []weirhttp.Outcome
		handler := weirhttp.New(e, describe, weirhttp.WithFields(weirhttp.Draft11, weirhttp.XRateLimit),
			weirhttp.WithCost(func(*http.Request) int64 { return 3 }),
			weirhttp.WithOnDecision(func(o weirhttp.Outcome) { heard = append(heard, o) }),
			weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == 418 }))(teapot)
		r := getOf("/contacts")
		r.Header.Set("User", "42")
		ctx := context.WithValue(r.Context(), contextKey{}, "this one")
		resp := call(handler, r.WithContext(ctx))
		if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.retryAfter || resp.Header.Get("RateLimit") != c.limit ||
			resp.Header.Get("RateLimit-Policy") != `"user";q=300;w=60, "user-2";q=10;w=1` || resp.Header.Get("X-RateLimit-Limit") != "10" {
			t.Errorf("%s: %d, %v", c.what, resp.StatusCode, resp.Header)
		}
		if e.decided != 1 || e.ctx != ctx || e.req.UserID != "42" || e.req.Path != "/contacts" || e.cost != 3 {
			t.Errorf("%s: asked %d times, last for %+v, cost %d", c.what, e.decided, e.req, e.cost)
		}
		if len(heard) != 1 || heard[0].Ruling != e.ruling {
			t.Errorf("%s: heard %+v", c.what, heard)
		}
		if !slices.Equal(e.refunded, c.refunded) {
			t.Errorf("%s: given back %v, want %v", c.what, e.refunded, c.refunded)
		}
	}
}

// endless has policies for every partition there can be.
type endless struct{ *elsewhere }

func (endless) Policies(weir.Partition) []weir.Policy {
	return []weir.Policy{{Name: "all"}, {Name: "all-2"}}
}

// Partitions are counted by their policies; a Decider that knows no end of them does
// not keep New from returning.
func TestNewOfEndlessPartitions(t *testing.T) {
	e := newElsewhere(admitted, nil)
	e.ruling.Key.Partition = 255
	resp := call(weirhttp.New(endless{e}, describe, weirhttp.WithFields(weirhttp.Draft11))(teapot), getOf("/"))
	if got := resp.Header.Get("RateLimit"); got != `"all-2";r=7;t=1` {
		t.Errorf("limit %s", got)
	}
}

// unavailable is the body, written down a second time.
const unavailable = "{\n" +
	"  \"status\": 503,\n" +
	"  \"title\": \"Service Unavailable\",\n" +
	"  \"detail\": \"The API rate limit cannot be checked at the moment.\"\n" +
	"}"

// undecided are both kinds of middleware before a limiter that cannot decide.
func undecided(d weir.Decision, opts ...weirhttp.Option) map[string]http.Handler {
	return map[string]http.Handler{
		"New":          weirhttp.New(newElsewhere(d, errGone), describe, opts...)(teapot),
		"ByKeyContext": weirhttp.ByKeyContext(&keysElsewhere{decision: d, err: errGone}, everybody, opts...)(teapot),
	}
}

// What cannot be decided is answered 503, not 429, with nothing about quotas.
func TestUndecidedIsUnavailable(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead} {
		for _, c := range []struct {
			wait time.Duration
			want string
		}{
			{0, "1"}, // nobody knows; at once is too soon
			{1, "1"},
			{time.Second + 1, "2"},
			{100 * time.Second, "100"},
			{weir.Never, ""},
		} {
			var heard []weirhttp.Outcome
			for kind, handler := range undecided(weir.Decision{RetryAfter: c.wait},
				weirhttp.WithFields(weirhttp.Draft11Keyed, weirhttp.XRateLimit), weirhttp.WithProblemType(),
				weirhttp.WithRefund(func(*http.Request, int) bool { return true }),
				weirhttp.WithOnDecision(func(o weirhttp.Outcome) { heard = append(heard, o) })) {
				resp := call(handler, httptest.NewRequest(method, "/", nil))
				want := http.Header{"Cache-Control": {"no-store"}, "Content-Type": {"application/problem+json"}, "Content-Length": {"120"}}
				if c.want != "" {
					want["Retry-After"] = []string{c.want}
				}
				if resp.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: status %d", kind, resp.StatusCode)
				}
				checkHeader(t, resp.Header, want)
				body := unavailable
				if method == http.MethodHead {
					body = ""
				}
				if got := bodyOf(t, resp); got != body {
					t.Errorf("%s %s: body\n%s\nwant\n%s", kind, method, got, body)
				}
			}
			if len(heard) != 2 || heard[0].Err != errGone || heard[1].Err != errGone || heard[0].Allowed || heard[0].RetryAfter != c.wait {
				t.Errorf("heard %+v", heard)
			}
		}
	}
}

// A 503 is not for those who answer refusals, and shadow lets it through.
func TestOptionsOfUndecided(t *testing.T) {
	notCalled := weirhttp.WithRefusal(func(http.ResponseWriter, *http.Request, weir.Decision) { t.Error("the answer to refusals was called") })
	own := weirhttp.WithUnavailable(func(w http.ResponseWriter, r *http.Request, d weir.Decision) {
		http.Error(w, fmt.Sprint(r.URL.Path, " ", d.RetryAfter), http.StatusBadGateway)
	})
	for _, c := range []struct {
		what   string
		opts   []weirhttp.Option
		status int
		body   string
	}{
		{"WithRefusal", []weirhttp.Option{notCalled}, 503, unavailable},
		{"WithUnavailable", []weirhttp.Option{notCalled, own}, 502, "/x 7s\n"},
		{"WithShadow", []weirhttp.Option{notCalled, own, weirhttp.WithShadow(), weirhttp.WithFields(weirhttp.Draft11, weirhttp.XRateLimit),
			weirhttp.WithRefund(func(*http.Request, int) bool { t.Error("asked for a refund"); return true })}, 418, ""},
	} {
		for kind, handler := range undecided(weir.Decision{RetryAfter: 7 * time.Second}, c.opts...) {
			resp := call(handler, getOf("/x"))
			if got := bodyOf(t, resp); resp.StatusCode != c.status || got != c.body {
				t.Errorf("%s, %s: %d\n%s", kind, c.what, resp.StatusCode, got)
			}
			if c.status == 418 && len(resp.Header) != 0 {
				t.Errorf("%s, %s: told %v", kind, c.what, resp.Header)
			}
		}
	}
	// The other way round: a refusal by quota is none of WithUnavailable's.
	resp := call(weirhttp.New(newElsewhere(refused, nil), describe, own)(teapot), getOf("/x"))
	if resp.StatusCode != 429 || bodyOf(t, resp) != problem {
		t.Errorf("refused by a quota: %d", resp.StatusCode)
	}
}

// Those who were turned away together do not come back together.
func TestJitterOfUndecided(t *testing.T) {
	for kind, handler := range undecided(weir.Decision{RetryAfter: time.Second}, weirhttp.WithJitter(9*time.Second)) {
		seen := map[string]bool{}
		for range 200 {
			told := call(handler, getOf("/")).Header.Get("Retry-After")
			if n, err := strconv.Atoi(told); err != nil || n < 1 || n > 10 {
				t.Fatalf("%s: Retry-After %q", kind, told)
			}
			seen[told] = true
		}
		if len(seen) < 5 {
			t.Errorf("%s: only %v", kind, seen)
		}
	}
}

// A limiter may say that it could not decide and admit nevertheless; then nothing is
// given back, and nothing is known to tell.
func TestUndecidedAndAdmitted(t *testing.T) {
	e, k := newElsewhere(admitted, errGone), &keysElsewhere{decision: admitted, err: errGone}
	opts := []weirhttp.Option{weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithRefund(func(*http.Request, int) bool { return true })}
	for kind, handler := range map[string]http.Handler{
		"New": weirhttp.New(e, describe, opts...)(teapot), "ByKeyContext": weirhttp.ByKeyContext(k, everybody, opts...)(teapot),
	} {
		if resp := call(handler, getOf("/")); resp.StatusCode != 418 || len(resp.Header) != 0 {
			t.Errorf("%s: %d, %v", kind, resp.StatusCode, resp.Header)
		}
	}
	if len(e.refunded)+len(k.refunds) != 0 || e.decided+len(k.asked) != 2 {
		t.Errorf("given back %v %v, asked %d %d", e.refunded, k.refunds, e.decided, len(k.asked))
	}
}

func TestByKeyContext(t *testing.T) {
	k := &keysElsewhere{decision: admitted}
	var heard []weirhttp.Outcome
	limit := weirhttp.ByKeyContext(k, byPath, weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithPolicyName("api"),
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { heard = append(heard, o) }))
	handler := limit(teapot)
	r := getOf("/a")
	ctx := context.WithValue(r.Context(), contextKey{}, "this one")
	resp := call(handler, r.WithContext(ctx))
	if resp.StatusCode != 418 || resp.Header.Get("RateLimit-Policy") != `"api";q=300;w=60` || resp.Header.Get("RateLimit") != `"api";r=7;t=2` {
		t.Errorf("admitted: %d, %v", resp.StatusCode, resp.Header)
	}
	if k.ctx != ctx {
		t.Error("decided in another context than the request's")
	}
	k.decision = refused
	if resp = call(handler, getOf("/b")); resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "2" || bodyOf(t, resp) != problem {
		t.Errorf("refused: %d, %v", resp.StatusCode, resp.Header)
	}
	if !slices.Equal(k.asked, []string{"/a", "/b"}) || len(heard) != 2 || heard[1].Text != "/b" || heard[1].Err != nil || heard[1].Decision != refused {
		t.Errorf("asked %v, heard %+v", k.asked, heard)
	}
	// A limiter that fails without a Decision refuses.
	k.decision, k.err = weir.Decision{}, errGone
	if resp = call(handler, getOf("/c")); resp.StatusCode != 503 || resp.Header.Get("Retry-After") != "1" || heard[2].Err != errGone {
		t.Errorf("undecided: %d, %v, %+v", resp.StatusCode, resp.Header, heard[2])
	}
}

// A caller who hangs up ends his context, and is given back what he is due.
func TestRefundAfterHangingUp(t *testing.T) {
	k := &keysElsewhere{decision: weir.Decision{Allowed: true, ResetAfter: time.Hour}, refundErr: errGone}
	ctx, hangUp := context.WithTimeout(context.WithValue(context.Background(), contextKey{}, "traced"), time.Hour)
	defer hangUp()
	handler := weirhttp.ByKeyContext(k, everybody, weirhttp.WithCost(func(*http.Request) int64 { return 5 }),
		weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == 418 }))(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			hangUp()
			if r.Context().Err() == nil {
				t.Error("nobody has hung up: the test tests nothing")
			}
			teapot(w, r)
		}))
	resp := call(handler, getOf("/").WithContext(ctx))
	if resp.StatusCode != 418 || !slices.Equal(k.refunds, []string{"everybody 5"}) {
		t.Fatalf("%d, given back %v", resp.StatusCode, k.refunds)
	}
	if k.refundErrOfContext != nil || k.refundDeadline || k.refundValue != "traced" {
		t.Errorf("the refund's context: error %v, deadline %v, value %v", k.refundErrOfContext, k.refundDeadline, k.refundValue)
	}
}

func TestSetUpOfDecidersPanics(t *testing.T) {
	var none *weir.PartitionLimiter
	var noElsewhere *elsewhere
	var noKeys *keysElsewhere
	for _, c := range []struct {
		want  string
		setUp func()
	}{
		{"weirhttp: New: nil limiter", func() { weirhttp.New(nil, describe) }},
		{"weirhttp: New: nil limiter", func() { weirhttp.New(none, describe) }},
		{"weirhttp: New: nil limiter", func() { weirhttp.New(noElsewhere, describe) }},
		{"weirhttp: New: nil describe", func() { weirhttp.New(newElsewhere(admitted, nil), nil) }},
		{"weirhttp: ByKeyContext: nil limiter", func() { weirhttp.ByKeyContext(nil, everybody) }},
		{"weirhttp: ByKeyContext: nil limiter", func() { weirhttp.ByKeyContext(noKeys, everybody) }},
		{"weirhttp: ByKeyContext: nil key", func() { weirhttp.ByKeyContext(new(keysElsewhere), nil) }},
		{"weirhttp: WithUnavailable: nil function", func() { weirhttp.WithUnavailable(nil) }},
	} {
		func() {
			defer func() {
				if got := recover(); got != c.want {
					t.Errorf("panic %v, want %s", got, c.want)
				}
			}()
			c.setUp()
		}()
	}
}

// quick is a KeyDecider that notes nothing, and so allocates nothing.
type quick struct{}

func (quick) AllowN(context.Context, string, int64) (weir.Decision, error) { return admitted, nil }
func (quick) Refund(context.Context, string, int64) error                  { return nil }
func (quick) Quota() weir.Quota                                            { return weir.PerMinute(300) }

// The interface costs no allocation by itself; that New costs none before a
// PartitionLimiter is TestAdmittedAllocatesNothing's.
func TestByKeyContextAllocates(t *testing.T) {
	for _, c := range []struct {
		what string
		want float64
		opts []weirhttp.Option
	}{
		{"nothing", 0, nil},
		{"hook", 0, []weirhttp.Option{weirhttp.WithOnDecision(func(weirhttp.Outcome) {})}},
		{"draft 11, two fields", 2, []weirhttp.Option{weirhttp.WithFields(weirhttp.Draft11)}},
	} {
		served := 0
		handler := weirhttp.ByKeyContext(quick{}, byPath, c.opts...)(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
		w, r := headerOnly{http.Header{}}, getOf("/")
		if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); got != c.want {
			t.Errorf("%s: %v allocations, want %v", c.what, got, c.want)
		}
		if served != 1001 {
			t.Errorf("%s: %d of 1001 admitted", c.what, served)
		}
	}
}

// Unavailable costs what it says: one allocation more than Refuse.
func TestUnavailableAllocates(t *testing.T) {
	w, r := headerOnly{http.Header{}}, getOf("/")
	if got := testing.AllocsPerRun(1000, func() { weirhttp.Unavailable(w, r, refused) }); got != 2 {
		t.Errorf("%v allocations, want 2", got)
	}
}
