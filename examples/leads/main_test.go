package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

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
		{[]string{"-h"}, 0, "-serve"},
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
