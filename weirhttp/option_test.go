package weirhttp_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// three is a limiter of three requests, which come back in an hour.
func three(t testing.TB) *weir.Limiter {
	t.Helper()
	return newLimiter(t, weir.Quota{Limit: 3, Period: 3 * time.Hour})
}

func getOf(path string) *http.Request { return httptest.NewRequest(http.MethodGet, path, nil) }

// statuses are what the handler answers to so many requests.
func statuses(handler http.Handler, n int, path string) (all []int) {
	for range n {
		all = append(all, call(handler, getOf(path)).StatusCode)
	}
	return all
}

func checkStatuses(t *testing.T, what string, got []int, want ...int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func TestWithCost(t *testing.T) {
	limit := weirhttp.ByKey(three(t), everybody, weirhttp.WithCost(func(r *http.Request) int64 {
		n, err := strconv.ParseInt(r.URL.Query().Get("n"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		return n
	}))
	handler := limit(teapot)
	for _, c := range []struct {
		n          string
		status     int
		retryAfter string
	}{
		{"2", 418, ""},
		{"2", 429, "3600"},
		{"1", 418, ""},
		{"1", 429, "3600"},
		{"0", 418, ""}, // free
		{"4", 429, ""}, // never: above the burst
		{"-1", 429, ""},
		{"3", 429, "10800"},
	} {
		resp := call(handler, getOf("/?n="+c.n))
		if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.retryAfter {
			t.Errorf("cost %s: %d, Retry-After %q", c.n, resp.StatusCode, resp.Header.Get("Retry-After"))
		}
	}
}

func TestWithSkip(t *testing.T) {
	heard := 0
	limit := weirhttp.ByKey(three(t), everybody,
		weirhttp.WithSkip(func(r *http.Request) bool { return r.URL.Path == "/healthz" }),
		weirhttp.WithOnDecision(func(weirhttp.Outcome) { heard++ }))
	handler := limit(teapot)
	checkStatuses(t, "skipped", statuses(handler, 4, "/healthz"), 418, 418, 418, 418)
	checkStatuses(t, "limited", statuses(handler, 4, "/"), 418, 418, 418, 429)
	checkStatuses(t, "skipped", statuses(handler, 1, "/healthz"), 418)
	if heard != 4 {
		t.Errorf("heard of %d decisions, not 4", heard)
	}
}

func TestWithShadow(t *testing.T) {
	limiter := three(t)
	var outcomes []weirhttp.Outcome
	limit := weirhttp.ByKey(limiter, everybody, weirhttp.WithShadow(), weirhttp.WithFields(weirhttp.XRateLimit),
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { outcomes = append(outcomes, o) }))
	handler := limit(teapot)
	checkStatuses(t, "in shadow", statuses(handler, 5, "/"), 418, 418, 418, 418, 418)
	for i, o := range outcomes {
		if refused := i >= 3; o.Shadow != refused || o.Allowed == refused || refused && o.RetryAfter != time.Hour {
			t.Errorf("request %d: %+v", i, o)
		}
	}
	if s := limiter.Stats(); s.Admitted != 3 || s.Refused != 2 {
		t.Errorf("counted %+v", s)
	}
	if resp := call(handler, getOf("/")); resp.Header.Get("X-RateLimit-Remaining") != "0" || resp.Header.Get("Retry-After") != "" {
		t.Errorf("told %v", resp.Header)
	}
}

func TestWithOnDecision(t *testing.T) {
	var first, second []weirhttp.Outcome
	limit := weirhttp.New(newPartitionLimiter(t, oneIn17s), describe,
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { first = append(first, o) }),
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { second = append(second, o) }),
		weirhttp.WithJitter(time.Hour))
	handler := limit(teapot)
	r := getOf("/contacts")
	r.Header.Set("Business", "42")
	call(handler, r)
	call(handler, r)
	if len(first) != 2 || len(second) != 2 {
		t.Fatalf("heard of %d and %d decisions", len(first), len(second))
	}
	o := first[1]
	if o != second[1] || o.Request != r || o.Cost != 1 || o.Allowed || o.Key.String() != "business:42" || o.Reason != weir.ByBusiness ||
		o.RetryAfter != 17*time.Second { // the truth, without jitter
		t.Errorf("%+v", o)
	}
}

func TestWithJitter(t *testing.T) {
	const most = 10 * time.Second
	handler := weirhttp.ByKey(newLimiter(t, oneIn17s), everybody, weirhttp.WithJitter(most))(teapot)
	call(handler, getOf("/"))
	seen := map[string]bool{}
	for range 300 {
		told := call(handler, getOf("/")).Header.Get("Retry-After")
		seen[told] = true
		if n, err := strconv.Atoi(told); err != nil || n < 17 || n > 27 {
			t.Fatalf("Retry-After %q", told)
		}
	}
	if len(seen) < 8 || !seen["27"] { // of 11 values, 300 times; 17 itself is one in 10^10
		t.Errorf("only %v", seen)
	}
	never := weirhttp.ByKey(newLimiter(t, oneIn17s), everybody, weirhttp.WithJitter(most),
		weirhttp.WithCost(func(*http.Request) int64 { return 2 }))(teapot)
	if told, ok := call(never, getOf("/")).Header["Retry-After"]; ok {
		t.Errorf("no wait would help, and yet %q", told)
	}
}

