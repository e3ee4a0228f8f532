package weirredis_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

func newResolver(tb testing.TB) *weir.Resolver {
	tb.Helper()
	r, err := weir.NewResolver(func(_ context.Context, key string) (weir.Source, error) {
		if key == "spring" {
			return weir.Source{BusinessID: "42", Enabled: true}, nil
		}
		return weir.Source{}, weir.ErrNoSource
	})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func forAll(q weir.Quota) map[weir.Partition]weir.Quota {
	return map[weir.Partition]weir.Quota{weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q}
}

// Two of them, as on two machines, on one server.
func TestPartitionsAreShared(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	s := newSpace(t, redistest.Start(t, redistest.Options{}))
	var machines [2]*weirredis.PartitionLimiter
	for i := range machines {
		p, err := weirredis.NewPartitionLimiter(s.client, newResolver(t), forAll(weir.PerHour(10)), weirredis.WithTimeout(10*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(ctx)
		machines[i] = p
	}
	addr := netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		req    weir.Request
		key    string
		reason weir.Reason
	}{
		{weir.Request{Method: "GET", Path: "/x", BusinessID: "42", Addr: addr}, "business:42", weir.ByBusiness},
		{weir.Request{Method: "GET", Path: "/x", UserID: "42", Addr: addr}, "user:42", weir.ByUser},
		{weir.Request{Method: "POST", Path: "/leads", SourceKey: "spring", Addr: addr}, "business-intake:42", weir.BySource},
		{weir.Request{Method: "POST", Path: "/leads", SourceKey: "?", Addr: addr}, "ip:2001:db8::/64", weir.SourceUnknown},
	} {
		for i := range 14 {
			r := machines[i%2].Decide(ctx, c.req, 1)
			if r.Err != nil || r.Allowed != (i < 10) || r.Key.String() != c.key || r.Reason != c.reason || r.Policy != 0 {
				t.Errorf("%s, request %d: %+v", c.key, i, r)
			}
		}
		if q := machines[0].Quota(machines[0].Decide(ctx, c.req, 0).Key, 0); q != weir.PerHour(10) {
			t.Errorf("%v", q)
		}
	}
	key := weir.PartitionKey{Partition: weir.Business, ID: "42"}
	machines[0].Refund(key, 2)
	if d, got, err := machines[0].Allow(ctx, weir.Request{BusinessID: "42", Addr: addr}); err != nil || !d.Allowed || d.Remaining != 1 || got != key {
		t.Errorf("%+v, %v", d, err)
	}
	if err := machines[1].Reset(ctx, key); err != nil {
		t.Fatal(err)
	}
	if d, err := machines[1].Limiter(weir.Business).Peek(ctx, "42"); err != nil || d.Remaining != 10 {
		t.Errorf("%+v, %v", d, err)
	}
	if n := s.server.Do("EXISTS", "weir:user:42", "weir:business-intake:42", "weir:ip:2001:db8::/64"); n != int64(3) {
		t.Errorf("%v of 3 keys are named as is said", n)
	}
}

func TestPartitionsThatAreNone(t *testing.T) {
	client := newSpace(t, redistest.Start(t, redistest.Options{})).client
	p, err := weirredis.NewPartitionLimiter(client, newResolver(t), forAll(weir.PerHour(10)))
	if err != nil {
		t.Fatal(err)
	}
	none := weir.PartitionKey{Partition: 7, ID: "42"}
	if r := p.DecideKey(t.Context(), none, 1); r.Allowed || r.RetryAfter != weir.Never {
		t.Errorf("%+v", r)
	}
	p.Refund(none, 1)
	if p.Reset(t.Context(), none) != nil || p.Limiter(7) != nil || p.Policies(7) != nil || p.Quota(none, 0) != (weir.Quota{}) || p.Quota(weir.PartitionKey{}, 1) != (weir.Quota{}) {
		t.Error("there is something of it")
	}
	var e *weirredis.ConfigError
	for name, err := range map[string]error{
		"client":   second(weirredis.NewPartitionLimiter(nil, newResolver(t), forAll(weir.PerHour(10)))),
		"resolver": second(weirredis.NewPartitionLimiter(client, nil, forAll(weir.PerHour(10)))),
		"missing":  second(weirredis.NewPartitionLimiter(client, newResolver(t), nil)),
		"unknown":  second(weirredis.NewPartitionLimiter(client, newResolver(t), map[weir.Partition]weir.Quota{9: weir.PerHour(1)})),
		"option":   second(weirredis.NewPartitionLimiter(client, newResolver(t), forAll(weir.PerHour(10)), weirredis.WithTimeout(-1))),
		"quota":    second(weirredis.NewPartitionLimiter(client, newResolver(t), forAll(weir.PerSecond(2_000_000)))),
	} {
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// The middleware does not know which it has; and without a server, under Closed, it
// answers 503.
func TestMiddleware(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	s := newSpace(t, redistest.Start(t, redistest.Options{}))
	p, err := weirredis.NewPartitionLimiter(s.client, newResolver(t), forAll(weir.PerHour(3)),
		weirredis.WithFallback(weirredis.Closed()), weirredis.WithBreaker(1, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(context.Background()) })
	limiter, err := weirredis.New(s.client, weir.PerHour(3), weirredis.WithPrefix("by-key:"))
	if err != nil {
		t.Fatal(err)
	}
	handlers := map[string]http.Handler{
		"partitions": weirhttp.New(p, weirhttp.Anonymous, weirhttp.WithFields(weirhttp.Draft11))(http.HandlerFunc(ok)),
		"keys":       weirhttp.ByKeyContext(limiter, func(*http.Request) string { return "k" })(http.HandlerFunc(ok)),
	}
	serve := func(h http.Handler) *http.Response {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		return w.Result()
	}
	for name, h := range handlers {
		for i, want := range []int{200, 200, 200, 429, 429} {
			if resp := serve(h); resp.StatusCode != want {
				t.Errorf("%s, request %d: %s", name, i, resp.Status)
			} else if want == 429 && resp.Header.Get("Retry-After") != "1200" {
				t.Errorf("%s: %v", name, resp.Header)
			}
		}
	}
	if got := serve(handlers["partitions"]).Header.Get("RateLimit-Policy"); got == "" {
		t.Error("no fields")
	}
	s.server.Kill()
	h := weirhttp.New(p, func(r *http.Request) weir.Request { return weir.Request{UserID: "7"} })(http.HandlerFunc(ok))
	resp := serve(h)
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("%s %v %s", resp.Status, resp.Header, body)
	}
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) }
