// Hostile puts a limiter under loads that somebody chose to hurt it, or that a
// bad day brings about: crafted keys, floods, one key that all hammer, clocks that
// stop and jump, quotas that change a thousand times a second. Each scenario
// checks exact figures in closed form, checks that what it is named for did
// happen, and measures one figure, where it can against ordinary load in the same
// run.
//
//	go run ./internal/hostile                  # all but the soak; a minute or so on two cores
//	go run ./internal/hostile -quick           # smaller, 20 s
//	go run ./internal/hostile -run 'clock|gc'  # some
//	go run ./internal/hostile -soak 10m        # and the soak, for that long
//	go run -race ./internal/hostile -quick     # smaller still
//	go run ./internal/hostile -markdown docs/hostile.md
//
// It uses nothing that is not exported. The exit status is 1 if any check fails.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// A scenario is one kind of hostile load.
type scenario struct {
	name    string
	load    string // what is done, for the table
	asserts string // what is checked, for the table
	run     func(t *trial)
}

// scenarios in the order in which they run.
func scenarios() []scenario {
	var all []scenario
	for _, some := range [][]scenario{keyScenarios, floodScenarios, hammerScenarios, quotaScenarios, clockScenarios,
		procScenarios(), gcScenarios, soakScenarios} {
		all = append(all, some...)
	}
	return all
}

func main() {
	list := flag.Bool("list", false, "list the scenarios and run none")
	pattern := flag.String("run", "", "run only the scenarios whose names match this `regexp`")
	soak := flag.Duration("soak", 0, "run the soak too, for this `long`")
	quick := flag.Bool("quick", false, "smaller loads")
	results := flag.String("results", "", "write the results to this `file`, as tab-separated values")
	markdown := flag.String("markdown", "", "write the results to this `file`, as a page with a table")
	flag.Parse()
	if err := run(*list, *pattern, *soak, *quick, *results, *markdown); err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func run(list bool, pattern string, soak time.Duration, quick bool, results, markdown string) error {
	wanted, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var done []outcome
	failed := 0
	began := time.Now()
	for _, s := range scenarios() {
		if !wanted.MatchString(s.name) || s.name == soakName && soak <= 0 && !list {
			continue
		}
		if list {
			fmt.Printf("%-18s %s\n", s.name, s.load)
			continue
		}
		o := play(s, quick, soak)
		fmt.Println(o)
		if done = append(done, o); len(o.problems) > 0 {
			failed++
		}
	}
	switch {
	case list:
		return nil
	case len(done) == 0:
		return fmt.Errorf("no scenario matches %q", pattern)
	}
	fmt.Printf("%d scenarios in %.0f s, %d failed\n", len(done), time.Since(began).Seconds(), failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed", failed, len(done))
	}
	// Only what holds is written down.
	if results != "" {
		if err := os.WriteFile(results, []byte(tsv(done)), 0o644); err != nil {
			return err
		}
	}
	if markdown != "" {
		return os.WriteFile(markdown, []byte(page(done, command())), 0o644)
	}
	return nil
}

// command is how this run was started.
func command() string {
	return strings.Join(append([]string{"go run ./internal/hostile"}, os.Args[1:]...), " ")
}
