package weirhttp_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func TestDraft11(t *testing.T) {
	limiter := newPartitionLimiter(t, weir.Quota{Limit: 3, Period: 3 * time.Minute})
	if err := limiter.Limiter(weir.Business).SetKeyQuota("vip", weir.PerHour(5000)); err != nil {
		t.Fatal(err)
	}
	handler := weirhttp.New(limiter, describe, weirhttp.WithFields(weirhttp.Draft11),
		weirhttp.WithCost(func(r *http.Request) int64 {
			n, _ := strconv.ParseInt(r.Header.Get("Cost"), 10, 64)
			return n
		}))(teapot)
	for i, c := range []struct {
		business, cost string
		status         int
		policy, limit  string
	}{
		{"42", "1", 418, `"business";q=3;w=180`, `"business";r=2;t=120`},
		{"42", "2", 418, `"business";q=3;w=180`, `"business";r=0;t=180`},
		{"42", "1", 429, `"business";q=3;w=180`, `"business";r=0;t=60`}, // as Retry-After says
		{"42", "2", 429, `"business";q=3;w=180`, `"business";r=0;t=120`},
		{"42", "4", 429, `"business";q=3;w=180`, `"business";r=0`}, // never
		{"vip", "10", 418, `"business";q=5000;w=3600`, `"business";r=4990;t=3593`},
		{"43", "1", 418, `"business";q=3;w=180`, `"business";r=2;t=120`}, // the key's own quota was not taken for all
		{"", "1", 418, `"ip";q=3;w=180`, `"ip";r=2;t=120`},
	} {
		r := getOf("/contacts")
		r.Header.Set("Business", c.business)
		r.Header.Set("Cost", c.cost)
		resp := call(handler, r)
		policy, limit := resp.Header["Ratelimit-Policy"], resp.Header["Ratelimit"]
		if resp.StatusCode != c.status || len(policy) != 1 || len(limit) != 1 || policy[0] != c.policy || limit[0] != c.limit {
			t.Errorf("%d: %d\n%s\n%s", i, resp.StatusCode, policy, limit)
		}
	}
}

// A quota that changes is told as it is; a period that is no whole number of
// seconds is not told.
func TestDraft11FollowsQuota(t *testing.T) {
	limiter := newLimiter(t, weir.PerMinute(300))
	handler := weirhttp.ByKey(limiter, everybody, weirhttp.WithFields(weirhttp.Draft11))(teapot)
	for _, c := range []struct {
		quota weir.Quota
		want  string
	}{
		{weir.PerMinute(300), `"default";q=300;w=60`},
		{weir.PerHour(10), `"default";q=10;w=3600`},
		{weir.Quota{Limit: 5, Period: 1500 * time.Millisecond}, `"default";q=5`},
	} {
		if err := limiter.SetQuota(c.quota); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if got := call(handler, getOf("/")).Header.Get("RateLimit-Policy"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		}
	}
}

// Numbers end where those of structured fields do, and no product overflows.
func TestDraft11LargeNumbers(t *testing.T) {
	for _, c := range []struct {
		quota  weir.Quota
		policy string
		limit  string
	}{
		{weir.Quota{Limit: 1 << 60, Period: time.Hour, Burst: 1 << 60}, `"default";q=999999999999999;w=3600`, `"default";r=999999999999999;t=3600`},
		{weir.Quota{Limit: 2, Period: 3 * time.Hour, Burst: 400_000}, `"default";q=2;w=10800`, `"default";r=399999;t=2159994600`},
		{weir.Quota{Limit: 7, Period: 7 * time.Second, Burst: 300}, `"default";q=7;w=7`, `"default";r=299;t=299`},
	} {
		h := call(weirhttp.ByKey(newLimiter(t, c.quota), everybody, weirhttp.WithFields(weirhttp.Draft11))(teapot), getOf("/")).Header
		if h.Get("RateLimit-Policy") != c.policy || h.Get("RateLimit") != c.limit {
			t.Errorf("%v: %s, %s", c.quota, h.Get("RateLimit-Policy"), h.Get("RateLimit"))
		}
	}
}

// Tiers are told to those who have them.
func TestDraft11Tiers(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf)
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, forAll(weir.PerMinute(300)), weir.WithClock(stopped), weir.WithIPv6Tier(48, weir.PerMinute(2)))
	if err != nil {
		t.Fatal(err)
	}
	handler := weirhttp.New(limiter, weirhttp.Anonymous, weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithProblemType())(teapot)
	from := func(remote string) *http.Response {
		r := getOf("/")
		r.RemoteAddr = remote
		return call(handler, r)
	}
	if h := from("203.0.113.7:1").Header; h.Get("RateLimit-Policy") != `"ip";q=300;w=60` || h.Get("RateLimit") != `"ip";r=299;t=60` {
		t.Errorf("IPv4: %v", h)
	}
	var last *http.Response
	for _, remote := range []string{"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", "[2001:db8:0:3::1]:1"} {
		last = from(remote)
	}
	if h := last.Header; last.StatusCode != 429 || h.Get("RateLimit-Policy") != `"ip";q=300;w=60, "ip/48";q=2;w=60` || h.Get("RateLimit") != `"ip/48";r=0;t=30` {
		t.Errorf("IPv6: %d %v", last.StatusCode, h)
	}
	if body := bodyOf(t, last); !regexp.MustCompile(`"violated-policies": \["ip/48"\]`).MatchString(body) {
		t.Errorf("body %s", body)
	}
}

