package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weirhq/weir/verify/planted"
)

// An outcome is what a check said.
type outcome struct {
	verdict string // failed, crashed, hung or missed
	took    time.Duration
	output  string
}

func (r outcome) found() bool { return r.verdict != "missed" }

// command is the go command that runs a check, and where.
func (o options) command(c planted.Check) (dir string, args []string) {
	args = []string{"test", "-vet=off", "-count=1", "-failfast", "-timeout=" + o.timeout.String()}
	switch c {
	case planted.Linear:
		return ".", append(args, "-tags=weirtiny", "-run=^TestLinearizable$", "github.com/weirhq/weir/verify/linear",
			"-histories="+strconv.Itoa(o.histories), "-budget="+(o.timeout/2).String())
	case planted.Schedules:
		return o.root, append(args, "-tags=weirsched,weirtiny", "-run=^TestSchedules$", ".")
	}
	return o.root, append(args, "-short", ".")
}

// do plants the bug, if there is one, and runs the check.
func (o options) do(t *task) error {
	temp, err := os.MkdirTemp("", "weir-bug-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	var bugs []planted.Bug
	if len(t.bug.Edits) > 0 {
		bugs = append(bugs, t.bug)
	}
	overlay, err := planted.Overlay(o.root, temp, bugs...)
	if err != nil {
		return err
	}
	dir, args := o.command(t.check)
	args = append([]string{args[0], "-overlay=" + overlay}, args[1:]...)
	began := time.Now()
	output, err := goCommand(o.timeout+time.Minute, temp, dir, args)
	t.outcome = outcome{took: time.Since(began), output: output}
	t.verdict, err = judge(t, err)
	return err
}

// goCommand runs go with all that it starts, which ends when the time is over.
func goCommand(timeout time.Duration, temp, dir string, args []string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	// Pictures of histories go where they are thrown away, and results are this command's to write.
	cmd.Env = append(os.Environ(), "GOWORK=off", "RESULTS=", "WEIR_VERIFY_OUT="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return output.String(), err
}

// judge tells what the end of a check means.
func judge(t *task, err error) (string, error) {
	var exit *exec.ExitError
	switch {
	case strings.Contains(t.output, "[no tests to run]"):
		return "", fmt.Errorf("the check %s is not there", t.check)
	case err == nil:
		return "missed", nil
	case errors.Is(err, context.DeadlineExceeded), strings.Contains(t.output, "panic: test timed out"):
		return "hung", nil
	case !errors.As(err, &exit):
		return "", err
	case strings.Contains(t.output, "[build failed]"), strings.Contains(t.output, "[setup failed]"):
		return "", fmt.Errorf("%s by %s:\n%s", t.bug.Name, t.check, t.output)
	case strings.Contains(t.output, "panic:"), strings.Contains(t.output, "fatal error:"):
		return "crashed", nil
	}
	return "failed", nil
}

// libraryDir is where the sources are into which bugs are planted.
func libraryDir() (string, error) {
	cmd := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weirhq/weir")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	dir, err := cmd.Output()
	return strings.TrimSpace(string(dir)), err
}
