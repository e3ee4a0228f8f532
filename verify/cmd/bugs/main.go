// Bugs plants each bug of package planted in the real sources, one at a time, and runs the check that is to find it.
//
//	go run ./cmd/bugs                        each bug by the check it is assigned to
//	go run ./cmd/bugs -all                   each bug by every check
//	go run ./cmd/bugs -bugs no-renew,no-seal-by-operation
//	go run ./cmd/bugs -checks linear         only the bugs assigned to it; with -all, all bugs by it
//
// It fails if a bug is not found by the check it is assigned to, or if a check finds something in the sources as they are.
// Results are appended to the file named by $RESULTS or -results, in fields separated by tabs:
//
//	check  bug  rule  failed, crashed, hung or missed  seconds
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/verify/planted"
)

type options struct {
	all       bool
	root      string // of the library
	histories int
	timeout   time.Duration
	jobs      int
	keep      bool
}

func main() {
	var o options
	var bugs, checks, results string
	flag.BoolVar(&o.all, "all", false, "run every check on every bug")
	flag.StringVar(&bugs, "bugs", "", "only these, separated by commas")
	flag.StringVar(&checks, "checks", "", "only these, separated by commas: unit, linear, schedules")
	flag.StringVar(&results, "results", os.Getenv("RESULTS"), "append results to this file")
	flag.IntVar(&o.histories, "histories", 200_000, "most histories for a bug: what is found in one of 15,000 is then missed once in a million times")
	flag.DurationVar(&o.timeout, "timeout", 2*time.Minute, "of one check of one bug; a bug that makes it hang is found")
	flag.IntVar(&o.jobs, "jobs", 2, "checks at a time")
	flag.BoolVar(&o.keep, "v", false, "print the output of checks that found something")
	flag.Parse()
	if err := run(o, split(bugs), split(checks), results); err != nil {
		fmt.Fprintln(os.Stderr, "bugs:", err)
		os.Exit(1)
	}
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// A task is one check of one bug.
type task struct {
	check planted.Check
	bug   planted.Bug
	outcome
}

func run(o options, names, checks []string, results string) error {
	bugs := planted.All()
	var err error
	if names != nil {
		if bugs, err = planted.Find(names); err != nil {
			return err
		}
	}
	if o.root, err = libraryDir(); err != nil {
		return err
	}
	chosen := func(c planted.Check) bool { return checks == nil || slices.Contains(checks, string(c)) }
	var tasks []*task
	for _, c := range []planted.Check{planted.Unit, planted.Linear, planted.Schedules} {
		var list []*task
		for _, b := range bugs {
			if chosen(c) && (o.all || b.Catch == c) {
				list = append(list, &task{check: c, bug: b})
			}
		}
		if len(list) == 0 {
			continue
		}
		// Without a bug, first: a check that fails anyway finds nothing.
		control := &task{check: c, bug: planted.Bug{Name: "none", Rule: "the sources as they are", Catch: c}}
		if err := o.do(control); err != nil {
			return err
		}
		if err := record(results, control); err != nil {
			return err
		}
		if control.found() {
			return fmt.Errorf("%s finds a bug in the sources as they are:\n%s", c, control.output)
		}
		tasks = append(tasks, list...)
	}
	return o.doAll(tasks, results)
}

// doAll does the tasks, some at a time, and tells whether each assigned check has found its bug.
func (o options) doAll(tasks []*task, results string) error {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failures []string
	missed := 0
	next := make(chan *task)
	for range o.jobs {
		wg.Go(func() {
			for t := range next {
				err := o.do(t)
				mu.Lock()
				if err == nil {
					err = record(results, t)
				}
				switch {
				case err != nil:
					failures = append(failures, err.Error())
				case !t.found() && t.bug.Catch == t.check:
					failures = append(failures, fmt.Sprintf("%s was not found by %s", t.bug.Name, t.check))
				case !t.found():
					missed++
				}
				if o.keep && t.found() {
					fmt.Println(t.output)
				}
				mu.Unlock()
			}
		})
	}
	for _, t := range tasks {
		next <- t
	}
	close(next)
	wg.Wait()
	if failures != nil {
		return fmt.Errorf("%d of %d:\n\t%s", len(failures), len(tasks), strings.Join(failures, "\n\t"))
	}
	fmt.Printf("%d bugs found as they should be; %d times another check missed one\n", len(tasks)-missed, missed)
	return nil
}

// record prints the result, and appends it to the file of results if there is one.
func record(file string, t *task) error {
	line := fmt.Sprintf("%s\t%s\t%s\t%s\t%.1f\n", t.check, t.bug.Name, t.bug.Rule, t.verdict, t.took.Seconds())
	fmt.Print(line)
	if file == "" {
		return nil
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line); err != nil {
		return err
	}
	return f.Close()
}
