// Tuning measures what each decision in weir's hot path is worth: it undoes them
// one at a time, or tries another way, in copies of the code, and measures each
// beside the code as it is. It writes docs/benchmarks/tuning.json, and the section
// of docs/benchmarks.md that is made from it.
//
//	go run ./cmd/tuning                  # all trials; some ten minutes
//	go run ./cmd/tuning -only '^chunk-'  # some, by name; prints, and writes nothing
//	go run ./cmd/tuning -apply           # measures nothing: do all trials still compile?
//
// Run it in bench/, and let nothing else run on the machine meanwhile. It fails if
// what a trial's text claims did not come true.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"time"

	"github.com/weirhq/weir/bench/report"
	"github.com/weirhq/weir/bench/tuning"
)

func main() {
	rounds := flag.Int("rounds", 10, "`number` of measurements of each row, at most")
	only := flag.String("only", "", "the trials whose names match this `regexp`; nothing is written then")
	apply := flag.Bool("apply", false, "only build all trials")
	docs := flag.String("docs", "../docs", "`directory` of benchmarks.md and benchmarks/")
	flag.Parse()
	if err := run(*rounds, *only, *docs, *apply); err != nil {
		fmt.Fprintln(os.Stderr, "tuning:", err)
		os.Exit(1)
	}
}

func run(rounds int, only, docs string, apply bool) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	r := &tuning.Runner{Root: "..", Rounds: rounds, Log: os.Stdout}
	if apply {
		return r.BuildAll()
	}
	results, untrue := r.Run(match)
	if results == nil {
		return untrue
	}
	if only != "" {
		return untrue
	}
	results.Date = time.Now().UTC().Format(time.DateOnly)
	results.Go = runtime.Version()
	results.System = runtime.GOOS + "/" + runtime.GOARCH
	results.CPU = report.CPU()
	results.Cores = runtime.NumCPU()
	results.Commit = report.Commit()
	results.Command = fmt.Sprintf("go run ./cmd/tuning -rounds %d", rounds)
	if err := results.Save(report.TuningFile(docs)); err != nil {
		return err
	}
	all, err := report.LoadFile(report.ResultsFile(docs))
	if err != nil {
		return err
	}
	if err := all.Write(docs, ""); err != nil {
		return err
	}
	return untrue
}
