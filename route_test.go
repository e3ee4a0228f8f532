package weir

import (
	"path"
	"strings"
	"testing"
)

func TestRoutePaths(t *testing.T) {
	set, err := newRouteSet(defaultIntakeRoutes)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path string
		want string // as a route's path
	}{
		{"/leads", "/leads"},
		{"/leads/intake", "/leads/intake"},
		{"/campaigns/42", "/campaigns/42"},
		{"/.well-known/x", "/.well-known/x"},
		{"/...", "/..."},

		{"", "/"},
		{"/", "/"},
		{"//", "/"},
		{"leads", "/leads"},
		{"leads/intake", "/leads/intake"},
		{"./leads", "/leads"},
		{"../leads", "/leads"},
		{"*", "/*"},

		{"/leads/", "/leads"},
		{"/leads//", "/leads"},
		{"//leads", "/leads"},
		{"///leads///intake///", "/leads/intake"},
		{"//host/leads", "/host/leads"},

		{"/./leads/.", "/leads"},
		{"/leads/./intake", "/leads/intake"},
		{"/x/../leads", "/leads"},
		{"/../../leads", "/leads"},
		{"/leads/intake/..", "/leads"},
		{"/leads/..", "/"},
		{"/leads//../intake", "/intake"},

		{"/LEADS", "/leads"},
		{"/Leads/InTake", "/leads/intake"},
		{"/leadſ", "/leadſ"},                         // long s folds to s in Unicode
		{"/leads/inta\u212ae", "/leads/inta\u212ae"}, // the Kelvin sign to k
		{"/É", "/É"},

		{"/leads?", "/leads"},
		{"/leads?x=/../campaigns", "/leads"},
		{"/leads/?x", "/leads"},
		{"/leads#x?y", "/leads"},
		{"/leads/intake#", "/leads/intake"},
		{"?x", "/"},

		{"/%6Ceads", "/leads"},
		{"/%6ceads", "/leads"},
		{"/%4Ceads", "/leads"},
		{"/%6c%65%61%64%73", "/leads"},
		{"/leads%2Fintake", "/leads/intake"},
		{"/leads%2f", "/leads"},
		{"%2fleads", "/leads"},
		{"/x/%2e%2E/leads", "/leads"},
		{"/leads/%2e", "/leads"},
		{"/leads%3Fx", "/leads?x"},
		{"/leads%23x", "/leads#x"},
		{"/leads%", "/leads%"},
		{"/leads%6", "/leads%6"},
		{"/leads%zz", "/leads%zz"},
		{"/leads%6g", "/leads%6g"},
		{"/leads%g6", "/leads%g6"},
		{"/@AYZ[", "/@ayz["},
		{"/%%6Ceads", "/%leads"},
		{"/leads%00", "/leads\x00"},

		{"/%256Ceads", "/%6ceads"},
		{"/leads;x", "/leads;x"},
		{"/leads;/intake", "/leads;/intake"},
		{`/leads\`, `/leads\`},
		{`\leads`, `/\leads`},
		{`/leads\intake`, `/leads\intake`},
		{"/leads/..;/x/../..", "/leads"}, // as Go's routers have it
		{"/leads ", "/leads "},
		{"/leads.", "/leads."},

		{"http://example.com/leads", "/leads"},
		{"HTTPS://example.com//Leads/?x", "/leads"},
		{"http://example.com", "/"},
		{"http://", "/"},
		{"/http://example.com/leads", "/http:/example.com/leads"},
		{"x?://y/leads", "/x"},
	} {
		if got := string(appendCleanPath(nil, test.path)); got != test.want {
			t.Errorf("%q cleans to %q, want %q", test.path, got, test.want)
		}
		if isCleanPath(test.path) && test.path != test.want {
			t.Errorf("%q passes for clean, it is %q", test.path, test.want)
		}
		intake := test.want == "/leads" || test.want == "/leads/intake"
		if got := set.contains("POST", test.path); got != intake {
			t.Errorf("POST %q: intake %v, want %v", test.path, got, intake)
		}
		if got := set.contains("GET", test.path); got != (test.want == "/leads/intake") {
			t.Errorf("GET %q: intake %v", test.path, got)
		}
		if set.contains("PUT", test.path) {
			t.Errorf("PUT %q: intake", test.path)
		}
	}
}

// TestCleanPathIsPathClean compares with package path wherever the two should
// agree: on paths of slashes, dots and a letter, every one up to nine bytes.
func TestCleanPathIsPathClean(t *testing.T) {
	clean := 0
	var walk func(p string)
	walk = func(p string) {
		want := path.Clean(p)
		if got := string(appendCleanPath(nil, p)); got != want {
			t.Fatalf("%q cleans to %q, path.Clean to %q", p, got, want)
		}
		if isCleanPath(p) {
			clean++
			if p != want {
				t.Fatalf("%q passes for clean, path.Clean makes it %q", p, want)
			}
		}
		if len(p) < 9 {
			for _, c := range []string{"/", ".", "a"} {
				walk(p + c)
			}
		}
	}
	walk("/")
	if clean == 0 {
		t.Error("no path passed for clean")
	}
}

// TestIsCleanPath: paths of up to four of these bytes, of which only some may be
// taken as they are.
func TestIsCleanPath(t *testing.T) {
	var walk func(p string)
	walk = func(p string) {
		want := strings.HasPrefix(p, "/") && (p == "/" || !strings.HasSuffix(p, "/")) &&
			!strings.Contains(p, "//") && !strings.Contains(p, "/.") && !strings.ContainsAny(p, "ABYZ%?#")
		if got := isCleanPath(p); got != want {
			t.Fatalf("%q: %t", p, got)
		}
		if len(p) < 4 {
			for _, c := range "/.-0>?@ABYZ[`az{~%#\x00\x7f" {
				walk(p + string(c))
			}
		}
	}
	walk("")
	if !isCleanPath("/\xff\x80é") {
		t.Error("bytes beyond ASCII are not clean")
	}
}

