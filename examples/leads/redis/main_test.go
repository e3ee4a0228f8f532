package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/weirredis/redistest"
)

// asProgram is the variable that makes the test binary the program: the demonstration
// starts it as its second process.
const asProgram = "LEADS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// demonstrated is what a demonstration has printed if all went well.
var demonstrated = []string{
	`(?m)^The limits are on the server 127\.0\.0\.1:\d+, in keys that begin with "leads-[A-Z2-7]{8}:"\.$`,
	`(?m)^business:42 +500 +3\d\d +(1\d\d|200)  1 s +500 by-business$`,
	`(?m)^business-intake:42 +500 +3\d\d +(1\d\d|200)  1 s +500 by-source$`,
	`(?m)^  after 1\.\d+ s  GET /me  200 +as told: admitted$`,
	`(?m)^Two processes, one budget \(business:7\):$`,
	`(?m)^  this process  250 sent, `,
	`(?m)^  a second one  250 sent, `,
	`(?m)^  together      500 sent, 3\d\d admitted, (1\d\d|200) refused: at most 3\d\d in `,
	`(?m)^This process made 2\d\d\d decisions by [12]?\d\d\d calls to the server: [1-9]\d* refusals needed none`,
	`(?m) 0 were made without it\.$`,
	`(?m)^While the server cannot be asked, each process decides by itself, by 1/2 of each quota\.$`,
	`(?m)^All of it is what the limits demand\.$`,
}

func checkDemonstrated(t *testing.T, out string) {
	t.Helper()
	for _, want := range demonstrated {
		if !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("nothing like %s", want)
		}
	}
	for line := range strings.SplitSeq(out, "\n") {
		if len(line) > 100 || strings.TrimRight(line, " ") != line {
			t.Errorf("a line that is too long, or ends in blanks: %q", line)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}

// On each kind of server that is installed, and twice: what one demonstration has spent
// is not in the way of the next.
func TestDemonstration(t *testing.T) {
	t.Setenv(asProgram, "1")
	binaries := redistest.Binaries()
	if len(binaries) == 0 {
		binaries = []string{""} // Start says how to get one
	}
	for _, binary := range binaries {
		redis := redistest.Start(t, redistest.Options{Binary: binary})
		for range 2 {
			var stdout, stderr strings.Builder
			if status := run(t.Context(), []string{"-redis", redis.Addr()}, &stdout, &stderr); status != 0 || stderr.Len() > 0 {
				t.Fatalf("%s: status %d\n%s%s", binary, status, &stdout, &stderr)
			}
			checkDemonstrated(t, stdout.String())
		}
	}
}

// As README says to start it: the program of the root module hands over to this one.
func TestDemonstrationFromRoot(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	cmd := exec.CommandContext(t.Context(), "go", "run", "./examples/leads", "-redis", redis.Addr())
	cmd.Dir = "../../.."
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, &stdout, &stderr)
	}
	checkDemonstrated(t, stdout.String())
}

// A service is the program as it runs with -serve.
type service struct {
	base   string
	stdout tail
	stderr tail
	status chan int
	end    context.CancelFunc
}

// A tail is what a program has written so far.
type tail struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// start starts one, which ends with the test.
func start(t *testing.T, args ...string) *service {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	s := &service{status: make(chan int, 1), end: end}
	out, stdout := io.Pipe()
	go func() {
		s.status <- run(ctx, append([]string{"-serve", "-addr", "127.0.0.1:0"}, args...), stdout, &s.stderr)
		stdout.Close()
	}()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%v, status %d: %s", err, <-s.status, &s.stderr)
	}
	s.base = regexp.MustCompile(`http://[\d.:]+\d`).FindString(first)
	copied := make(chan struct{})
	go func() { defer close(copied); io.Copy(&s.stdout, lines) }()
	t.Cleanup(func() {
		end()
		<-copied
	})
	return s
}

// stop ends it, and returns what it has printed.
func (s *service) stop(t *testing.T) string {
	t.Helper()
	s.end()
	if status := <-s.status; status != 0 {
		t.Errorf("status %d: %s", status, &s.stderr)
	}
	return s.stdout.String()
}