func newTestMulti(t testing.TB) *weir.Multi {
	t.Helper()
	m, err := weir.NewMulti([]weir.Quota{{Limit: 5, Period: 5 * time.Hour}, {Limit: 2, Period: 2 * time.Minute}}, weir.WithClock(stopped))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestByMulti(t *testing.T) {
	m := newTestMulti(t)
	var last weirhttp.Outcome
	handler := weirhttp.ByMulti(m, everybody, weirhttp.WithPolicyName("api"), weirhttp.WithFields(weirhttp.Draft11),
		weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == http.StatusTeapot }),
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { last = o }))(teapot)
	checkStatuses(t, "all given back", statuses(handler, 9, "/"), 418, 418, 418, 418, 418, 418, 418, 418, 418)
	m.AllowN("everybody", 2)
	resp := call(handler, getOf("/"))
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "60" || last.Policy != 1 || last.Text != "everybody" {
		t.Errorf("%d, %v, %+v", resp.StatusCode, resp.Header, last)
	}
	if got := resp.Header.Get("RateLimit-Policy"); got != `"api";q=5;w=18000, "api-2";q=2;w=120` {
		t.Errorf("policies %s", got)
	}
	if got := resp.Header.Get("RateLimit"); got != `"api-2";r=0;t=60` {
		t.Errorf("limit %s", got)
	}
}

func TestWithRefund(t *testing.T) {
	for _, c := range []struct {
		what    string
		handler http.HandlerFunc
		counts  bool
	}{
		{"a failure", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, false},
		{"a failure, early hints before", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(503) }, false},
		{"a failure after an answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); w.WriteHeader(503) }, true},
		{"an answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, true},
		{"nothing", func(http.ResponseWriter, *http.Request) {}, true},
		{"a body", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok"); w.WriteHeader(503) }, true},
		{"a copy", func(w http.ResponseWriter, _ *http.Request) {
			io.Copy(w, struct{ io.Reader }{strings.NewReader("ok")})
			w.WriteHeader(503)
		}, true},
		{"a flush", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); w.WriteHeader(503) }, true},
		{"a switch", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101); w.WriteHeader(503) }, true},
	} {
		limiter := three(t)
		var statusSeen int
		handler := weirhttp.ByKey(limiter, everybody, weirhttp.WithRefund(func(r *http.Request, status int) bool {
			statusSeen = status
			return r.URL.Path == "/" && status >= 500
		}))(c.handler)
		handler.ServeHTTP(httptest.NewRecorder(), getOf("/"))
		want := int64(3)
		if c.counts {
			want = 2
		}
		if left := limiter.Peek("everybody").Remaining; left != want {
			t.Errorf("%s: %d left, want %d (status %d)", c.what, left, want, statusSeen)
		}
	}
}

// What took longer than its debt lasts is earned back already.
func TestRefundNotTooLate(t *testing.T) {
	limiter := newLimiter(t, weir.Quota{Limit: 3, Period: 3 * time.Millisecond})
	handler := weirhttp.ByKey(limiter, everybody, weirhttp.WithRefund(func(*http.Request, int) bool { return true }))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(2 * time.Millisecond) }))
	call(handler, getOf("/")) // its debt lasts a millisecond
	if left := limiter.Peek("everybody").Remaining; left != 2 {
		t.Errorf("%d left by a clock that stands still", left)
	}
}

// What the handler asks of the writer, and cannot have, it is told.
func TestRefundTellsFlushErrors(t *testing.T) {
	limiter := three(t)
	handler := weirhttp.ByKey(limiter, everybody, weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == 503 }))(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("flushing what cannot be flushed: %v", err)
			}
			w.WriteHeader(503)
		}))
	handler.ServeHTTP(headerOnly{http.Header{}}, getOf("/"))
	if left := limiter.Peek("everybody").Remaining; left != 3 {
		t.Errorf("%d left", left)
	}
}

// A refused request is not given back, and in shadow none was spent.
func TestRefundOnlyWhatWasSpent(t *testing.T) {
	for _, shadow := range []bool{false, true} {
		limiter := three(t)
		opts := []weirhttp.Option{weirhttp.WithRefund(func(*http.Request, int) bool { return true })}
		if shadow {
			opts = append(opts, weirhttp.WithShadow())
		}
		limiter.AllowN("everybody", 3)
		handler := weirhttp.ByKey(limiter, everybody, opts...)(teapot)
		call(handler, getOf("/"))
		if left := limiter.Peek("everybody").Remaining; left != 0 {
			t.Errorf("shadow %v: %d given back", shadow, left)
		}
	}
}

