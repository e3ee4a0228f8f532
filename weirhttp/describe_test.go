package weirhttp_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func TestAnonymous(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/leads?sourceKey=spring", nil)
	r.RemoteAddr = "[2001:db8::7]:49152"
	r.Header.Set("X-Forwarded-For", "198.51.100.1") // anybody can send one
	want := weir.Request{Method: http.MethodPost, Path: "/leads", Addr: netip.MustParseAddr("2001:db8::7")}
	if got := weirhttp.Anonymous(r); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// No spelling of a path lets its sender choose the partition: one that leads to
// the intake handler counts as intake, and one that does not counts as what it
// is.
func TestAnonymousPath(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf)
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]weir.Reason{
		"/leads":                  weir.SourceMissing,
		"/leads/?a=b":             weir.SourceMissing,
		"//leads//intake":         weir.SourceMissing,
		"/LEADS":                  weir.SourceMissing,
		"/%6Ceads":                weir.SourceMissing,
		"/%6Ceads/%69ntake?a=%3F": weir.SourceMissing,
		"/leads%2Fintake":         weir.SourceMissing,
		"/contacts/%2E./leads":    weir.SourceMissing,
		"http://weir.test/leads":  weir.SourceMissing,

		// Escaped twice, or with an escaped end of the path: other paths.
		"/%256Ceads":                 weir.ByBusiness,
		"/leads%3F":                  weir.ByBusiness,
		"/leads%3Fintake":            weir.ByBusiness,
		"/leads%23":                  weir.ByBusiness,
		"/contacts%252F..%252Fleads": weir.ByBusiness,
		"/":                          weir.ByBusiness,
		"/contacts/Zo%C3%AB":         weir.ByBusiness,
		"http://weir.test":           weir.ByBusiness,
	} {
		req := weirhttp.Anonymous(httptest.NewRequest(http.MethodPost, target, nil))
		req.BusinessID = "42"
		if _, got := resolver.Resolve(t.Context(), req); got != want {
			t.Errorf("%s: %v, want %v", target, got, want)
		}
	}
}

func TestAnonymousAllocatesNothing(t *testing.T) {
	for _, target := range []string{"/leads", "/%6Ceads", "/leads%2Fintake", "/contacts/Zo%C3%AB", "/contacts?x=%25"} {
		r := httptest.NewRequest(http.MethodPost, target, nil)
		if got := testing.AllocsPerRun(100, func() { weirhttp.Anonymous(r) }); got != 0 {
			t.Errorf("%s: %v allocations", target, got)
		}
	}
}