// spend sends so many requests of a business, and returns how many were admitted.
func (s *service) spend(t *testing.T, n int) (admitted int) {
	t.Helper()
	for range n {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/contacts", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer acme-token")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			admitted++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("status %d", resp.StatusCode)
		}
	}
	return admitted
}

// earned is how many requests the quota, 300 a minute, has in that time beside its burst.
func earned(d time.Duration) int { return int(d / (200 * time.Millisecond)) }

// Processes that serve share their limits without being told more than the server.
func TestServeShares(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	began := time.Now()
	services := []*service{start(t, "-redis", redis.Addr()), start(t, "-redis", redis.Addr()), start(t, "-redis", redis.Addr())}
	apart := start(t, "-redis", redis.Addr(), "-redis-prefix", "apart:")
	admitted := 0
	for _, s := range services {
		n := s.spend(t, 120)
		if n == 0 {
			t.Error("a process has admitted nothing")
		}
		admitted += n
	}
	if most := 300 + earned(time.Since(began)); admitted < 300 || admitted > most {
		t.Errorf("%d admitted of 360, want 300 to %d", admitted, most)
	}
	if n := apart.spend(t, 120); n != 120 {
		t.Errorf("%d of 120 admitted under another prefix", n)
	}
	for _, key := range []string{"weir:business:42", "apart:business:42"} {
		if n := redis.Do("EXISTS", key); n != int64(1) {
			t.Errorf("EXISTS %s: %v", key, n)
		}
	}
	out := services[0].stop(t)
	for _, want := range []string{
		fmt.Sprintf(`The limits are on the server %s, in keys that begin with "weir:".`, redis.Addr()),
		"This process made 120 decisions by 120 calls to the server: 0 refusals needed none",
		"Ended.",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nothing like %q in\n%s", want, out)
		}
	}
}

// While the server is gone a process has its share, which is charged when it is back.
func TestServeWithoutServer(t *testing.T) {
	redis := redistest.Start(t, redistest.Options{})
	s := start(t, "-redis", redis.Addr())
	redis.Kill()
	began := time.Now()
	if n, most := s.spend(t, 200), 150+earned(time.Since(began)); n < 150 || n > most {
		t.Errorf("%d admitted without the server, want 150 to %d", n, most)
	}
	awaitNotice(t, s, "leads: the server of the limits is gone, so limits are kept here: ")
	redis.Restart()
	awaitNotice(t, s, "leads: the server of the limits is back\n")
	if n, most := s.spend(t, 300), 150+earned(time.Since(began)); n < 150 || n > most {
		t.Errorf("%d admitted after it was back, want 150 to %d", n, most)
	}
}

// awaitNotice waits until the program has said so on stderr.
func awaitNotice(t *testing.T, s *service, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(s.stderr.String(), text); {
		if time.Now().After(deadline) {
			t.Fatalf("no %q on stderr: %s", text, &s.stderr)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Where there is no server at the start, the program says so and ends.
func TestNoServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
			io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n")
		}
	}()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, c := range map[string]struct {
		addr   string
		status int
		stderr string
	}{
		"nobody there":   {gone.Addr().String(), 1, "leads: -redis " + gone.Addr().String() + ": "},
		"not Redis":      {listener.Addr().String(), 1, "leads: -redis " + listener.Addr().String() + ": "},
		"not an address": {"redis", 2, `leads: -redis is "redis": it must be host:port`},
	} {
		for _, args := range [][]string{{"-redis", c.addr}, {"-redis", c.addr, "-serve", "-addr", "127.0.0.1:0"}} {
			var stderr strings.Builder
			if status := run(t.Context(), args, io.Discard, &stderr); status != c.status || !strings.HasPrefix(stderr.String(), c.stderr) {
				t.Errorf("%s: %q: status %d, want %d; on stderr %q, want %q", name, args, status, c.status, &stderr, c.stderr)
			}
		}
	}
}
