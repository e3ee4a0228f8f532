package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// runModule builds the program of the module in dir and runs it with args and the
// standard streams. It returns its exit status, or 1 with an error that says why there
// is none. When ctx ends it interrupts the program, and waits for it.
//
// It is not "go run", which would run the program in dir, where relative paths mean
// something else, would pass no signal on, and would make every status but 0 a 1.
func runModule(ctx context.Context, dir string, args []string, stdout, stderr io.Writer) (status int, err error) {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return 1, fmt.Errorf("the program that has it is in a module of its own, not found beside this one's source "+
			"(built with -trimpath, or moved?): %w; in examples/leads/redis of the repository, use: go run . -redis", err)
	}
	temp, err := os.MkdirTemp("", "leads-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(temp)
	program := filepath.Join(temp, "leads.exe") // a name that every system runs

	build := exec.CommandContext(ctx, "go", "build", "-C", dir, "-o", program, ".")
	build.Env = append(os.Environ(), "GOWORK=off") // one's own go.work need not know of the module
	build.Stdout, build.Stderr = stderr, stderr
	switch err := build.Run(); {
	case ctx.Err() != nil:
		return 1, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return 1, fmt.Errorf("the program that has it is in a module of its own, to be built first: %w", err)
	case err != nil:
		return 1, fmt.Errorf("go build in %s: %w", dir, err)
	}

	run := exec.CommandContext(ctx, program, args...)
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, stdout, stderr
	run.Cancel = func() error {
		// If this fails, as it does on Windows, Ctrl-C has reached the program by itself.
		_ = run.Process.Signal(os.Interrupt)
		return nil
	}
	run.WaitDelay = 5 * time.Second // it gives requests under way two
	err = run.Run()
	if run.ProcessState == nil || !run.ProcessState.Exited() {
		return 1, err // not started, or killed
	}
	return run.ProcessState.ExitCode(), nil
}
