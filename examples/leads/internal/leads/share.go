package leads

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"time"
)

// share starts this program a second time, sends half of one business's traffic to
// either process, and checks that the two admit together what the quota has for one.
func share(ctx context.Context, out io.Writer, on *server, shared Shared, here *clients) error {
	second, err := startSecond(ctx, on)
	if err != nil {
		return fmt.Errorf("a second process: %w", err)
	}
	defer second.stop()
	there := newClients(second.addr)
	defer there.close()

	half := []stream{{
		from: netip.AddrFrom4([4]byte{127, 0, 0, 1}), token: globexToken, endpoints: business,
		requests: 250, conns: 4, partition: "business:" + globex, status: http.StatusOK,
	}}
	halves := [][]*row{rowsOf(half), rowsOf(half)}
	began := time.Now()
	var senders sync.WaitGroup
	for i, c := range []*clients{here, there} {
		senders.Go(func() { sendAll(ctx, began, c, half, halves[i]) })
	}
	senders.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	both := together(halves[0][0], halves[1][0])
	printShared(out, halves[0][0], halves[1][0], both)
	printStats(out, shared)
	return both.check(documented)
}

// A second is another process of this program, which serves.
type second struct {
	addr   string
	cmd    *exec.Cmd
	stdout io.Reader
	stderr bytes.Buffer
	end    context.CancelFunc
}

var servedAddr = regexp.MustCompile(`^Serving on http://([^ ,]+)`)

// startSecond starts one that has its limits on the same server, and returns when it
// serves. It ends with ctx, or stop.
func startSecond(ctx context.Context, on *server) (*second, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	running, end := context.WithCancel(ctx)
	s := &second{end: end}
	s.cmd = exec.CommandContext(running, self, "-serve", "-addr", "127.0.0.1:0", "-redis", on.addr, "-redis-prefix", on.prefix)
	s.cmd.Stderr = &s.stderr
	s.cmd.Cancel = func() error {
		if s.cmd.Process.Signal(os.Interrupt) == nil {
			return nil
		}
		return s.cmd.Process.Kill() // as on Windows, where no such signal can be sent
	}
	s.cmd.WaitDelay = 3 * time.Second // it gives requests under way two
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		end()
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		end()
		return nil, err
	}
	lines := bufio.NewReader(stdout)
	s.stdout = lines
	line, err := lines.ReadString('\n')
	if m := servedAddr.FindStringSubmatch(line); m != nil {
		s.addr = m[1]
		return s, nil
	}
	s.stop()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return nil, fmt.Errorf("it does not say where it serves: %q, %v\n%s", line, err, &s.stderr)
}

// stop ends the process and returns when it has ended.
func (s *second) stop() {
	s.end()
	io.Copy(io.Discard, s.stdout) // so that it is not stopped by a pipe that nobody reads
	s.cmd.Wait()                  // whatever its status, it has served
}
