package weirhttp_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// problem is the body as rate-limits.md prints it, written down a second time:
// a test that shared the constant would agree with any change of it.
const problem = "{\n" +
	"  \"status\": 429,\n" +
	"  \"title\": \"Too many requests.\",\n" +
	"  \"detail\": \"The API rate limit for this account has been exceeded.\"\n" +
	"}"

var refused17s = weir.Decision{RetryAfter: 17 * time.Second}

// refusal is what Refuse answers to a request of the given method when
// middleware has set the given headers before.
func refusal(method string, d weir.Decision, before http.Header) *http.Response {
	return call(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), before)
		weirhttp.Refuse(w, r, d)
	}), httptest.NewRequest(method, "/", nil))
}

func checkHeader(t *testing.T, got, want http.Header) {
	t.Helper()
	if !maps.EqualFunc(got, want, func(a, b []string) bool { return len(a) == 1 && len(b) == 1 && a[0] == b[0] }) {
		t.Errorf("header\n%v, want\n%v", got, want)
	}
}

func TestRefuse(t *testing.T) {
	want := http.Header{
		"Cache-Control":  {"no-store"},
		"Content-Type":   {"application/problem+json"},
		"Content-Length": {"122"},
		"Retry-After":    {"17"},
	}
	for method, wantBody := range map[string]string{
		http.MethodGet: problem, http.MethodPost: problem, http.MethodOptions: problem, http.MethodHead: "",
	} {
		t.Run(method, func(t *testing.T) {
			resp := refusal(method, refused17s, nil)
			if resp.StatusCode != http.StatusTooManyRequests {
				t.Errorf("status %d", resp.StatusCode)
			}
			checkHeader(t, resp.Header, want)
			if got := bodyOf(t, resp); got != wantBody {
				t.Errorf("body\n%s\nwant\n%s", got, wantBody)
			}
		})
	}
}

func TestRefuseRetryAfter(t *testing.T) {
	for _, c := range []struct {
		wait time.Duration
		want []string
	}{
		{1, []string{"1"}},
		{200 * time.Millisecond, []string{"1"}},
		{time.Second, []string{"1"}},
		{time.Second + 1, []string{"2"}},
		{100 * time.Second, []string{"100"}},
		{weir.Never, nil}, // no wait would help: say nothing rather than 292 years
	} {
		before := http.Header{"Retry-After": {"from elsewhere"}}
		got := refusal(http.MethodGet, weir.Decision{RetryAfter: c.wait}, before).Header["Retry-After"]
		if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] {
			t.Errorf("after %v: Retry-After %q, want %q", c.wait, got, c.want)
		}
	}
}

func TestRefuseHeadersOfOthers(t *testing.T) {
	got := refusal(http.MethodGet, refused17s, http.Header{
		// These were meant for the response that does not come.
		"Etag":           {`"v1"`},
		"Last-Modified":  {"Mon, 29 Jun 2026 00:00:00 GMT"},
		"Cache-Control":  {"public, max-age=3600"},
		"Expires":        {"Tue, 30 Jun 2026 00:00:00 GMT"},
		"Content-Length": {"7"},
		"Content-Type":   {"text/html", "text/plain"},
		"Retry-After":    {"3"},
		// These hold for any response.
		"Access-Control-Allow-Origin": {"*"},
		"X-Request-Id":                {"abc"},
	}).Header
	checkHeader(t, got, http.Header{
		"Cache-Control":               {"no-store"},
		"Content-Length":              {"122"},
		"Content-Type":                {"application/problem+json"},
		"Retry-After":                 {"17"},
		"Access-Control-Allow-Origin": {"*"},
		"X-Request-Id":                {"abc"},
	})
}

// gzipped is the compressor of many a blog post: it announces the encoding
// before it knows what will be written, and sets no length.
func gzipped(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		compressor := gzip.NewWriter(w)
		defer compressor.Close()
		next.ServeHTTP(compressed{w, compressor}, r)
	})
}

type compressed struct {
	http.ResponseWriter
	io.Writer
}

func (c compressed) Write(p []byte) (int, error) { return c.Writer.Write(p) }

func TestRefuseThroughCompressor(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { weirhttp.Refuse(w, r, refused17s) })
	server := httptest.NewServer(gzipped(refuse))
	defer server.Close()

	resp, err := http.Get(server.URL) // asks for gzip and undoes it
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if !resp.Uncompressed {
		t.Error("the response was not compressed: the test tests nothing")
	}
	if got := bodyOf(t, resp); got != problem {
		t.Errorf("body %q", got)
	}
}

// What is done to the header of one response, by middleware that edits values in
// place or adds some, is not found in that of another, before or after.
func TestRefuseSharesNoValues(t *testing.T) {
	want := http.Header{
		"Cache-Control":  {"no-store"},
		"Content-Type":   {"application/problem+json"},
		"Content-Length": {"122"},
		"Retry-After":    {"17"},
	}
	refuse := func(header http.Header) http.Header {
		weirhttp.Refuse(headerOnly{header}, httptest.NewRequest(http.MethodGet, "/", nil), refused17s)
		return header
	}
	before, extended, edited := refuse(http.Header{}), refuse(http.Header{}), refuse(http.Header{})
	for name := range extended {
		extended.Add(name, "added")
	}
	for name, values := range extended {
		if values[0] != want[name][0] {
			t.Errorf("what was added to another field is the value of %s: %q", name, values)
		}
	}
	for _, values := range edited {
		values[0] = "edited"
	}
	checkHeader(t, before, want)
	checkHeader(t, refuse(http.Header{}), want)
}

// headerOnly is a ResponseWriter that keeps its header and drops the rest.
type headerOnly struct{ header http.Header }

func (w headerOnly) Header() http.Header               { return w.header }
func (w headerOnly) Write(p []byte) (int, error)       { return len(p), nil }
func (w headerOnly) WriteString(s string) (int, error) { return len(s), nil }
func (w headerOnly) WriteHeader(int)                   {}

func TestRefuseLeavesTheBodyUnread(t *testing.T) {
	body := &watched{Reader: bytes.NewReader([]byte("a lead"))}
	r := httptest.NewRequest(http.MethodPost, "/leads", body)
	weirhttp.Refuse(httptest.NewRecorder(), r, refused17s)
	if body.touched {
		t.Error("the body was read")
	}
}

type watched struct {
	io.Reader
	touched bool
}

func (w *watched) Read(p []byte) (int, error) {
	w.touched = true
	return w.Reader.Read(p)
}
