package weirhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// stopped is a clock that stands still, so that nothing is earned during a test.
func stopped() time.Duration { return time.Hour }

// oneIn17s admits one request and has the next wait the 17 seconds that
// rate-limits.md shows.
var oneIn17s = weir.Quota{Limit: 1, Period: 17 * time.Second}

func newLimiter(t testing.TB, q weir.Quota) *weir.Limiter {
	t.Helper()
	l, err := weir.New(q, weir.WithClock(stopped))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func newPartitionLimiter(t testing.TB, q weir.Quota) *weir.PartitionLimiter {
	t.Helper()
	resolver, err := weir.NewResolver(sourceOf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := weir.NewPartitionLimiter(resolver, forAll(q), weir.WithClock(stopped))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// forAll is one quota for all four partitions.
func forAll(q weir.Quota) map[weir.Partition]weir.Quota {
	return map[weir.Partition]weir.Quota{weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q}
}

// sourceOf knows one source.
func sourceOf(_ context.Context, sourceKey string) (weir.Source, error) {
	if sourceKey != "spring" {
		return weir.Source{}, weir.ErrNoSource
	}
	return weir.Source{BusinessID: "42", Enabled: true}, nil
}

// describe believes plain headers, which is good enough for a test.
func describe(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID = r.Header.Get("Business")
	req.UserID = r.Header.Get("User")
	req.SourceKey = r.Header.Get("Source")
	return req
}

// everybody is a key function that puts all requests under one key.
func everybody(*http.Request) string { return "everybody" }

// teapot stands for the service: a status that nothing else here gives.
var teapot = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusTeapot)
})

// call has handler answer r and returns what it answered.
func call(handler http.Handler, r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, r)
	return recorder.Result()
}

func bodyOf(t testing.TB, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestNewKeepsPartitionsApart(t *testing.T) {
	const method, path, from = http.MethodGet, "/contacts", "203.0.113.7:1"
	callers := []struct {
		name, method, path, from string
		header                   http.Header
	}{
		{"business 42", method, path, from, http.Header{"Business": {"42"}}},
		{"business 43", method, path, from, http.Header{"Business": {"43"}}},
		{"user 42", method, path, from, http.Header{"User": {"42"}}},
		{"intake of business 42", http.MethodPost, "/leads", from, http.Header{"Source": {"spring"}}},
		{"nobody", method, path, from, nil},
		{"nobody, elsewhere", method, path, "203.0.113.8:1", nil},
		{"nobody, nowhere", method, path, "@", nil},
	}
	handler := weirhttp.New(newPartitionLimiter(t, oneIn17s), describe)(teapot)
	for _, want := range []int{http.StatusTeapot, http.StatusTooManyRequests} {
		for _, c := range callers {
			r := httptest.NewRequest(c.method, c.path, nil)
			r.RemoteAddr = c.from
			for name, values := range c.header {
				r.Header[name] = values
			}
			if got := call(handler, r).StatusCode; got != want {
				t.Errorf("%s: status %d, want %d", c.name, got, want)
			}
		}
	}
}

// The budget belongs to the business, not to the connection or the address.
func TestNewSharesOneBusinessAcrossAddresses(t *testing.T) {
	handler := weirhttp.New(newPartitionLimiter(t, oneIn17s), describe)(teapot)
	for from, want := range []int{http.StatusTeapot, http.StatusTooManyRequests} {
		r := httptest.NewRequest(http.MethodGet, "/contacts", nil)
		r.Header.Set("Business", "42")
		r.RemoteAddr = []string{"203.0.113.7:1", "[2001:db8::1]:1"}[from]
		if got := call(handler, r).StatusCode; got != want {
			t.Errorf("from %s: status %d, want %d", r.RemoteAddr, got, want)
		}
	}
}

func TestByKeyKeepsKeysApart(t *testing.T) {
	handler := weirhttp.ByKey(newLimiter(t, oneIn17s), func(r *http.Request) string {
		return r.Header.Get("Tenant")
	})(teapot)
	for _, want := range []int{http.StatusTeapot, http.StatusTooManyRequests} {
		for _, tenant := range []string{"a", "b", ""} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Tenant", tenant)
			if got := call(handler, r).StatusCode; got != want {
				t.Errorf("tenant %q: status %d, want %d", tenant, got, want)
			}
		}
	}
}

// An admitted request reaches the handler as it came, and its response leaves
// as the handler made it.
func TestAdmittedIsUntouched(t *testing.T) {
	var sawWriter http.ResponseWriter
	var sawRequest *http.Request
	handler := weirhttp.ByKey(newLimiter(t, oneIn17s), everybody)(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { sawWriter, sawRequest = w, r }))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	handler.ServeHTTP(w, r)
	if sawWriter != http.ResponseWriter(w) || sawRequest != r {
		t.Error("the handler was given another writer or request")
	}
	if len(w.Header()) != 0 {
		t.Errorf("headers were added: %v", w.Header())
	}
}

// One budget covers all handlers that one middleware wraps.
func TestWrappedHandlersShare(t *testing.T) {
	limit := weirhttp.ByKey(newLimiter(t, oneIn17s), everybody)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if got := call(limit(teapot), r).StatusCode; got != http.StatusTeapot {
		t.Errorf("the first handler: status %d", got)
	}
	if got := call(limit(teapot), r).StatusCode; got != http.StatusTooManyRequests {
		t.Errorf("the second handler: status %d", got)
	}
}

func TestWithRefusal(t *testing.T) {
	var told []weir.Decision
	handler := weirhttp.ByKey(newLimiter(t, oneIn17s), everybody,
		weirhttp.WithRefusal(func(w http.ResponseWriter, r *http.Request, d weir.Decision) {
			told = append(told, d)
			http.Error(w, "later, "+r.URL.Path, http.StatusServiceUnavailable)
		}))(teapot)

	if got := call(handler, httptest.NewRequest(http.MethodGet, "/a", nil)).StatusCode; got != http.StatusTeapot {
		t.Errorf("admitted: status %d", got)
	}
	resp := call(handler, httptest.NewRequest(http.MethodGet, "/b", nil))
	if got, want := bodyOf(t, resp), "later, /b\n"; resp.StatusCode != http.StatusServiceUnavailable || got != want {
		t.Errorf("refused: status %d, body %q, want %q", resp.StatusCode, got, want)
	}
	if len(told) != 1 || told[0].Allowed || told[0].RetryAfter != 17*time.Second {
		t.Errorf("told %+v, want the one refusal", told)
	}
}

// What a program gets wrong must fail when it starts.
func TestSetUpPanics(t *testing.T) {
	limiter, partitions := newLimiter(t, oneIn17s), newPartitionLimiter(t, oneIn17s)
	for want, setUp := range map[string]func(){
		"weirhttp: New: nil limiter":          func() { weirhttp.New(nil, describe) },
		"weirhttp: New: nil describe":         func() { weirhttp.New(partitions, nil) },
		"weirhttp: ByKey: nil limiter":        func() { weirhttp.ByKey(nil, everybody) },
		"weirhttp: ByKey: nil key":            func() { weirhttp.ByKey(limiter, nil) },
		"weirhttp: WithRefusal: nil function": func() { weirhttp.WithRefusal(nil) },
		"weirhttp: nil handler":               func() { weirhttp.ByKey(limiter, everybody)(nil) },
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
