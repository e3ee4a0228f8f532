package interop

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// load is how long wrk is let loose.
const load = 3 * time.Second

// The service of examples/leads at full load on one budget: what is admitted is
// what the quota has in that time, to within the uncertainty of the time itself.
func TestFullLoadOnLeads(t *testing.T) {
	wrk := program(t, "wrk", "wrk")
	base := startLeads(t)
	url := base + "/contacts"

	// The budget is whole until its first request, and nothing is left at the
	// last, a refusal. Between them 300 have been there and what was earned.
	first := moment{earliest: time.Now()}
	if status, _ := get(t, http.DefaultClient, url, "acme-token"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	first.latest = time.Now()
	seen := runWrk(t, wrk, url, "acme-token")
	earnedLate, last := drain(t, url, "acme-token")

	const earnOne = 200 * time.Millisecond // 300 in 60 s
	admitted := 1 + seen.admitted + earnedLate
	least := 300 + int(last.earliest.Sub(first.latest)/earnOne)
	most := 300 + int(last.latest.Sub(first.earliest)/earnOne)
	// wrk ends without reading the last response of each connection, so one that
	// was admitted in its last moment may be missing.
	if admitted < least-1 || admitted > most {
		t.Errorf("%d admitted, want %d to %d", admitted, least-1, most)
	}
	if seen.other != 0 || seen.errors != 0 {
		t.Errorf("%d answers that are neither 200 nor 429, %d errors of connections", seen.other, seen.errors)
	}
	if seen.refused < 1000 {
		t.Errorf("%d refused, which is no load", seen.refused)
	}
	if status, _ := get(t, http.DefaultClient, base+"/me", "ada-token"); status != http.StatusOK {
		t.Errorf("another budget: status %d, want 200", status)
	}
	t.Logf("%d admitted, the quota has %d to %d; %d refused; %.0f requests/s",
		admitted, least, most, seen.refused, float64(seen.admitted+seen.refused)/load.Seconds())
}

// The middleware's share of what a service does for a request whose handler does
// next to nothing, over TCP. It is its largest possible share: any real handler
// makes it smaller.
func TestShareOfCPU(t *testing.T) {
	wrk := program(t, "wrk", "wrk")
	for _, c := range []struct {
		name  string
		quota weir.Quota
	}{
		{"admitted", weir.Quota{Limit: 1_000_000, Period: time.Second}},
		{"refused", weir.Quota{Limit: 300, Period: time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			limit := weirhttp.New(newPartitions(t, c.quota), byToken)
			server := httptest.NewServer(limit(http.HandlerFunc(answer)))
			defer server.Close()

			var buf bytes.Buffer
			if err := pprof.StartCPUProfile(&buf); err != nil {
				t.Fatal(err)
			}
			seen := runWrk(t, wrk, server.URL, "acme")
			pprof.StopCPUProfile()

			requests, meant := seen.admitted+seen.refused, seen.admitted
			if c.name == "refused" {
				meant = seen.refused
			}
			if meant < requests*9/10 || seen.other != 0 || seen.errors != 0 {
				t.Errorf("%+v, want nine in ten %s and no errors", seen, c.name)
			}
			middleware, all := shareOf(t, buf.Bytes())
			if all < time.Second || middleware == 0 {
				t.Fatalf("%v of %v: too little to tell", middleware, all)
			}
			share := float64(middleware) / float64(all)
			if share >= 0.25 {
				t.Errorf("the middleware has %.1f %% of the CPU", 100*share)
			}
			t.Logf("%d requests: the middleware has %.1f %% of the CPU, %v of %v for each", requests, 100*share,
				middleware/time.Duration(requests), all/time.Duration(requests))
		})
	}
}

// answer is the handler behind the middleware.
func answer(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }

// shareOf returns the CPU time that a profile has for the middleware, and all of
// it. The middleware's is what weir's functions do and have done for them, which
// includes describing the request and answering it with a refusal, and excludes
// the handler.
func shareOf(t *testing.T, data []byte) (middleware, all time.Duration) {
	t.Helper()
	p, err := profile.ParseData(data)
	if err != nil {
		t.Fatal(err)
	}
	const cpu = 1 // the second value of a sample; the first is a count
	if len(p.SampleType) < 2 || p.SampleType[cpu].Type != "cpu" || p.SampleType[cpu].Unit != "nanoseconds" {
		t.Fatalf("not a CPU profile: %v", p.SampleType)
	}
	for _, sample := range p.Sample {
		spent := time.Duration(sample.Value[cpu])
		all += spent
		if inMiddleware(sample) {
			middleware += spent
		}
	}
	return middleware, all
}

// inMiddleware tells whether a sample was taken in the middleware: whether, from
// the innermost function outwards, weir comes before the handler.
func inMiddleware(sample *profile.Sample) bool {
	const weirs, here = "github.com/weirhq/weir", "github.com/weirhq/weir/interop."
	for _, location := range sample.Location {
		for _, line := range location.Line {
			switch name := line.Function.Name; {
			case name == here+"byToken":
				return true
			case strings.HasPrefix(name, here):
				return false
			case strings.HasPrefix(name, weirs):
				return true
			}
		}
	}
	return false
}

// counted is what wrk has seen.
type counted struct{ admitted, refused, other, errors int }

// runWrk loads a URL with 64 connections, as fast as they are answered.
func runWrk(t *testing.T, wrk, url, token string) (seen counted) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), wrk, "-t", "2", "-c", "64", "-d", fmt.Sprint(load),
		"-s", "testdata/count.lua", "-H", "Authorization: Bearer "+token, url).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := regexp.MustCompile(`(?m)^counted: .*$`).Find(out)
	if _, err := fmt.Sscanf(string(line), "counted: admitted=%d refused=%d other=%d errors=%d",
		&seen.admitted, &seen.refused, &seen.other, &seen.errors); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return seen
}