// pk tells budgets apart and nothing else: it is the same for the same key, other
// for another key, and other in another process.
func TestDraft11Keyed(t *testing.T) {
	pk := regexp.MustCompile(`^"business";q=300;w=60;pk=:([A-Za-z0-9+/]{11}=):$`)
	keyOf := func(handler http.Handler, business string) string {
		t.Helper()
		r := getOf("/contacts")
		r.Header.Set("Business", business)
		h := call(handler, r).Header
		m := pk.FindStringSubmatch(h.Get("RateLimit-Policy"))
		if m == nil {
			t.Fatalf("policy %q", h.Get("RateLimit-Policy"))
		}
		if limit := h.Get("RateLimit"); !regexp.MustCompile(`^"business";r=\d+;t=\d+;pk=:` + regexp.QuoteMeta(m[1]) + `:$`).MatchString(limit) {
			t.Fatalf("limit %q", limit)
		}
		return m[1]
	}
	limiter := newPartitionLimiter(t, weir.PerMinute(300))
	limit := weirhttp.New(limiter, describe, weirhttp.WithFields(weirhttp.Draft11Keyed))
	one := limit(teapot)
	two := weirhttp.New(limiter, describe, weirhttp.WithFields(weirhttp.Draft11Keyed))(teapot)
	a := keyOf(one, "42")
	if b := keyOf(limit(teapot), "42"); b != a {
		t.Errorf("the same key has %s before one handler and %s before another", a, b)
	}
	if b := keyOf(one, "42"); b != a {
		t.Errorf("the same key has %s and %s", a, b)
	}
	if b := keyOf(one, "43"); b == a {
		t.Error("two keys have the same pk")
	}
	user := getOf("/contacts")
	user.Header.Set("User", "42")
	if got := call(one, user).Header.Get("RateLimit"); strings.Contains(got, a) {
		t.Errorf("user 42 has the pk of business 42: %s", got)
	}
	if b := keyOf(two, "42"); b == a {
		t.Error("two middlewares give the same pk, so it can be computed")
	}
}

// A tier's budget is of more keys than the one whose pk could be told.
func TestDraft11KeyedTiers(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf)
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, forAll(weir.PerMinute(300)), weir.WithClock(stopped), weir.WithIPv6Tier(48, weir.PerMinute(2)))
	if err != nil {
		t.Fatal(err)
	}
	r := getOf("/")
	r.RemoteAddr = "[2001:db8::1]:1"
	h := call(weirhttp.New(limiter, weirhttp.Anonymous, weirhttp.WithFields(weirhttp.Draft11Keyed))(teapot), r).Header
	if !regexp.MustCompile(`^"ip";q=300;w=60;pk=:.{12}:, "ip/48";q=2;w=60$`).MatchString(h.Get("RateLimit-Policy")) || h.Get("RateLimit") != `"ip/48";r=1;t=30` {
		t.Errorf("%v", h)
	}
}

func TestXRateLimit(t *testing.T) {
	handler := weirhttp.ByKey(newLimiter(t, weir.Quota{Limit: 3, Period: 3 * time.Hour}), everybody, weirhttp.WithFields(weirhttp.XRateLimit))(teapot)
	for i, want := range []struct {
		remaining string
		reset     time.Duration
	}{{"2", time.Hour}, {"1", 2 * time.Hour}, {"0", 3 * time.Hour}, {"0", 3 * time.Hour}} {
		before := time.Now()
		h := call(handler, getOf("/")).Header
		after := time.Now()
		reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
		// Never before the truth, and less than a second after it.
		if err != nil || time.Unix(reset, 0).Before(before.Add(want.reset)) || !time.Unix(reset, 0).Before(after.Add(want.reset+time.Second)) || h.Get("X-RateLimit-Limit") != "3" || h.Get("X-RateLimit-Remaining") != want.remaining {
			t.Errorf("%d: %v", i, h)
		}
	}
}

// Values that one response has are not those of another.
func TestFieldsShareNoValues(t *testing.T) {
	handler := weirhttp.ByKey(newLimiter(t, plenty), everybody, weirhttp.WithFields(weirhttp.Draft11, weirhttp.XRateLimit))(nothing)
	header := func() http.Header {
		w := headerOnly{http.Header{}}
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.header
	}
	first := header()
	for name := range first {
		first.Add(name, "added")
		if len(first[name]) != 2 || first[name][0] == "added" {
			t.Errorf("what was added to another field is the value of %s: %q", name, first[name])
		}
	}
	for name := range first {
		first[name][0] = "edited"
	}
	if len(first) != 5 {
		t.Fatalf("%v", first)
	}
	for name, values := range header() {
		if len(values) != 1 || values[0] == "edited" || values[0] == "added" {
			t.Errorf("%s: %q", name, values)
		}
	}
}
