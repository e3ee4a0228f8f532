// Redis measures weirredis beside other limiters that count on a Redis or Valkey
// server, and writes what came of it: the figures as JSON, and docs/benchmarks-redis.md
// with its charts.
//
//	go run ./cmd/redis                           # everything; some 15 minutes
//	go run ./cmd/redis -quick                    # few points, short; under 2 minutes
//	go run ./cmd/redis -only '^weirredis/|/hot'  # some, by subject/load
//	go run ./cmd/redis -render                   # measures nothing: from the JSON
//	go run ./cmd/redis -check                    # fails if a file differs from the JSON
//
// A quick run prints its page, and writes it only where -o says. It starts a server of
// its own, redis-server or valkey-server in PATH. Run it in bench/, and let nothing
// else run on the machine meanwhile. It fails if weirredis admitted more than its
// quota, or a run failed.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/weirhq/weir/bench/redisbench"
	"github.com/weirhq/weir/bench/report"
	"github.com/weirhq/weir/weirredis/redistest"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "`number` of times that everything is measured (default 5, with -quick 1)")
	flag.DurationVar(&o.span, "for", 0, "`time` that a round measures each subject under each load at each point (default 500 ms, with -quick 100 ms)")
	flag.BoolVar(&o.quick, "quick", false, "few points and short times, to see that it works")
	flag.StringVar(&o.only, "only", "", "measure only what matches this `regexp`: subject/load")
	flag.StringVar(&o.binary, "server", "", "`name` of the server in PATH (default redis-server, else valkey-server)")
	flag.BoolVar(&o.render, "render", false, "measure nothing: write the files from the JSON")
	flag.BoolVar(&o.check, "check", false, "write nothing: fail if a file is not what the JSON says")
	flag.StringVar(&o.docs, "o", "", "`directory` for benchmarks-redis.md and benchmarks/ (default ../docs, with -quick none)")
	worker := flag.String("worker", "", "measure what this `spec` says, in this process: what it calls itself with")
	flag.Parse()
	o.defaults()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *worker != "":
		err = redisbench.Work(*worker, os.Stdin, os.Stdout)
	case o.render, o.check:
		err = o.fromJSON()
	default:
		err = o.all(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "redis:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds        int
	span          time.Duration
	quick         bool
	only, binary  string
	render, check bool
	docs          string
}

func (o *options) defaults() {
	if o.quick {
		o.rounds, o.span = cmp.Or(o.rounds, 1), cmp.Or(o.span, 100*time.Millisecond)
		return
	}
	o.rounds, o.span, o.docs = cmp.Or(o.rounds, 5), cmp.Or(o.span, 500*time.Millisecond), cmp.Or(o.docs, "../docs")
}

// plan is what is measured, and of how many keys those at random are.
func (o options) plan() (p redisbench.Plan, keys int, err error) {
	p = redisbench.Plan{Rounds: o.rounds}
	p.Points, keys = append(append(p.Points, redisbench.ByCallers...), redisbench.ByProcesses...), 100_000
	if o.quick {
		p.Points, keys = []redisbench.Point{{Processes: 1, Callers: 1}, {Processes: 1, Callers: 32}, {Processes: 4, Callers: 8}}, 10_000
	}
	if o.only != "" {
		p.Only, err = regexp.Compile(o.only)
	}
	return p, keys, err
}

func (o options) fromJSON() error {
	if o.docs == "" {
		return fmt.Errorf("-quick writes no JSON by itself: where is it? (-o)")
	}
	r, err := redisbench.LoadFile(redisbench.ResultsFile(o.docs))
	if err != nil {
		return err
	}
	if o.check {
		return r.Check(o.docs)
	}
	return r.Write(o.docs)
}

// all measures everything that is asked for and writes the report.
func (o options) all(ctx context.Context) error {
	p, keys, err := o.plan()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r := o.newReport(keys)
	err = redisbench.WithServer(o.binary, func(s *redistest.Server) error {
		if r.Server, err = redisbench.Version(s); err != nil {
			return err
		}
		runner := &redisbench.Runner{Server: s, Self: self, For: o.span, Keys: keys}
		results, shortcuts, err := runner.All(ctx, p, progress())
		if err != nil {
			return err
		}
		r.Summarize(results, shortcuts)
		return nil
	})
	if err != nil {
		return err
	}
	if o.docs == "" {
		fmt.Print(r.Markdown())
	} else {
		if err := r.Save(redisbench.ResultsFile(o.docs)); err != nil {
			return err
		}
		fmt.Printf("%s\n%s\n", r.Glance(), r.Claims())
		if err := r.Write(o.docs); err != nil {
			return err
		}
	}
	if faults := r.Faults(); len(faults) > 0 {
		return fmt.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	return nil
}

// progress tells how far it is, and what has just been measured.
func progress() func(done, all int, r redisbench.Result) {
	start := time.Now()
	return func(done, all int, r redisbench.Result) {
		took := time.Since(start)
		left := time.Duration(float64(took) / float64(done) * float64(all-done))
		what := r.Ended
		if what == "" {
			what = fmt.Sprintf("%.0f a second, p99 %v", r.PerSecond, time.Duration(r.P99))
		}
		if r.Failed > 0 {
			what += fmt.Sprintf("; %d failed: %s", r.Failed, r.Failure)
		}
		if fault := r.Check.Fault(); fault != "" {
			what += "; " + fault
		}
		fmt.Fprintf(os.Stderr, "%4d/%d  %s, about %s left  %s, %s, %v: %s\n", done, all,
			took.Round(time.Second), left.Round(time.Second), r.Subject, r.Load, r.At, what)
	}
}

func (o options) newReport(keys int) *redisbench.Report {
	return &redisbench.Report{
		Date:    time.Now().UTC().Format(time.DateOnly),
		Go:      runtime.Version(),
		System:  runtime.GOOS + "/" + runtime.GOARCH,
		CPU:     report.CPU(),
		Cores:   runtime.NumCPU(),
		Commit:  report.Commit("../weirredis"),
		Command: o.command(),
		Quick:   o.quick,
		Rounds:  o.rounds,
		For:     o.span,
		Keys:    keys,
	}
}

// command is how to measure the same again; where the files go is not part of it.
func (o options) command() string {
	text := "go run ./cmd/redis"
	if o.quick {
		text += " -quick"
	}
	text += fmt.Sprintf(" -rounds %d -for %v", o.rounds, o.span)
	if o.only != "" {
		text += " -only '" + o.only + "'"
	}
	if o.binary != "" {
		text += " -server " + o.binary
	}
	return text
}
