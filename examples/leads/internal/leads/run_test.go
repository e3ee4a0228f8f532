package leads

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// run is the program that has no client for -redis.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, status := Parse(args, stderr)
	if flags == nil {
		return status
	}
	return Run(ctx, flags, nil, stdout, stderr)
}

// The whole program, as main runs it.
func TestRun(t *testing.T) {
	var stdout, stderr strings.Builder
	if status := run(t.Context(), nil, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{
		`(?m)^business:42 +500 +3\d\d +(1\d\d|200)  1 s +500 by-business$`,
		`(?m)^user:42 +500 `,
		`(?m)^business-intake:42 +500 `,
		`(?m)^ip:127\.0\.0\.\d +\d+ `,
		`(?m) 120 source-missing$`,
		`(?m) 120 source-unknown$`,
		`(?m) 120 source-disabled$`,
		`(?m) 120 source-mismatched$`,
		`(?m) 20 source-lookup-failed$`,
		`(?m)^2500 requests over \d+ connections in .* requests a second\.$`,
		`(?m)^  spring +1 for 620 requests`,
		`(?m)^  autumn +20 for 20 requests`,
		`(?m)^    HTTP/1\.1 429 Too Many Requests$`,
		`(?m)^    Retry-After: 1$`,
		`(?m)^  after 1\.\d+ s  GET /me  200 +as told: admitted$`,
		`(?m)^  RateLimit-Policy: "business";q=300;w=60$`,
		`(?m)^  file reloaded, 600 a minute now: 3\d\d more admitted`,
		`(?m)^  a bad file changes nothing: line 3, `,
		`(?m)^  weirhttp\.Transport waits as told: \d attempts, status 200`,
		`(?m)^  /debug/weir: business, 6\d\d admitted`,
		`(?m)^All of it is what the limits demand\.$`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("nothing like %s", want)
		}
	}
	for line := range strings.SplitSeq(stdout.String(), "\n") {
		if len(line) > 100 || strings.TrimRight(line, " ") != line {
			t.Errorf("a line that is too long, or ends in blanks: %q", line)
		}
	}
	if t.Failed() {
		t.Log(stdout.String())
	}
}

func TestRunServe(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, stdout := io.Pipe()
	var stderr strings.Builder
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"-serve", "-addr", "127.0.0.1:0"}, stdout, &stderr)
		stdout.Close()
	}()

	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err, stderr.String())
	}
	go io.Copy(io.Discard, lines)
	base := regexp.MustCompile(`http://[\d.:]+\d`).FindString(first)
	for path, want := range map[string]int{
		"/health":                         http.StatusOK,
		"/contacts":                       http.StatusUnauthorized,
		"/leads/intake?sourceKey=spring":  http.StatusAccepted,
		"/leads/intake?sourceKey=winter":  http.StatusForbidden,
		"/leads/intake?sourceKey=nothing": http.StatusForbidden,
	} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}

	interrupt()
	select {
	case got := <-status:
		if got != 0 {
			t.Errorf("status %d: %s", got, &stderr)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still serving 10 s after the interrupt")
	}
	if _, err := http.Get(base + "/health"); err == nil {
		t.Error("the port still answers")
	}
}

// With a quota file and a debug page, both are in use.
func TestRunServeQuotasAndDebug(t *testing.T) {
	quotas := filepath.Join(t.TempDir(), "quotas.json")
	text := `{"quotas": {"business": "300/1m", "business-intake": "300/1m", "user": "300/1m", "ip": "2/1h"}}`
	if err := os.WriteFile(quotas, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, stdout := io.Pipe()
	var stderr strings.Builder
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, []string{"-serve", "-addr", "127.0.0.1:0", "-quotas", quotas, "-debug", "127.0.0.1:0"}, stdout, &stderr)
		stdout.Close()
	}()
	lines := bufio.NewScanner(out)
	var base, page string
	for page == "" && lines.Scan() {
		url := regexp.MustCompile(`http://[\d.:]+\d(/debug/weir)?`).FindString(lines.Text())
		switch {
		case base == "":
			base = url
		case strings.HasSuffix(url, "/debug/weir"):
			page = url
		}
	}
	if page == "" {
		t.Fatal("no address of the page: ", <-status, stderr.String())
	}
	go io.Copy(io.Discard, out)
	var got []int
	for range 3 {
		resp, err := http.Get(base + "/health")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got = append(got, resp.StatusCode)
	}
	if !slices.Equal(got, []int{200, 200, 429}) {
		t.Errorf("statuses %v under 2 an hour", got)
	}
	resp, err := http.Get(page + "?format=json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), `"2/1h"`) {
		t.Errorf("%v, page %s", err, body)
	}
	interrupt()
	if got := <-status; got != 0 {
		t.Errorf("status %d: %s", got, &stderr)
	}
}

func TestRunRefusesArguments(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args   []string
		status int
		stderr string
	}{
		{[]string{"-nope"}, 2, "-nope"},
		{[]string{"serve"}, 2, `unexpected argument "serve"`},
		{[]string{"-serve", "-addr", taken.Addr().String()}, 1, taken.Addr().String()},
		{[]string{"-serve", "-addr", "127.0.0.1:0", "-debug", taken.Addr().String()}, 1, taken.Addr().String()},
		{[]string{"-serve", "-addr", "127.0.0.1:0", "-quotas", "none.json"}, 1, "none.json"},
		{[]string{"-h"}, 0, "-serve"},
		{[]string{"-redis", "6379"}, 2, `-redis is "6379": it must be host:port`},
		{[]string{"-redis", ":6379"}, 2, `-redis is ":6379"`},
		{[]string{"-redis", "localhost:"}, 2, `-redis is "localhost:"`},
		{[]string{"-redis-prefix", "a:"}, 2, "-redis-prefix is nothing without -redis"},
		{[]string{"-serve", "-redis", "localhost:6379", "-quotas", "none.json"}, 2, "-quotas and -redis"},
		{[]string{"-serve", "-redis", "localhost:6379", "-debug", "127.0.0.1:0"}, 2, "-debug and -redis"},
	} {
		var stdout, stderr strings.Builder
		if got := run(t.Context(), c.args, &stdout, &stderr); got != c.status {
			t.Errorf("%q: status %d, want %d", c.args, got, c.status)
		}
		if !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%q: %q on stderr, want something of %q", c.args, &stderr, c.stderr)
		}
	}
}

// A request that is under way when the service is interrupted is answered.
func TestServeFinishesRequests(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	arrived, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- serve(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(arrived)
			time.Sleep(50 * time.Millisecond) // serve must wait that long
			io.WriteString(w, "finished")
		}))
	}()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-arrived
	interruptedAt := time.Now()
	interrupt()
	if err := <-ended; err != nil || time.Since(interruptedAt) < 40*time.Millisecond {
		t.Errorf("serve returned after %v with %v", time.Since(interruptedAt), err)
	}
	if got := <-answer; got != "finished" {
		t.Errorf("answered %q", got)
	}
}
