package interop

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// patience is how long anything may take that should take no time.
const patience = 10 * time.Second

// program finds a program. Without it, the test is skipped, or fails if
// WEIR_INTEROP is 1.
func program(t *testing.T, name, debianPackage string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		missing(t, "programs are ended by SIGTERM here, which Windows does not have")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath(filepath.Join("/usr/sbin", name)) // Debian's users have it, but not in their PATH
	}
	if err != nil {
		missing(t, name+" is not installed; on Debian and Ubuntu: apt-get install "+debianPackage)
	}
	return path
}

// missing ends a test that cannot be run here.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("WEIR_INTEROP") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// background runs a program until the test ends. If it fails before, or does not
// end when it is told to, so does the test.
func background(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("%s has ended before the test: %v", cmd.Path, err)
		}
		killer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer killer.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", cmd.Path, err)
		}
		if t.Failed() {
			t.Logf("%s wrote to stderr:\n%s", cmd.Path, &stderr)
		}
	})
}

// startLeads builds examples/leads, starts it with -serve, and returns the URL
// that it says it serves.
func startLeads(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "leads")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/weirhq/weir/examples/leads").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary, "-serve", "-addr", "127.0.0.1:0")
	// A pipe of our own: Wait would close the one of StdoutPipe, and lose what is in it.
	stdout, stdoutOfLeads, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = stdoutOfLeads
	t.Cleanup(func() { stdout.Close() }) // after leads has ended, which writes to it
	background(t, cmd)
	stdoutOfLeads.Close()

	lines := bufio.NewReader(stdout)
	first, err := lines.ReadString('\n')
	base := regexp.MustCompile(`http://[\d.]+:\d+`).FindString(first)
	if err != nil || base == "" {
		t.Fatalf("leads does not say where it serves: %q, %v", first, err)
	}
	go io.Copy(io.Discard, lines)
	return base
}

// get makes a request with that bearer token and returns the status and the
// Retry-After.
func get(t *testing.T, client *http.Client, url, token string) (status int, retryAfter string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After")
}

// A moment is when something happened, as far as its caller can tell: between the
// request and the response.
type moment struct{ earliest, latest time.Time }

// drain makes requests until one is refused. It returns how many were admitted,
// and when the refusal was decided.
func drain(t *testing.T, url, token string) (admitted int, refused moment) {
	t.Helper()
	for {
		refused.earliest = time.Now()
		status, retryAfter := get(t, http.DefaultClient, url, token)
		refused.latest = time.Now()
		switch {
		case status == http.StatusOK:
			admitted++
		case status == http.StatusTooManyRequests && retryAfter == "1":
			return admitted, refused
		default:
			t.Fatalf("GET %s: status %d, Retry-After %q", url, status, retryAfter)
		}
	}
}

// newPartitions gives every partition that quota. There are no source keys.
func newPartitions(t *testing.T, quota weir.Quota) *weir.PartitionLimiter {
	t.Helper()
	resolver, err := weir.NewResolver(func(context.Context, string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource
	})
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: quota, weir.User: quota, weir.Business: quota, weir.BusinessIntake: quota,
	})
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// byToken describes a request by its bearer token, which here is the business.
func byToken(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return req
}

// clientAt makes requests that come from that loopback address, each over a
// connection of its own.
func clientAt(addr string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}}
}

// needLoopbackNetwork is for tests that call from 127.0.0.2 and others.
func needLoopbackNetwork(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		missing(t, "only Linux has all of 127.0.0.0/8 on its loopback interface")
	}
}
