package redisbench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/weirredis/redistest"
)

// WithServer calls f with a server of its own, which ends when f does. The server
// listens on a free port of 127.0.0.1 and keeps nothing on disk. binary is its name
// in PATH; empty: the first that there is.
func WithServer(binary string, f func(*redistest.Server) error) (err error) {
	t := new(host)
	defer t.end()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fatal:
			err = fmt.Errorf("%s", string(r))
		default:
			panic(r)
		}
	}()
	return f(redistest.Start(t, redistest.Options{Binary: binary}))
}

// A host is what package redistest wants of a test, for a program that is none.
type host struct{ cleanups []func() }

// A fatal is what ends f.
type fatal string

func (h *host) Helper()                         {}
func (h *host) Failed() bool                    { return false }
func (h *host) Cleanup(f func())                { h.cleanups = append(h.cleanups, f) }
func (h *host) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (h *host) Skipf(format string, args ...any) {
	h.Fatalf(format, args...)
}
func (h *host) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

func (h *host) TempDir() string {
	dir, err := os.MkdirTemp("", "redisbench")
	if err != nil {
		h.Fatalf("%v", err)
	}
	h.Cleanup(func() { _ = os.RemoveAll(dir) }) // what is left, the system takes away
	return dir
}

func (h *host) end() {
	for _, f := range slices.Backward(h.cleanups) {
		f()
	}
}

// Version is what the server says of itself: "redis 7.0.15".
func Version(s *redistest.Server) (string, error) {
	info, err := s.Info("server")
	if err != nil {
		return "", err
	}
	if v := info["valkey_version"]; v != "" {
		return "valkey " + v, nil
	}
	return "redis " + info["redis_version"], nil
}

// A reading is what the server has done since its start.
type reading struct {
	clock    time.Duration // the server's, since 1970
	commands int64         // run, those that scripts run included; ours are not
	scripts  int64
	busy     time.Duration // of processors
}

// read asks the server. Its clock is read first, or last.
func read(s *redistest.Server, clockFirst bool) (r reading, err error) {
	if clockFirst {
		if r.clock, err = readClock(s); err != nil {
			return r, err
		}
	}
	info, err := s.Info("all")
	if err != nil {
		return r, err
	}
	r.commands, r.scripts, r.busy, err = parseInfo(info)
	if err == nil && !clockFirst {
		r.clock, err = readClock(s)
	}
	return r, err
}

// parseInfo reads fields such as cmdstat_evalsha:calls=2,usec=30,... and
// used_cpu_user:1.25.
func parseInfo(info map[string]string) (commands, scripts int64, busy time.Duration, err error) {
	for field, value := range info {
		name, ok := strings.CutPrefix(field, "cmdstat_")
		if !ok || name == "info" {
			continue
		}
		first, _, _ := strings.Cut(value, ",")
		calls, ok := strings.CutPrefix(first, "calls=")
		n, err := strconv.ParseInt(calls, 10, 64)
		if !ok || err != nil {
			return 0, 0, 0, fmt.Errorf("INFO: %s:%s: no calls", field, value)
		}
		commands += n
		if strings.HasPrefix(name, "eval") {
			scripts += n
		}
	}
	for _, field := range []string{"used_cpu_user", "used_cpu_sys"} {
		seconds, err := strconv.ParseFloat(info[field], 64)
		if err != nil {
			return 0, 0, 0, fmt.Errorf("INFO: %s:%s: no seconds", field, info[field])
		}
		busy += time.Duration(seconds * float64(time.Second))
	}
	return commands, scripts, busy, nil
}

// readClock asks for the server's time, to the microsecond.
func readClock(s *redistest.Server) (time.Duration, error) {
	reply, err := s.Command("TIME")
	if err != nil {
		return 0, err
	}
	parts, ok := reply.([]any)
	if !ok || len(parts) != 2 {
		return 0, fmt.Errorf("TIME: %v", reply)
	}
	seconds, err := strconv.ParseInt(fmt.Sprint(parts[0]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("TIME: %w", err)
	}
	micros, err := strconv.ParseInt(fmt.Sprint(parts[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("TIME: %w", err)
	}
	return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond, nil
}
