package redistest

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"
)

// eachServer runs a test on each server in PATH; without any, once, so that it
// says how to install one.
func eachServer(t *testing.T, test func(t *testing.T, opts Options)) {
	names := Binaries()
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) { test(t, Options{Binary: name}) })
	}
}

// A stopped is what a TB was told that ended the test.
type stopped struct{ how, message string }

// A fakeTB panics with a stopped where the test would end.
type fakeTB struct{ TB }

func (fakeTB) Fatalf(format string, args ...any) {
	panic(stopped{"fatal", fmt.Sprintf(format, args...)})
}
func (fakeTB) Skipf(format string, args ...any) { panic(stopped{"skip", fmt.Sprintf(format, args...)}) }

// stops returns how f ended the test; the zero value if it did not.
func stops(f func()) (end stopped) {
	defer func() {
		if r := recover(); r != nil {
			end = r.(stopped)
		}
	}()
	f()
	return stopped{}
}

func wantReply(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("reply %#v, want %#v", got, want)
	}
}

func TestServerAnswers(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		s := Start(t, opts)
		wantReply(t, s.Do("PING"), "PONG")
		wantReply(t, s.Do("SET", "k", "a\r\nb"), "OK")
		wantReply(t, s.Do("GET", "k"), "a\r\nb")
		wantReply(t, s.Do("GET", "none"), nil)
		wantReply(t, s.Do("STRLEN", "k"), int64(4))
		wantReply(t, s.Do("EVAL", "return {1, 'x', {redis.error_reply('E no')}}", "0"),
			[]any{int64(1), "x", []any{Error("E no")}})

		_, err := s.Command("INCR", "k")
		var reply Error
		if !errors.As(err, &reply) || !strings.HasPrefix(err.Error(), "ERR value is not an integer") {
			t.Fatalf("INCR of text: error %v, want an Error of the server", err)
		}
		wantReply(t, s.Do("PING"), "PONG") // on the same connection
		if info, err := s.Info("stats"); err != nil || info["total_connections_received"] != "1" {
			t.Fatalf("%s connections (%v), want 1", info["total_connections_received"], err)
		}
	})
}

func TestKillAndRestart(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		for _, persist := range []bool{false, true} {
			t.Run(fmt.Sprintf("persist=%v", persist), func(t *testing.T) {
				opts.Persist = persist
				s := Start(t, opts)
				addr, pid := s.Addr(), s.Pid()
				s.Do("SET", "k", "v")
				s.Kill()
				if s.Alive() {
					t.Fatal("alive after Kill")
				}
				if _, err := s.Command("PING"); err == nil {
					t.Fatal("answers after Kill")
				}
				s.Kill() // once more changes nothing
				s.Restart()
				if s.Addr() != addr || s.Pid() == pid || !s.Alive() {
					t.Fatalf("%s, process %d, alive %v; want %s and another than %d", s.Addr(), s.Pid(), s.Alive(), addr, pid)
				}
				want := any(nil)
				if persist {
					want = "v"
					// A kill of the process does not show it: the kernel has the writes then.
					wantReply(t, s.Do("CONFIG", "GET", "appendfsync"), []any{"appendfsync", "always"})
				}
				wantReply(t, s.Do("GET", "k"), want)
				s.Restart() // while it runs
				wantReply(t, s.Do("GET", "k"), want)
			})
		}
	})
}

func TestPause(t *testing.T) {
	s := Start(t, Options{})
	conn, err := Dial(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wantReply(t, must(conn.Command("INCR", "n")), int64(1))

	s.Pause()
	time.Sleep(10 * time.Millisecond) // the signal's way to each thread
	conn.Timeout = 100 * time.Millisecond
	var timeout net.Error
	if _, err := conn.Command("INCR", "n"); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("error %v of a paused server, want a timeout", err)
	}
	if !s.Alive() || s.responds() {
		t.Fatalf("alive %v, responds %v of a paused server, want true, false", s.Alive(), s.responds())
	}
	s.Resume()
	wantReply(t, s.Do("PING"), "PONG")
	wantReply(t, s.Do("INCR", "n"), int64(3)) // the command that came meanwhile was done

	s.Pause()
	s.Restart() // kills what is paused
	wantReply(t, s.Do("PING"), "PONG")
	s.Kill()
	if end := stops(func() { s.tb = fakeTB{t}; s.Pause() }); end.how != "fatal" {
		t.Fatalf("Pause of a dead server: %+v, want fatal", end)
	}
}

func must(reply any, err error) any {
	if err != nil {
		return err
	}
	return reply
}

// A port that somebody got first is not an error, and a server there is not ours.
func TestPortTaken(t *testing.T) {
	other := Start(t, Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	for name, port := range map[string]int{"a server": other.port, "something mute": ln.Addr().(*net.TCPAddr).Port} {
		t.Run(name, func(t *testing.T) {
			s := &Server{tb: t, path: other.path, dir: t.TempDir(), port: port}
			t.Cleanup(s.Kill)
			if err := s.launch(); !errors.Is(err, errPortTaken) {
				t.Fatalf("launch on a taken port: %v, want %v", err, errPortTaken)
			}
			if s.Alive() {
				t.Fatal("the process lives on")
			}
		})
	}
	wantReply(t, other.Do("PING"), "PONG")
}

func TestFreePort(t *testing.T) {
	for range 20 {
		port := freePort(t)
		if port < 10_000 || port+busOffset >= 32_768 {
			t.Fatalf("port %d: it or its bus port is where outgoing connections are", port)
		}
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if port := ln.Addr().(*net.TCPAddr).Port; isFree(port) {
		t.Fatalf("port %d is free, and somebody listens", port)
	}
}

func TestBadFlagSaysWhy(t *testing.T) {
	end := stops(func() { Start(fakeTB{t}, Options{Args: []string{"--no-such-flag", "1"}}) })
	if end.how != "fatal" || !strings.Contains(end.message, "no-such-flag") {
		t.Fatalf("%+v, want fatal with the server's words", end)
	}
}

func TestMissingServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if found := Binaries(); found != nil {
		t.Fatalf("Binaries() = %q with an empty PATH", found)
	}
	defer flag.Set("test.short", fmt.Sprint(testing.Short()))
	for short, want := range map[string]string{"false": "fatal", "true": "skip"} {
		if err := flag.Set("test.short", short); err != nil {
			t.Fatal(err)
		}
		end := stops(func() { Start(fakeTB{t}, Options{}) })
		if end.how != want || !strings.Contains(end.message, howToInstall(runtime.GOOS)) {
			t.Errorf("-short=%s: %+v, want %s and how to install", short, end, want)
		}
	}
	for goos, want := range map[string]string{
		"linux": "apt-get install redis-server", "darwin": "brew install redis", "windows": "https://",
	} {
		if got := howToInstall(goos); !strings.Contains(got, want) {
			t.Errorf("howToInstall(%q) = %q, want %q in it", goos, got, want)
		}
	}
}

func TestArgsWin(t *testing.T) {
	s := Start(t, Options{Persist: true, Args: []string{"--appendfsync", "no", "--maxmemory", "3mb"}})
	wantReply(t, s.Do("CONFIG", "GET", "appendfsync"), []any{"appendfsync", "no"})
	wantReply(t, s.Do("CONFIG", "GET", "maxmemory"), []any{"maxmemory", "3145728"})
	if _, err := os.Stat(s.Dir() + "/server.log"); err != nil {
		t.Error(err)
	}
	if end := stops(func() { s.tb = fakeTB{t}; s.Do("NOSUCH") }); end.how != "fatal" {
		t.Errorf("Do of an unknown command: %+v, want fatal", end)
	}
}
