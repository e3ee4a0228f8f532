package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/subject"
	"github.com/weirhq/weir/bench/workload"
)

// A job is one subject under one workload.
type job struct {
	subject  subject.Subject
	workload workload.Workload
}

// memoryCap is how much a run may take from the system: 10 M keys of the largest
// limiter that is any good fit twice.
const memoryCap = 8 << 30

// patience is how long a run may take before it is cut off.
func patience(quick bool) time.Duration {
	if quick {
		return 15 * time.Second
	}
	return 2 * time.Minute
}

// runAll runs every job once a round, each in a process of its own, so that no
// one's memory or garbage disturbs another. The order is shuffled, by a fixed
// seed: the machine's drift favours nobody.
func runAll(jobs []job, rounds int, quick bool) ([]workload.Result, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var results []workload.Result
	start := time.Now()
	all := rounds * len(jobs)
	for round := range rounds {
		for _, i := range rng.Perm(len(jobs)) {
			result, err := runOne(self, jobs[i], quick)
			if err != nil {
				return nil, err
			}
			result.Round = round
			results = append(results, result)
			progress(len(results), all, time.Since(start), result)
		}
	}
	return results, nil
}

// progress tells how far it is, and what has just been measured.
func progress(done, all int, took time.Duration, r workload.Result) {
	left := time.Duration(float64(took) / float64(done) * float64(all-done))
	what := r.Ended
	switch {
	case what != "":
	case r.NsPerOp == 0 && r.Latency != nil: // its requests come at a fixed rate
		what = fmt.Sprintf("slowest %v", time.Duration(r.Latency.Max))
	default:
		what = fmt.Sprintf("%.1f ns, %.2f × floor", r.NsPerOp, r.Floors)
	}
	for _, c := range r.Checks {
		if fault := c.Fault(); fault != "" {
			what += "; " + fault
		}
	}
	fmt.Fprintf(os.Stderr, "%4d/%d  %s, about %s left  %s, %s: %s\n", done, all,
		took.Round(time.Second), left.Round(time.Second), r.Subject, r.Workload, what)
}

// runOne runs a job in a process of its own. A run that fails, or takes too long
// or too much memory, is a result too.
func runOne(self string, j job, quick bool) (workload.Result, error) {
	name := j.subject.Name + "/" + j.workload.Name
	result := workload.Result{Subject: j.subject.Name, Workload: j.workload.Name}
	limit := patience(quick)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, self, "-measure", name, fmt.Sprintf("-quick=%t", quick))
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if ctx.Err() != nil {
		result.Ended = fmt.Sprintf("not ended in %v", limit)
		return result, nil
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		first, _, _ := strings.Cut(errs.String(), "\n")
		result.Ended = fmt.Sprintf("failed: %s", first)
		return result, nil
	}
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		return result, fmt.Errorf("%s: %w in %q", name, err, out.String())
	}
	return result, nil
}

// measure is what the process of one run does.
func measure(name string, setup workload.Setup) error {
	// A workload's name has no slash; a subject's may.
	cut := strings.LastIndexByte(name, '/')
	s, err := peers.Named(name[:cut])
	if err != nil {
		return err
	}
	for _, w := range workload.All() {
		if w.Name != name[cut+1:] {
			continue
		}
		go watchMemory(workload.Result{Subject: s.Name, Workload: w.Name})
		result, err := w.Run(s, setup)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	}
	return fmt.Errorf("no workload is named %q", name[cut+1:])
}

// watchMemory ends the process with a result that says why, once it has taken too
// much.
func watchMemory(r workload.Result) {
	for {
		time.Sleep(100 * time.Millisecond)
		if taken := workload.FromSystem(); taken > memoryCap {
			r.Ended = fmt.Sprintf("took more than %d GiB", memoryCap>>30)
			if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
}
