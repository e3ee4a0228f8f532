//go:build unix

package weirfile

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// Real signals, sent to this process.
func TestSIGHUP(t *testing.T) {
	all := make(chan os.Signal, 1) // so that the process outlives what Watch no longer catches
	signal.Notify(all, syscall.SIGHUP)
	defer signal.Stop(all)
	hangUp := func() {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		<-all
	}

	limiter := newLimiter(t, stopped)
	f, path := newFile(t, limiter, quotaFile("1/1m", ""))
	ctx, cancel := context.WithCancel(t.Context())
	reports, goOn := make(chan error), make(chan bool)
	done := f.Watch(ctx, func(err error) { reports <- err; <-goOn })

	replace(t, path, quotaFile("2/1m", `"user": {"7": "9/1m"}`))
	hangUp()
	if err := <-reports; err != nil {
		t.Fatal(err)
	}
	users := limiter.Limiter(weir.User)
	if got, own := users.Peek("8").Limit, users.Peek("7").Limit; got != 2 || own != 9 {
		t.Errorf("after SIGHUP the limits are %d and %d", got, own)
	}
	goOn <- true

	replace(t, path, quotaFile("3/1m", `"user": {"7": "9/0m"}`))
	hangUp()
	var errs Errors
	if err := <-reports; !errors.As(err, &errs) {
		t.Errorf("a bad file: %v", err)
	}
	if got := users.Quota().Limit; got != 2 {
		t.Errorf("after a bad file the limit is %d", got)
	}

	// Two that come while one is at work lead to one more Reload.
	replace(t, path, quotaFile("4/1m", ""))
	hangUp()
	hangUp()
	goOn <- true
	if err := <-reports; err != nil {
		t.Fatal(err)
	}
	goOn <- true
	if got := users.Quota().Limit; got != 4 {
		t.Errorf("after SIGHUP during a Reload the limit is %d", got)
	}

	cancel()
	for ended := false; !ended; {
		select {
		case <-reports: // the second was handed on late, after the first had been taken
			goOn <- true
		case <-done:
			ended = true
		}
	}
	replace(t, path, quotaFile("5/1m", ""))
	hangUp()
	select {
	case err := <-reports:
		t.Errorf("reported after the end: %v", err)
	default:
	}
	if got := users.Quota().Limit; got != 4 {
		t.Errorf("reloaded after the end: %d", got)
	}
}

// When Watch has ended, SIGHUP ends the process again. The process is a copy of
// this one.
func TestSIGHUPAfterWatch(t *testing.T) {
	const child = "WEIRFILE_CHILD"
	if os.Getenv(child) != "" {
		f, _ := newFile(t, newLimiter(t, stopped), good)
		ctx, cancel := context.WithCancel(t.Context())
		reports := make(chan error)
		done := f.Watch(ctx, func(err error) { reports <- err })
		hangUp := func() { _ = syscall.Kill(os.Getpid(), syscall.SIGHUP) }
		hangUp()
		if err := <-reports; err != nil {
			t.Fatal(err)
		}
		cancel()
		<-done
		hangUp()
		time.Sleep(10 * time.Second) // not to be survived
		return
	}
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored here, as by nohup")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSIGHUPAfterWatch$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("an emulated program cannot start itself")
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGHUP {
		t.Errorf("it ended with %v: %s", err, out)
	}
}