// What the server's ResponseWriter can do, handlers still find.
func TestRefundKeepsTheWriter(t *testing.T) {
	limiter := three(t)
	asked := false
	server := httptest.NewServer(weirhttp.ByKey(limiter, everybody, weirhttp.WithRefund(func(*http.Request, int) bool {
		asked = true
		return true
	}))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/deadline" {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error(err)
			}
			return
		}
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		buffered.WriteString("HTTP/1.1 500 Mine\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		buffered.Flush()
	})))
	defer server.Close()
	for _, path := range []string{"/deadline", "/mine"} {
		resp, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	server.Close() // waits for the handlers
	if left := limiter.Peek("everybody").Remaining; left != 2 || !asked {
		t.Errorf("%d left: given back for a connection that was taken over, or asked %v", left, asked)
	}
}

// The body of the problem type is valid, and of its length.
func TestWithProblemType(t *testing.T) {
	handler := weirhttp.New(newPartitionLimiter(t, oneIn17s), describe, weirhttp.WithProblemType())(teapot)
	call(handler, getOf("/"))
	resp := call(handler, getOf("/"))
	const want = `{
  "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
  "status": 429,
  "title": "Too many requests.",
  "detail": "The API rate limit for this account has been exceeded.",
  "violated-policies": ["ip"]
}`
	if got := bodyOf(t, resp); got != want {
		t.Errorf("body\n%s\nwant\n%s", got, want)
	}
	checkHeader(t, resp.Header, http.Header{
		"Cache-Control":  {"no-store"},
		"Content-Type":   {"application/problem+json"},
		"Content-Length": {strconv.Itoa(len(want))},
		"Retry-After":    {"17"},
	})
}

func TestOptionsPanic(t *testing.T) {
	for what, f := range map[string]func(){
		"WithRefusal":             func() { weirhttp.WithRefusal(nil) },
		"WithCost":                func() { weirhttp.WithCost(nil) },
		"WithSkip":                func() { weirhttp.WithSkip(nil) },
		"WithRefund":              func() { weirhttp.WithRefund(nil) },
		"WithOnDecision":          func() { weirhttp.WithOnDecision(nil) },
		"WithJitter":              func() { weirhttp.WithJitter(-1) },
		"WithFields":              func() { weirhttp.WithFields(weirhttp.XRateLimit + 1) },
		"WithPolicyName, empty":   func() { weirhttp.WithPolicyName("") },
		"WithPolicyName, a quote": func() { weirhttp.WithPolicyName(`a"b`) },
		"ByMulti, nil limiter":    func() { weirhttp.ByMulti(nil, everybody) },
		"ByMulti, zero limiter":   func() { weirhttp.ByMulti(new(weir.Multi), everybody) },
		"ByMulti, nil key":        func() { weirhttp.ByMulti(newTestMulti(t), nil) },
		"ByRoute, nil key":        func() { weirhttp.ByRoute(nil, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			f()
		}()
	}
}

// Options that are on cost what their documentation says, and no more.
func TestOptionsAllocate(t *testing.T) {
	r := getOf("/contacts")
	r.Header.Set("Business", "42")
	for _, c := range []struct {
		what string
		want float64
		opts []weirhttp.Option
	}{
		{"hook, cost, skip", 0, []weirhttp.Option{weirhttp.WithOnDecision(func(weirhttp.Outcome) {}),
			weirhttp.WithCost(func(*http.Request) int64 { return 2 }), weirhttp.WithSkip(func(*http.Request) bool { return false })}},
		{"refund", 1, []weirhttp.Option{weirhttp.WithRefund(func(*http.Request, int) bool { return true })}},
		{"draft 11, two fields", 2, []weirhttp.Option{weirhttp.WithFields(weirhttp.Draft11)}},
		{"draft 11 with pk, two fields", 2, []weirhttp.Option{weirhttp.WithFields(weirhttp.Draft11Keyed)}},
		{"X-RateLimit, three fields", 1, []weirhttp.Option{weirhttp.WithFields(weirhttp.XRateLimit)}},
	} {
		handler := weirhttp.New(newPartitionLimiter(t, plenty), describe, c.opts...)(nothing)
		w := headerOnly{http.Header{}}
		handler.ServeHTTP(w, r)
		if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); got != c.want {
			t.Errorf("%s: %v allocations, want %v", c.what, got, c.want)
		}
	}
}

// Of a partition, too, what does not count is given back.
func TestRefundOfPartition(t *testing.T) {
	limiter := newPartitionLimiter(t, oneIn17s)
	handler := weirhttp.New(limiter, describe, weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == 418 }))(teapot)
	checkStatuses(t, "all given back", statuses(handler, 3, "/"), 418, 418, 418)
}

// Middleware inside another one: what the outer one spent on what the inner one
// refuses comes back.
func TestNestedLimits(t *testing.T) {
	outer, inner := three(t), newLimiter(t, oneIn17s)
	handler := weirhttp.ByKey(outer, everybody, weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == 429 }))(
		weirhttp.ByKey(inner, everybody)(teapot))
	checkStatuses(t, "nested", statuses(handler, 5, "/"), 418, 429, 429, 429, 429)
	if left := outer.Peek("everybody").Remaining; left != 2 {
		t.Errorf("the outer one has %d left, not 2", left)
	}
}
