package redisbench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/weirhq/weir/bench/workload"
	"github.com/weirhq/weir/weirredis/redistest"
)

// A Job is one subject under one load, by so many callers.
type Job struct {
	Subject string
	Load    string
	At      Point
}

// A Point is by how many a server is asked: so many processes, with so many callers
// each.
type Point struct {
	Processes int `json:"processes"`
	Callers   int `json:"callers"` // in each process
}

// A Result is what one run of a job measured.
type Result struct {
	Job
	Round int
	Ended string // why there is nothing below; empty for a run that came to its end

	Count                   // of all processes together
	PerSecond       float64 // decisions
	P50, P99, P999  int64   // ns; of all requests, failed ones included
	Commands        float64 // that the server ran for a decision, those of scripts included
	Scripts         float64 // of them
	ServerNs        float64 // of the server's processor time, for a decision
	Busy            float64 // the server's processor time as a part of one processor's
	ObjectsDecision float64
	Check           workload.Check
}

// A Runner measures on one server.
type Runner struct {
	Server *redistest.Server
	Self   string        // a program that calls [Work] with what follows -worker
	For    time.Duration // a round measures a job
	Keys   int           // that are drawn from
	runs   int
}

// patience is how long a run may take besides measuring.
const patience = 20 * time.Second

// Measure runs a job, in processes of its own. What comes after an error of it is a
// Result that says so; the error is of the server, or of ctx.
func (r *Runner) Measure(ctx context.Context, j Job) (Result, error) {
	result := Result{Job: j}
	load, ok := LoadNamed(j.Load)
	if !ok {
		return result, fmt.Errorf("no load is named %q", j.Load)
	}
	before, after, counts, err := r.together(ctx, j.At.Processes, Spec{
		Subject: j.Subject, Load: j.Load, Callers: j.At.Callers, For: r.For / time.Duration(j.At.repeats()),
	})
	var fault *workerError
	if errors.As(err, &fault) {
		result.Ended = fault.text
		return result, nil
	}
	if err != nil {
		return result, err
	}
	return result, result.fill(load, before, after, counts)
}

// Shortcuts measures what is decided without the server.
func (r *Runner) Shortcuts(ctx context.Context) ([]Shortcut, error) {
	_, _, counts, err := r.together(ctx, 1, Spec{For: r.For})
	if err != nil {
		return nil, err
	}
	return counts[0].Shortcuts, nil
}

// fill works out what is told of a run.
func (r *Result) fill(load Load, before, after reading, counts []Count) error {
	all := newHistogram()
	for _, c := range counts {
		r.add(c)
		r.PerSecond += float64(c.decided()) / c.Took.Seconds()
		h, err := hdrhistogram.Decode(c.Latency)
		if err != nil {
			return fmt.Errorf("%s: its histogram: %w", r.Subject, err)
		}
		all.Merge(h)
	}
	r.P50, r.P99, r.P999 = all.ValueAtQuantile(50), all.ValueAtQuantile(99), all.ValueAtQuantile(99.9)
	if n := float64(r.decided()); n > 0 {
		r.Commands = float64(after.commands-before.commands) / n
		r.Scripts = float64(after.scripts-before.scripts) / n
		r.ServerNs = float64(after.busy-before.busy) / n
		r.ObjectsDecision = float64(r.Objects) / n
	}
	span := after.clock - before.clock
	r.Busy = float64(after.busy-before.busy) / float64(span)
	r.Check = load.check(r.decided(), r.Admitted, span)
	return nil
}

// together runs that many workers at once, and reads the server just before they begin
// and after all have told their counts.
func (r *Runner) together(ctx context.Context, n int, s Spec) (before, after reading, counts []Count, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience+3*s.For, &workerError{fmt.Sprintf("not ended in %v", patience+3*s.For)})
	defer cancel()
	r.runs++
	s.Addr, s.Keys, s.Run = r.Server.Addr(), r.Keys, r.runs
	workers := make([]*worker, n)
	for i := range workers {
		s.Process = i
		if workers[i], err = startWorker(ctx, r.Self, s); err != nil {
			return before, after, nil, err
		}
		defer workers[i].kill()
	}
	for _, w := range workers {
		if err := w.expect(ctx, ready); err != nil {
			return before, after, nil, err
		}
	}
	if before, err = read(r.Server, true); err != nil {
		return before, after, nil, err
	}
	for _, w := range workers {
		if _, err := io.WriteString(w.in, begin+"\n"); err != nil {
			return before, after, nil, w.fault(ctx, err)
		}
	}
	counts = make([]Count, n)
	for i, w := range workers {
		if err := w.count(ctx, &counts[i]); err != nil {
			return before, after, nil, err
		}
	}
	if after, err = read(r.Server, false); err != nil {
		return before, after, nil, err
	}
	for _, w := range workers {
		if err := w.end(ctx); err != nil {
			return before, after, nil, err
		}
	}
	return before, after, counts, nil
}

// A worker is a process that measures.
type worker struct {
	command *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errs    bytes.Buffer
	ended   bool
}

// A workerError is a worker's own: it ends its run, and no other.
type workerError struct{ text string }

func (e *workerError) Error() string { return e.text }

func startWorker(ctx context.Context, self string, s Spec) (*worker, error) {
	spec, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	w := &worker{command: exec.CommandContext(ctx, self, "-worker", string(spec))}
	w.command.Stderr = &w.errs
	if w.in, err = w.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	return w, w.command.Start()
}

// expect waits for a word of the worker.
func (w *worker) expect(ctx context.Context, word string) error {
	line, err := w.out.ReadString('\n')
	if err != nil {
		return w.fault(ctx, err)
	}
	if line != word+"\n" {
		return fmt.Errorf("a worker says %q, want %q", line, word)
	}
	return nil
}

func (w *worker) count(ctx context.Context, c *Count) error {
	line, err := w.out.ReadBytes('\n')
	if err != nil {
		return w.fault(ctx, err)
	}
	return json.Unmarshal(line, c)
}

// end has the worker give back what it has, and waits for it.
func (w *worker) end(ctx context.Context) error {
	_ = w.in.Close() // it fails only for one who has ended
	w.ended = true
	if err := w.command.Wait(); err != nil {
		return w.explain(ctx, err)
	}
	return nil
}

// fault is what a worker that has ended too soon says of it.
func (w *worker) fault(ctx context.Context, err error) error {
	if end := w.end(ctx); end != nil {
		return end
	}
	return &workerError{err.Error()}
}

func (w *worker) explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	first, _, _ := strings.Cut(w.errs.String(), "\n")
	if first == "" {
		first = err.Error()
	}
	return &workerError{"failed: " + first}
}

// kill ends a worker that has not been waited for.
func (w *worker) kill() {
	if !w.ended {
		w.ended = true
		_ = w.command.Process.Kill()
		_ = w.command.Wait()
	}
}
