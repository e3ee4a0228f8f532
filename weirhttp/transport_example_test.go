package weirhttp_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// limitedService stands for somebody's API.
func limitedService() *httptest.Server {
	limiter, err := weir.New(weir.PerMinute(300))
	if err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.ByKey(limiter, func(r *http.Request) string { return weirhttp.PeerAddr(r).String() })
	return httptest.NewServer(limit(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ada, bob")
	})))
}

// A client that seldom sees a 429, and waits as told when it does.
func ExampleTransport() {
	service := limitedService()
	defer service.Close()
	api := service.URL

	// The service admits 300 a minute. Make one client, and share it.
	pace, err := weir.New(weir.Quota{Limit: 300, Period: time.Minute, Burst: 30})
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{
		Transport: &weirhttp.Transport{Pace: pace},
		Timeout:   5 * time.Minute, // standing in line included
	}

	resp, err := client.Get(api + "/contacts")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()

	contacts, err := io.ReadAll(resp.Body)
	fmt.Printf("%s %s %v\n", resp.Status, contacts, err)
	// Output: 200 OK ada, bob <nil>
}

// A service that is down for two requests, and a line of log for each.
func ExampleTransport_onAttempt() {
	var requests atomic.Int64
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer service.Close()

	client := &http.Client{Transport: &weirhttp.Transport{
		BaseBackoff: time.Millisecond,
		OnAttempt: func(a weirhttp.Attempt) {
			fmt.Printf("%s %s: attempt %d: status %d: %v\n", a.Request.Method, a.Request.URL.Path, a.Number, a.Status, a.Reason)
		},
	}}
	resp, err := client.Get(service.URL + "/contacts")
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	// Output:
	// GET /contacts: attempt 1: status 503: backoff
	// GET /contacts: attempt 2: status 503: backoff
	// GET /contacts: attempt 3: status 200: answered
}

// For clients that wait by means of their own, a job queue for example.
func ExampleRetryAfter() {
	resp := &http.Response{StatusCode: http.StatusTooManyRequests, Header: http.Header{
		"Date":        {"Sun, 06 Nov 1994 08:49:20 GMT"},
		"Retry-After": {"Sun, 06 Nov 1994 08:49:37 GMT"},
	}}
	fmt.Println(weirhttp.RetryAfter(resp))
	// Output: 17s true
}

// The lines that docs/client.md starts with are those of ExampleTransport.
func TestClientPageShowsTheExample(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	_, rest, _ := strings.Cut(read("../docs/client.md"), "\n```go\n")
	lines, _, found := strings.Cut(rest, "\n```\n")
	if indented := "\t" + strings.ReplaceAll(lines, "\n", "\n\t") + "\n"; !found ||
		!strings.Contains(read("transport_example_test.go"), strings.ReplaceAll(indented, "\t\n", "\n")) {
		t.Errorf("not in ExampleTransport:\n%s", lines)
	}
}
