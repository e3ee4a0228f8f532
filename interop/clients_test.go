package interop

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// curl's own handling of Retry-After, on the service of examples/leads: its budget
// is spent, so curl is refused, waits as told, and then succeeds.
func TestCurlWaitsForLeads(t *testing.T) {
	curl := program(t, "curl", "curl")
	url := startLeads(t) + "/contacts"
	if spent, _ := drain(t, url, "acme-token"); spent < 300 {
		t.Fatalf("%d requests admitted before the first refusal, want 300 or more", spent)
	}

	// Something is earned every 200 ms, perhaps while curl starts, so it makes
	// several requests. Each may be made again once.
	const requests = 6
	statuses, waits, took := runCurl(t, curl, "-H", "Authorization: Bearer acme-token", url+"?[1-"+strconv.Itoa(requests)+"]")
	if want := strings.Repeat("200\n", requests); statuses != want {
		t.Errorf("statuses in the end %q, want %q", statuses, want)
	}
	var told time.Duration
	for _, wait := range waits {
		if wait != time.Second {
			t.Errorf("curl waited %v, want the Retry-After of leads, 1 s", wait)
		}
		told += wait
	}
	if len(waits) == 0 || took < told {
		t.Errorf("%d waits in %v, want at least one, and %v or more", len(waits), took, told)
	}
	t.Logf("%d requests, %d waits of 1 s, %v in all", requests, len(waits), took)
}

// Without Retry-After curl would wait 1 s, which is what leads says, too. So here
// is a service that says more. The budget is one request in two seconds: a curl
// that comes back sooner is refused again, and gives up.
func TestCurlWaitsForLongerThanItWould(t *testing.T) {
	curl := program(t, "curl", "curl")
	var admitted, refused atomic.Int64
	server := serveOneIn(t, 2*time.Second, &admitted, &refused)
	if status, _ := get(t, http.DefaultClient, server, ""); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}

	statuses, waits, took := runCurl(t, curl, server)
	if statuses != "200\n" || len(waits) != 1 || waits[0] != 2*time.Second || took < 2*time.Second {
		t.Errorf("statuses in the end %q, waits %v, %v in all; want one 200 after 2 s", statuses, waits, took)
	}
	if admitted.Load() != 2 || refused.Load() != 1 {
		t.Errorf("%d admitted, %d refused, want 2 and 1", admitted.Load(), refused.Load())
	}
}

// runCurl runs curl --retry 1 and returns the final status of each request, the
// waits that it announces, and how long it took.
func runCurl(t *testing.T, curl string, args ...string) (statuses string, waits []time.Duration, took time.Duration) {
	t.Helper()
	// Into a real file: before it retries, curl 7.88 truncates what it has written
	// of the refusal, which fails with /dev/null.
	body := filepath.Join(t.TempDir(), "body")
	cmd := exec.CommandContext(t.Context(), curl, append([]string{"-q", "--retry", "1", "--no-progress-meter",
		"--noproxy", "*", "--max-time", "30", "-o", body, "-w", `%{http_code}\n`}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	started := time.Now()
	stdout, err := cmd.Output()
	took = time.Since(started)
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	for _, m := range regexp.MustCompile(`Will retry in ([\d.]+) sec`).FindAllStringSubmatch(stderr.String(), -1) {
		seconds, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, time.Duration(seconds*float64(time.Second)))
	}
	return string(stdout), waits, took
}

// HashiCorp's client obeys Retry-After as it comes: its own backoff is set to a
// millisecond here, after which it would be refused. It sends the body again.
func TestRetryableHTTP(t *testing.T) {
	const body = `{"name": "Ada"}`
	var admitted, refused atomic.Int64
	server := serveOneIn(t, time.Second, &admitted, &refused)
	var waits []time.Duration
	client := retryablehttp.NewClient()
	client.Logger = nil
	client.RetryMax = 1
	client.RetryWaitMin, client.RetryWaitMax = time.Millisecond, time.Millisecond
	client.Backoff = func(least, most time.Duration, attempt int, resp *http.Response) time.Duration {
		wait := retryablehttp.DefaultBackoff(least, most, attempt, resp)
		waits = append(waits, wait)
		return wait
	}

	started := time.Now()
	for i := range 2 {
		resp, err := client.Post(server, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatalf("request %d: %v", i+1, err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || string(got) != body {
			t.Errorf("request %d: status %d, body %q, %v; want it echoed", i+1, resp.StatusCode, got, err)
		}
	}
	took := time.Since(started)
	if len(waits) != 1 || waits[0] != time.Second || took < time.Second {
		t.Errorf("waits %v, %v in all, want one of 1 s", waits, took)
	}
	if admitted.Load() != 2 || refused.Load() != 1 {
		t.Errorf("%d admitted, %d refused, want 2 and 1", admitted.Load(), refused.Load())
	}
}

// serveOneIn serves an echo that admits one request in each period, whoever calls.
// Its first refusals say Retry-After: the period in whole seconds.
func serveOneIn(t *testing.T, period time.Duration, admitted, refused *atomic.Int64) (url string) {
	t.Helper()
	limiter, err := weir.New(weir.Quota{Limit: 1, Period: period})
	if err != nil {
		t.Fatal(err)
	}
	limit := weirhttp.ByKey(limiter, func(*http.Request) string { return "everybody" },
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) {
			if o.Allowed {
				admitted.Add(1)
			} else {
				refused.Add(1)
			}
		}))
	server := httptest.NewServer(limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(w, r.Body)
	})))
	t.Cleanup(server.Close)
	return server.URL
}
