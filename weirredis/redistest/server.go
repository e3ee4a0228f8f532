package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	startTimeout = 20 * time.Second     // of a server that loads nothing; it takes some 30 ms
	pollInterval = 5 * time.Millisecond // between looks at whether something has come about
	portTries    = 20                   // ports that are found taken before Start gives up
)

// A Server is a server process of a test.
type Server struct {
	tb    TB
	opts  Options
	path  string // of the binary
	dir   string
	port  int
	clock *fileClock // nil without Options.Clock

	mu     sync.Mutex // guards proc and paused
	proc   *process
	paused bool

	connMu sync.Mutex // one Command at a time
	conn   *Conn      // nil: none yet, or the last one broke
}

// A process is one run of a server.
type process struct {
	cmd     *exec.Cmd
	exited  chan struct{} // closed when it has
	logFrom int64         // where its part of the log starts
}

// Start starts a server and returns when it answers. It is killed when the test
// ends; if the test has failed by then, the end of the server's log is logged.
// Without a server in PATH the test is skipped under -short and fails otherwise,
// saying how to install one.
func Start(tb TB, opts Options) *Server {
	tb.Helper()
	s := &Server{tb: tb, opts: opts, path: opts.binary(tb), dir: tb.TempDir()}
	if opts.Clock {
		s.clock = newFileClock(tb, s.dir)
	}
	tb.Cleanup(func() {
		s.Kill()
		if tb.Failed() {
			tb.Logf("redistest: end of the log of %s:\n%s", s.Addr(), s.logTail(0))
		}
	})
	for range portTries {
		s.port = freePort(tb)
		err := s.launch()
		if err == nil {
			return s
		}
		if !errors.Is(err, errPortTaken) {
			tb.Fatalf("redistest: %v", err)
		}
	}
	tb.Fatalf("redistest: %d ports were free, and taken when the server wanted them", portTries)
	return nil
}

// busOffset is how far the port of the cluster's bus is above that of clients.
const busOffset = 10_000

// freePort returns a port that nobody listens on, nor on that of the cluster's
// bus. Both are below the ports that systems give to outgoing connections, so that
// none of these is in the way of a Restart.
func freePort(tb TB) int {
	tb.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(12_000)
		if isFree(port) && isFree(port+busOffset) {
			return port
		}
	}
	tb.Fatalf("redistest: no free port from 10000 to 21999")
	return 0
}

func isFree(port int) bool {
	ln, err := net.Listen("tcp", addrOf(port))
	if err != nil {
		return false
	}
	return ln.Close() == nil
}

func addrOf(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Addr is the server's address, "127.0.0.1:12345". It stays the same over a
// Restart.
func (s *Server) Addr() string { return addrOf(s.port) }

// Dir is the directory of the server's files: server.log, and those that it
// persists.
func (s *Server) Dir() string { return s.dir }

// Pid is the id of the server's process. After a Restart it is another one, after
// Kill that of the dead one.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.cmd.Process.Pid
}

// args are the server's flags.
func (s *Server) args() []string {
	args := []string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.dir,
		"--daemonize", "no", "--logfile", "", "--save", "",
	}
	if s.opts.Persist {
		args = append(args, "--appendonly", "yes", "--appendfsync", "always")
	} else {
		args = append(args, "--appendonly", "no")
	}
	return append(args, s.opts.Args...)
}

// launch starts the process and waits until it answers. The error is errPortTaken
// if another process has the port.
func (s *Server) launch() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return err
	}
	cmd := exec.Command(s.path, s.args()...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, log, log
	if s.clock != nil {
		cmd.Env = slices.Concat(os.Environ(), s.clock.env)
	}
	isolate(cmd)
	if err := startProcess(cmd); err != nil {
		return err
	}
	p := &process{cmd: cmd, exited: make(chan struct{}), logFrom: info.Size()}
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(p.exited)
	}()
	s.mu.Lock()
	s.proc, s.paused = p, false
	s.mu.Unlock()
	if err := s.awaitReady(p); err != nil {
		s.Kill()
		return err
	}
	return nil
}

var errPortTaken = errors.New("the port is taken")

// awaitReady waits until the process answers PING with PONG.
func (s *Server) awaitReady(p *process) error {
	deadline := time.After(startTimeout)
	for {
		err := s.answers(p)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			log := s.logTail(p.logFrom)
			if strings.Contains(log, "Address already in use") || strings.Contains(log, "Failed listening on port") {
				return errPortTaken
			}
			return fmt.Errorf("%s has exited at its start:\n%s", s.path, log)
		case <-deadline:
			return fmt.Errorf("%s does not answer after %v: %w\n%s", s.path, startTimeout, err, s.logTail(p.logFrom))
		case <-time.After(pollInterval):
		}
	}
}

