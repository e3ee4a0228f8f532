// Report measures limiters side by side and writes what came of it: the figures
// as JSON, docs/benchmarks.md with its charts, and the table in the README.
//
//	go run ./cmd/report                     # everything; some hours
//	go run ./cmd/report -quick              # small sizes, one round; 3 minutes
//	go run ./cmd/report -only '^weir/|/hot' # some, by subject/workload
//	go run ./cmd/report -render             # measures nothing: from the JSON
//	go run ./cmd/report -check              # fails if a file differs from the JSON
//
// Run it in bench/, and let nothing else run on the machine meanwhile.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/report"
	"github.com/weirhq/weir/bench/subject"
	"github.com/weirhq/weir/bench/workload"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 0, "`number` of times that everything is measured (default 5, with -quick 1)")
	flag.BoolVar(&o.quick, "quick", false, "small sizes and short times, to see that it works")
	flag.StringVar(&o.only, "only", "", "measure only what matches this `regexp`: subject/workload")
	flag.BoolVar(&o.render, "render", false, "measure nothing: write the files from the JSON")
	flag.BoolVar(&o.check, "check", false, "write nothing: fail if a file is not what the JSON says")
	flag.StringVar(&o.docs, "o", "../docs", "`directory` for benchmarks.md and benchmarks/")
	flag.StringVar(&o.readme, "readme", "../README.md", "`file` with the marks between which the table goes; empty for none")
	one := flag.String("measure", "", "measure this `subject/workload` here, once, and print JSON: what the report calls itself with")
	flag.Parse()
	o.rounds = cmp.Or(o.rounds, map[bool]int{true: 1, false: 5}[o.quick])

	var err error
	switch {
	case *one != "":
		err = measure(*one, setup(o.quick))
	case o.render, o.check:
		err = o.fromJSON()
	default:
		err = o.all()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds        int
	quick         bool
	only          string
	render, check bool
	docs, readme  string
}

func setup(quick bool) workload.Setup {
	if quick {
		return workload.Quick()
	}
	return workload.Full()
}

func (o options) fromJSON() error {
	r, err := report.LoadFile(report.ResultsFile(o.docs))
	if err != nil {
		return err
	}
	if o.check {
		return r.Check(o.docs, o.readme)
	}
	return r.Write(o.docs, o.readme)
}

// all measures everything that is asked for and writes the report.
func (o options) all() error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	r := o.newReport()
	if err := r.Writable(o.readme); err != nil { // now, and not in some hours
		return err
	}
	subjects, workloads, jobs := o.jobs(only)
	if len(jobs) == 0 {
		return fmt.Errorf("nothing matches %q", o.only)
	}
	results, err := runAll(jobs, o.rounds, o.quick)
	if err != nil {
		return err
	}
	r.Describe(subjects, workloads)
	r.Summarize(results)
	if err := r.Save(report.ResultsFile(o.docs)); err != nil {
		return err
	}
	fmt.Printf("%s\n", r.Table())
	return r.Write(o.docs, o.readme)
}

// jobs are the pairs that make sense and are asked for, and who is in them.
func (o options) jobs(only *regexp.Regexp) (subjects []subject.Subject, workloads []workload.Workload, jobs []job) {
	used := map[string]bool{}
	for _, w := range workload.All() {
		for _, s := range peers.All() {
			if w.Misfit(s) == "" && !(w.Big && o.quick) && only.MatchString(s.Name+"/"+w.Name) {
				jobs = append(jobs, job{s, w})
				used[s.Name], used[w.Name] = true, true
			}
		}
		if used[w.Name] {
			workloads = append(workloads, w)
		}
	}
	for _, s := range peers.All() {
		if used[s.Name] {
			subjects = append(subjects, s)
		}
	}
	return subjects, workloads, jobs
}

func (o options) newReport() *report.Report {
	return &report.Report{
		Date:    time.Now().UTC().Format(time.DateOnly),
		Go:      runtime.Version(),
		System:  runtime.GOOS + "/" + runtime.GOARCH,
		CPU:     report.CPU(),
		Cores:   runtime.NumCPU(),
		Commit:  report.Commit(),
		Command: o.command(),
		Quick:   o.quick,
		Rounds:  o.rounds,
		Setup:   setup(o.quick),
	}
}

// command is how to measure the same again; where the files go is not part of it.
func (o options) command() string {
	text := "go run ./cmd/report"
	if o.quick {
		text += " -quick"
	}
	text += fmt.Sprintf(" -rounds %d", o.rounds)
	if o.only != "" {
		text += " -only '" + o.only + "'"
	}
	return text
}
