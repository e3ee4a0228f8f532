package weirhttp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func TestByRoute(t *testing.T) {
	login := newLimiter(t, weir.Quota{Limit: 2, Period: 2 * time.Hour})
	search := newLimiter(t, weir.Quota{Limit: 1, Period: time.Hour})
	var last weirhttp.Outcome
	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{"POST /login": login, "/search/{q}": search},
		func(r *http.Request) string { return r.Header.Get("User") },
		weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithOnDecision(func(o weirhttp.Outcome) { last = o }),
		weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status == http.StatusNotModified }))
	if err != nil {
		t.Fatal(err)
	}
	handler := limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(http.StatusNotModified)
		}
	}))
	for i, c := range []struct {
		method, path, user string
		cached             bool
		status             int
		limit              string // the field RateLimit
	}{
		{"POST", "/login", "ada", false, 200, `"POST /login";r=1;t=3600`},
		{"POST", "/login", "ada", false, 200, `"POST /login";r=0;t=7200`},
		{"POST", "/login", "ada", false, 429, `"POST /login";r=0;t=3600`},
		{"POST", "/login", "bob", false, 200, `"POST /login";r=1;t=3600`},
		{"GET", "/login", "ada", false, 200, ""}, // no such pattern
		{"GET", "/", "ada", false, 200, ""},
		{"GET", "/search/x", "ada", true, 304, `"/search/{q}";r=0;t=3600`}, // given back afterwards
		{"GET", "/search/x", "ada", false, 200, `"/search/{q}";r=0;t=3600`},
		{"GET", "/search/y", "ada", false, 429, `"/search/{q}";r=0;t=3600`}, // another path of the same route
		{"GET", "//search/y", "ada", false, 429, `"/search/{q}";r=0;t=3600`},
		{"GET", "/search/../search/y", "ada", false, 429, `"/search/{q}";r=0;t=3600`},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set("User", c.user)
		if c.cached {
			r.Header.Set("If-None-Match", "x")
		}
		resp := call(handler, r)
		if resp.StatusCode != c.status || resp.Header.Get("RateLimit") != c.limit {
			t.Errorf("%d: %s %s of %s: %d, %q", i, c.method, c.path, c.user, resp.StatusCode, resp.Header.Get("RateLimit"))
		}
	}
	if last.Route != "/search/{q}" || last.Text != "ada" {
		t.Errorf("%+v", last)
	}
}

// The path of a CONNECT is the caller's, and no name of a route.
func TestByRouteConnect(t *testing.T) {
	one := func() *weir.Limiter { return newLimiter(t, weir.Quota{Limit: 1, Period: time.Hour}) }
	var last weirhttp.Outcome
	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{"/": one(), "/a": one(), "/files/{id}/": one()}, everybody,
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) { last = o }))
	if err != nil {
		t.Fatal(err)
	}
	handler := limit(teapot)
	for i, c := range []struct {
		path   string
		status int
		route  string
	}{
		{"/files/7\nevil", 418, "/files/{id}/"},
		{"/files/8", 429, "/files/{id}/"},
		{"/a", 418, "/a"},
		{"", 418, "/"}, // CONNECT example.com:443
		{"", 429, "/"},
		{"/other", 429, "/"},
	} {
		r := getOf("/")
		r.Method = http.MethodConnect
		r.URL.Path = c.path
		if resp := call(handler, r); resp.StatusCode != c.status || last.Route != c.route {
			t.Errorf("%d: %q: %d by %q", i, c.path, resp.StatusCode, last.Route)
		}
	}
}

func TestByRouteErrors(t *testing.T) {
	l := newLimiter(t, plenty)
	for _, c := range []struct {
		limiters map[string]*weir.Limiter
		want     string
	}{
		{map[string]*weir.Limiter{"GET": l}, "GET"},
		{map[string]*weir.Limiter{"/a/{b}": l, "/{a}/b": l}, "conflicts"},
		{map[string]*weir.Limiter{"/a": nil}, "ByRoute: limiters[/a] is nil"},
	} {
		limit, err := weirhttp.ByRoute(c.limiters, everybody)
		var config *weir.ConfigError
		if limit != nil || !errors.As(err, &config) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v", err)
		}
	}
	none, err := weirhttp.ByRoute(nil, everybody)
	if err != nil {
		t.Fatal(err)
	}
	checkStatuses(t, "no routes, no limits", statuses(none(teapot), 2, "/"), 418, 418)
}

// Names of patterns may have characters that a structured field may not.
func TestByRouteQuotesPatterns(t *testing.T) {
	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{"/größe\"": newLimiter(t, plenty)}, everybody, weirhttp.WithFields(weirhttp.Draft11))
	if err != nil {
		t.Fatal(err)
	}
	r := getOf("/gr%C3%B6%C3%9Fe%22")
	if got := call(limit(teapot), r).Header.Get("RateLimit-Policy"); got != `"/gr%C3%B6%C3%9Fe\"";q=1099511627776;w=3600` {
		t.Errorf("%s", got)
	}
}

func TestByRouteDoesNotAllocate(t *testing.T) {
	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{"GET /contacts": newLimiter(t, plenty), "GET /other/path": newLimiter(t, plenty)}, everybody)
	if err != nil {
		t.Fatal(err)
	}
	handler := limit(nothing)
	w, r := headerOnly{http.Header{}}, getOf("/contacts")
	if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
