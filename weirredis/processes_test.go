package weirredis_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
)

// processVariable of the environment makes this test's program a process that a test
// has started: it is a processConfig.
const processVariable = "WEIRREDIS_TEST_PROCESS"

func TestMain(m *testing.M) {
	if config := os.Getenv(processVariable); config != "" {
		if err := runProcess(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A processConfig is what a process does: it asks for one key, when it is told to.
type processConfig struct {
	Addr  string
	Key   string
	Quota weir.Quota

	Batch    int64 // of leases; 0: none
	LeaseAge time.Duration

	Callers  int
	Pause    time.Duration // of each caller, from one request to the next
	Duration time.Duration
	Hold     bool // take one lease, say so, and wait to be killed
}

// A tally is what a process says at its end.
type tally struct {
	Requests, Passed, Errors int64
	Longest                  time.Duration // of a call
	Stats                    weirredis.Stats
}

// runProcess is what a started process runs. It says that it is ready, begins when it is
// told to, and says what came of it.
func runProcess(config string) error {
	var c processConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{c.Addr}, DisableCache: true})
	if err != nil {
		return err
	}
	defer client.Close()
	// Nobody is to be admitted by a fallback, nor to time out because the machine is busy.
	opts := []weirredis.Option{weirredis.WithFallback(weirredis.Closed()), weirredis.WithTimeout(10 * time.Second)}
	if c.Batch > 0 {
		opts = append(opts, weirredis.WithLeases(c.Batch, c.LeaseAge))
	}
	l, err := weirredis.New(client, c.Quota, opts...)
	if err != nil {
		return err
	}
	if _, err := l.Peek(context.Background(), "ready"); err != nil {
		return err
	}
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	if c.Hold {
		return c.hold(l)
	}
	t := c.hammer(l)
	if err := l.Close(context.Background()); err != nil {
		return err
	}
	t.Stats = l.Stats()
	return json.NewEncoder(os.Stdout).Encode(t)
}

// hammer asks for the key for as long as it shall.
func (c processConfig) hammer(l *weirredis.Limiter) tally {
	var requests, admitted, failed, longest atomic.Int64
	var wg sync.WaitGroup
	for began := time.Now(); c.Callers > 0; c.Callers-- {
		wg.Go(func() {
			for ; time.Since(began) < c.Duration; time.Sleep(c.Pause) {
				asked := time.Now()
				d, err := l.Allow(context.Background(), c.Key)
				storeMax(&longest, int64(time.Since(asked)))
				requests.Add(1)
				if d.Allowed {
					admitted.Add(1)
				}
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return tally{Requests: requests.Load(), Passed: admitted.Load(), Errors: failed.Load(), Longest: time.Duration(longest.Load())}
}

// storeMax makes most at least n.
func storeMax(most *atomic.Int64, n int64) {
	for {
		before := most.Load()
		if n <= before || most.CompareAndSwap(before, n) {
			return
		}
	}
}

// outcome is for those that asked for the key together; to what they were admitted,
// the test adds what it was admitted itself.
func (t tally) outcome(fault, who string, itself, allowed int64) outcome {
	admitted := t.Passed + itself
	return outcome{
		fault: fault, who: who, requests: t.Requests, errors: t.Errors, fellBack: t.Stats.FellBack,
		admitted: admitted, allowed: allowed, over: max(admitted-allowed, 0), longest: t.Longest,
	}
}

// hold makes the key hot, takes a lease, uses two of it, and waits.
func (c processConfig) hold(l *weirredis.Limiter) error {
	var t tally
	for ; t.Requests < 4; t.Requests++ {
		d, err := l.Allow(context.Background(), c.Key)
		if err != nil {
			return err
		}
		if d.Allowed {
			t.Passed++
		}
	}
	t.Stats = l.Stats()
	if err := json.NewEncoder(os.Stdout).Encode(t); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin) // until its parent is gone
	return err
}

// A process is one that a test has started.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// startProcesses starts so many, and returns when they are ready. They are killed with
// the test.
func startProcesses(t *testing.T, n int, c processConfig) []*process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var ps []*process
	for range n {
		p := &process{t: t, cmd: exec.Command(program)}
		p.cmd.Env = append(os.Environ(), processVariable+"="+string(config))
		p.cmd.Stderr = os.Stderr
		in, err := p.cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
		p.in, p.out = in, bufio.NewReader(out)
		ps = append(ps, p)
	}
	for _, p := range ps {
		if line := p.line(); line != "ready\n" {
			t.Fatalf("process %d says %q, want ready", p.cmd.Process.Pid, line)
		}
	}
	return ps
}

func (p *process) line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("process %d: %v", p.cmd.Process.Pid, err)
	}
	return line
}

// begin tells it to.
func (p *process) begin() {
	p.t.Helper()
	if _, err := io.WriteString(p.in, "begin\n"); err != nil {
		p.t.Fatal(err)
	}
}

// tally waits for what it says.
func (p *process) tally() (t tally) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.line()), &t); err != nil {
		p.t.Fatal(err)
	}
	return t
}

// beginAll lets all begin.
func beginAll(ps []*process) {
	for _, p := range ps {
		p.begin()
	}
}

// tallies waits for all, and adds up what they say.
func tallies(t *testing.T, ps []*process) (sum tally) {
	t.Helper()
	for _, p := range ps {
		one := p.tally()
		if s := one.Stats; one.Requests == 0 || one.Errors != 0 || s.FellBack != 0 || s.Admitted != one.Passed || s.Admitted+s.Refused != one.Requests {
			t.Errorf("process %d: %+v, want requests, no errors, and all of them counted", p.cmd.Process.Pid, one)
		}
		sum.Requests += one.Requests
		sum.Passed += one.Passed
		sum.Errors += one.Errors
		sum.Longest = max(sum.Longest, one.Longest)
		sum.Stats.Refused += one.Stats.Refused
		sum.Stats.FellBack += one.Stats.FellBack
		sum.Stats.Calls += one.Stats.Calls
		sum.Stats.Leases += one.Stats.Leases
		sum.Stats.LeasedHere += one.Stats.LeasedHere
		sum.Stats.Returned += one.Stats.Returned
	}
	return sum
}
