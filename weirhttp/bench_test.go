package weirhttp_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// nothing is the bare handler of which the middleware's cost is the difference.
var nothing = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// plenty admits everything; oneIn17s refuses nearly everything.
var plenty = weir.Quota{Limit: 1 << 40, Period: time.Hour}

// A testCall is a request and what authentication knows of it: describing it costs
// no more than [weirhttp.Anonymous] does.
type testCall struct {
	name string
	r    *http.Request
	who  weir.Request
}

func (c *testCall) describe(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID, req.UserID, req.SourceKey = c.who.BusinessID, c.who.UserID, c.who.SourceKey
	return req
}

// calls find their partition in different ways.
func calls() []testCall {
	newRequest := func(method, path, remote string) *http.Request {
		r := httptest.NewRequest(method, path, nil)
		r.RemoteAddr = remote
		return r
	}
	const v4, v6 = "203.0.113.7:49152", "[2001:db8::7]:49152"
	return []testCall{
		{"business", newRequest(http.MethodGet, "/contacts", v4), weir.Request{BusinessID: "42"}},
		{"user", newRequest(http.MethodGet, "/contacts", v4), weir.Request{UserID: "42"}},
		{"business-intake", newRequest(http.MethodPost, "/leads", v4), weir.Request{SourceKey: "spring"}},
		{"ip4", newRequest(http.MethodGet, "/contacts", v4), weir.Request{}},
		{"ip6", newRequest(http.MethodGet, "/contacts", v6), weir.Request{}},
	}
}

func TestAdmittedAllocatesNothing(t *testing.T) {
	for _, c := range calls() {
		for kind, limit := range map[string]func(http.Handler) http.Handler{
			"New":   weirhttp.New(newPartitionLimiter(t, plenty), c.describe),
			"ByKey": weirhttp.ByKey(newLimiter(t, plenty), byPath),
		} {
			served := 0
			handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
			w := headerOnly{http.Header{}}
			if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, c.r) }); got != 0 {
				t.Errorf("%s, %s: %v allocations", kind, c.name, got)
			}
			if served != 1001 { // AllocsPerRun warms up with one
				t.Errorf("%s, %s: %d of 1001 admitted", kind, c.name, served)
			}
		}
	}
}

func TestRefusalAllocatesOnce(t *testing.T) {
	for _, c := range calls() {
		handler := weirhttp.New(newPartitionLimiter(t, oneIn17s), c.describe)(nothing)
		w := headerOnly{http.Header{}}
		handler.ServeHTTP(w, c.r)
		if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, c.r) }); got != 1 {
			t.Errorf("%s: %v allocations", c.name, got)
		}
		if w.header.Get("Retry-After") != "17" {
			t.Errorf("%s: nothing was refused", c.name)
		}
	}
}

// BenchmarkServe is what a request costs with and without a limit before a
// handler that does nothing, with a ResponseWriter that does nothing and by the
// real clock.
func BenchmarkServe(b *testing.B) {
	bench := func(name string, r *http.Request, handler http.Handler) {
		b.Run(name, func(b *testing.B) {
			w := headerOnly{http.Header{}}
			handler.ServeHTTP(w, r)
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
	bench("limit=none", calls()[0].r, nothing)
	for _, c := range []struct {
		decision string
		quota    weir.Quota
	}{{"admitted", plenty}, {"refused", oneIn17s}} {
		l, err := weir.New(c.quota)
		if err != nil {
			b.Fatal(err)
		}
		bench("limit=key/decision="+c.decision, calls()[0].r, weirhttp.ByKey(l, byPath)(nothing))

		resolver, err := weir.NewResolver(sourceOf)
		if err != nil {
			b.Fatal(err)
		}
		p, err := weir.NewPartitionLimiter(resolver, forAll(c.quota))
		if err != nil {
			b.Fatal(err)
		}
		for _, call := range calls() {
			bench("limit="+call.name+"/decision="+c.decision, call.r, weirhttp.New(p, call.describe)(nothing))
		}
	}
}

func BenchmarkPeerAddr(b *testing.B) {
	for _, remote := range []string{"203.0.113.7:49152", "[2001:db8::7]:49152"} {
		b.Run("remote="+remote, func(b *testing.B) {
			r := &http.Request{RemoteAddr: remote}
			b.ReportAllocs()
			for b.Loop() {
				weirhttp.PeerAddr(r)
			}
		})
	}
}