// answers reports why this very process does not answer yet. Another server may
// have got the port first, and answer in its place.
func (s *Server) answers(p *process) error {
	if _, err := s.Command("PING"); err != nil {
		return err // LOADING, for one
	}
	info, err := s.Info("server")
	if err != nil {
		return err
	}
	if pid := strconv.Itoa(p.cmd.Process.Pid); info["process_id"] != pid {
		s.disconnect()
		return fmt.Errorf("process %s has the port, want %s", info["process_id"], pid)
	}
	return nil
}

// logTail returns the end of the log that was written after its first from bytes.
func (s *Server) logTail(from int64) string {
	log, err := os.ReadFile(filepath.Join(s.dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.SplitAfter(log[min(from, int64(len(log))):], []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-20):], nil))
}

// Alive reports whether the server's process runs, paused or not. It may be
// called on any goroutine.
func (s *Server) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.alive()
}

func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Kill kills the server and its process group (SIGKILL), and returns when it is
// dead: its connections are broken, its port is free, and what it had not persisted
// is lost. It does nothing if it is dead already. It may be called on any goroutine.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.proc.alive() {
		_ = kill(s.proc.cmd) // fails only if it has just exited by itself
		<-s.proc.exited
	}
	s.disconnect()
}

// Restart starts the server again, on the same port and in the same directory, and
// returns when it answers and has loaded what it persisted. It kills it first if
// it runs.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Kill()
	err := s.launch()
	for deadline := time.Now().Add(startTimeout); errors.Is(err, errPortTaken) && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		err = s.launch()
	}
	if err != nil {
		s.tb.Fatalf("redistest: Restart of %s: %v", s.Addr(), err)
	}
}

// Pause stops the server's process (SIGSTOP): its connections stay and it accepts
// more, but it answers nothing until Resume. A command sent in the next few
// microseconds may still be answered. Where there is no such signal, as on
// Windows, the test is skipped.
func (s *Server) Pause() {
	s.tb.Helper()
	s.signal("Pause", pause, true)
}

// Resume lets a paused server go on (SIGCONT), with the commands that came
// meanwhile.
func (s *Server) Resume() {
	s.tb.Helper()
	s.signal("Resume", resume, false)
}

func (s *Server) signal(name string, send func(*exec.Cmd) error, paused bool) {
	s.tb.Helper()
	if !canPause {
		s.tb.Skipf("redistest: %s needs signals that this system does not have", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.proc.alive() {
		s.tb.Fatalf("redistest: %s of %s: the server is dead", name, s.Addr())
	}
	if err := send(s.proc.cmd); err != nil {
		s.tb.Fatalf("redistest: %s of %s: %v", name, s.Addr(), err)
	}
	s.paused = paused
}

// responds reports whether the server is alive and not paused.
func (s *Server) responds() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.proc.alive() && !s.paused
}

// Command sends one command on a connection that the Server keeps, and returns the
// reply or the error as [Conn.Command] does. After an error of the connection
// the next Command makes a new one. It may be called on any goroutine; one is sent
// at a time, so what blocks, and what is about the connection, belongs on a Conn.
func (s *Server) Command(args ...string) (any, error) {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.conn == nil {
		conn, err := Dial(s.Addr())
		if err != nil {
			return nil, err
		}
		s.conn = conn
	}
	reply, err := s.conn.Command(args...)
	if _, isReply := err.(Error); err != nil && !isReply {
		_ = s.conn.Close()
		s.conn = nil
	}
	return reply, err
}

// Do is Command for a command that must succeed: it ends the test at an error.
func (s *Server) Do(args ...string) any {
	s.tb.Helper()
	reply, err := s.Command(args...)
	if err != nil {
		s.tb.Fatalf("redistest: %s: %s: %v", s.Addr(), strings.Join(args, " "), err)
	}
	return reply
}

// Info asks for INFO of a section, such as "stats" or "replication", and returns
// its fields. The error is that of Command. It may be called on any goroutine.
func (s *Server) Info(section string) (map[string]string, error) {
	return s.fields("INFO", section)
}

// fields sends a command whose reply has lines of the form name:value.
func (s *Server) fields(args ...string) (map[string]string, error) {
	reply, err := s.Command(args...)
	if err != nil {
		return nil, err
	}
	text, ok := reply.(string)
	if !ok {
		return nil, fmt.Errorf("redistest: %s: reply %v is not text", strings.Join(args, " "), reply)
	}
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}

// disconnect drops the connection that Command uses.
func (s *Server) disconnect() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}
