package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// aModule is a program that tells its arguments and its directory, and ends with
// status 7; or, told to wait, with 5 once it is interrupted.
const aModule = `package main

import (
	"fmt"
	"os"
	"os/signal"
)

func main() {
	dir, _ := os.Getwd()
	fmt.Printf("%q in %s\n", os.Args[1:], dir)
	if os.Args[1] == "wait" {
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		fmt.Println("waiting")
		<-interrupted
		os.Exit(5)
	}
	fmt.Fprintln(os.Stderr, "an error")
	os.Exit(7)
}
`

// write makes a module of one file. It skips the test where go cannot build it for
// the machine that the test runs on: under an emulator, as with -short.
func write(t *testing.T, source string) (dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and runs a program")
	}
	dir = t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/a\n", "a.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRunModule(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOWORK", filepath.Join(t.TempDir(), "go.work")) // of a module that it has not heard of
	var stdout, stderr strings.Builder
	status, err := runModule(t.Context(), write(t, aModule), []string{"-a", "b c"}, &stdout, &stderr)
	if status != 7 || err != nil {
		t.Errorf("status %d, error %v", status, err)
	}
	if want := `["-a" "b c"] in ` + here + "\n"; stdout.String() != want {
		t.Errorf("%q on stdout, want %q", &stdout, want)
	}
	if stderr.String() != "an error\n" {
		t.Errorf("%q on stderr", &stderr)
	}
}

func TestRunModuleInterrupts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be interrupted by another there")
	}
	dir := write(t, aModule)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	out, stdout := io.Pipe()
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if lines.Text() == "waiting" {
				interrupt()
			}
		}
	}()
	status, err := runModule(ctx, dir, []string{"wait"}, stdout, io.Discard)
	stdout.Close()
	if status != 5 || err != nil {
		t.Errorf("status %d, error %v", status, err)
	}
}

func TestRunModuleFails(t *testing.T) {
	broken := write(t, "package main\n\nfunc main() { nothing() }\n")
	for name, c := range map[string]struct {
		dir, path string
		want      string
		stderr    string
	}{
		"no such directory": {filepath.Join(broken, "redis"), os.Getenv("PATH"), "-trimpath", ""},
		"no go command":     {broken, "", `"go": executable file not found`, ""},
		"does not build":    {broken, os.Getenv("PATH"), "go build in " + broken, "undefined: nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", c.path)
			var stderr strings.Builder
			status, err := runModule(t.Context(), c.dir, nil, io.Discard, &stderr)
			if status != 1 || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(stderr.String(), c.stderr) {
				t.Errorf("status %d, error %v, want one with %q; on stderr %q", status, err, c.want, &stderr)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, err := runModule(ctx, broken, nil, io.Discard, io.Discard); status != 1 || err != context.Canceled {
		t.Errorf("interrupted: status %d, error %v", status, err)
	}
}

// Wrong flags are refused before anything is built; without -redis nothing is.
func TestRun(t *testing.T) {
	t.Setenv("PATH", "")
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"-h", 0, "-redis-prefix"},
		{"-redis 6379", 2, "must be host:port"},
		{"-redis 127.0.0.1:6379 -quotas a.json", 2, "-quotas and -redis"},
		{"-serve -addr 127.0.0.1:x", 1, "unknown port"},
		{"-redis 127.0.0.1:6379", 1, "leads: -redis: the program that has it"},
	} {
		var stderr strings.Builder
		if got := run(t.Context(), strings.Fields(c.args), io.Discard, &stderr); got != c.status || !strings.Contains(stderr.String(), c.stderr) {
			t.Errorf("%s: status %d, want %d; on stderr %q, want something of %q", c.args, got, c.status, &stderr, c.stderr)
		}
	}
}