func TestUnhex(t *testing.T) {
	for c := range 256 {
		want := strings.IndexByte("0123456789abcdef", byte(c))
		if want < 0 {
			want = strings.IndexByte("0123456789ABCDEF", byte(c))
		}
		if got := unhex(byte(c)); got != want {
			t.Errorf("%q: %d, want %d", byte(c), got, want)
		}
	}
}

func TestIntakeRoutes(t *testing.T) {
	set, err := newRouteSet([]Route{{"PUT", "//Ein%67ang/"}, {"GET", "/"}, {"M-SEARCH", "/é"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path string
		want         bool
	}{
		{"PUT", "/eingang", true},
		{"PUT", "/EINGANG?x", true},
		{"POST", "/leads", false},
		{"GET", "", true},
		{"GET", "/..", true},
		{"M-SEARCH", "/%C3%A9", true},
	} {
		if got := set.contains(test.method, test.path); got != test.want {
			t.Errorf("%s %q: %v, want %v", test.method, test.path, got, test.want)
		}
	}
	none, err := NewResolver(lookupByName, WithIntakeRoutes())
	if err != nil {
		t.Fatal(err)
	}
	if _, reason := none.Resolve(t.Context(), Request{Method: "POST", Path: "/leads"}); reason != Anonymous {
		t.Errorf("without intake routes: %v, want anonymous", reason)
	}
}

func TestLongPaths(t *testing.T) {
	set, err := newRouteSet(defaultIntakeRoutes)
	if err != nil {
		t.Fatal(err)
	}
	// Longer than the buffer on the stack, clean and not.
	detour := strings.Repeat("/x", 5000) + strings.Repeat("/..", 5000)
	for path, want := range map[string]bool{
		detour + "/leads":                         true,
		"/leads" + strings.Repeat("/", 10000):     true,
		"/leads" + strings.Repeat("/x", 10000):    false,
		strings.Repeat("/leads", 10000) + "/":     false,
		"/leads?" + strings.Repeat("/..%2f", 999): true,
	} {
		if got := set.contains("POST", path); got != want {
			t.Errorf("POST %.20q...: %v, want %v", path, got, want)
		}
	}
	short := "/LEADS/" + strings.Repeat("x", 115) + "/"
	if n := testing.AllocsPerRun(100, func() { set.contains("POST", short) }); n != 0 {
		t.Errorf("cleaning a path of %d bytes allocates %v times", len(short), n)
	}
}
