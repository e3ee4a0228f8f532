// Figures measures: it runs the benchmarks of weir once, keeps the medians in
// docs/benchmarks.json, and puts the table of them, with the bars that the
// design demands and whether they are met, into the README.
//
//	go run ./internal/figures             # from the top of the repository; some minutes
//	go run ./internal/figures -dry        # the table on the standard output, nothing written
//	go run ./internal/figures -render     # only the README, from docs/benchmarks.json
//
// Let nothing else run on the machine meanwhile. A bar that is missed is no
// failure of the tool: the table says so. The exit status is 1 if a benchmark
// fails or one that the table wants is missing; then nothing is written.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/weirhq/weir/internal/figures/report"
)

const (
	readmeFile  = "README.md"
	mediansFile = "docs/benchmarks.json"
)

func main() {
	count := flag.Int("count", 5, "`rounds` of all benchmarks, of which the medians are taken")
	benchtime := flag.String("benchtime", "", "`time` of each run, as go test -benchtime takes it; its default if empty")
	dry := flag.Bool("dry", false, "print the table and write nothing")
	render := flag.Bool("render", false, "measure nothing: write the README from "+mediansFile)
	flag.Parse()
	if err := run(*count, *benchtime, *dry, *render); err != nil {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func run(count int, benchtime string, dry, render bool) error {
	if _, err := os.Stat("bench_test.go"); err != nil {
		return fmt.Errorf("run it from the top of the repository: %w", err)
	}
	var measured report.Run
	var err error
	if render {
		measured, err = report.Load(mediansFile)
	} else {
		measured, err = measure(count, benchtime)
	}
	if err != nil {
		return err
	}
	fmt.Printf("\n%s", measured.Table())
	if missing := measured.Missing(); len(missing) > 0 {
		return fmt.Errorf("not measured:\n\t%s", strings.Join(missing, "\n\t"))
	}
	if dry {
		return nil
	}
	if !render {
		if err := measured.Save(mediansFile); err != nil {
			return err
		}
	}
	readme, err := os.ReadFile(readmeFile)
	if err != nil {
		return err
	}
	text, err := report.Replace(string(readme), measured.Table())
	if err != nil {
		return fmt.Errorf("%s: %w", readmeFile, err)
	}
	return os.WriteFile(readmeFile, []byte(text), 0o644)
}

// measure runs all benchmarks once, as often as asked for, and shows their output
// as it comes. Rounds and not -count: what is compared then lies close together
// in time, and the machine's drift does not favour one side.
func measure(count int, benchtime string) (report.Run, error) {
	args := []string{"test", "-run", "^$", "-bench", report.Bench, "-timeout", "1h"}
	if benchtime != "" {
		args = append(args, "-benchtime", benchtime)
	}
	args = append(args, ".")
	var output bytes.Buffer
	for range count {
		command := exec.Command("go", args...)
		command.Stdout = io.MultiWriter(os.Stdout, &output)
		command.Stderr = os.Stderr
		if err := command.Run(); err != nil {
			return report.Run{}, fmt.Errorf("%s: %w", shell(args), err)
		}
	}
	measured, err := report.Parse(&output)
	if err != nil {
		return report.Run{}, err
	}
	measured.Date = time.Now().UTC().Format(time.DateOnly)
	measured.Go = runtime.Version()
	measured.System = runtime.GOOS + "/" + runtime.GOARCH
	measured.Cores = runtime.NumCPU()
	measured.Command = shell(args)
	return measured, nil
}

// shell is the command as one would type it.
func shell(args []string) string {
	words := []string{"go"}
	for _, a := range args {
		if strings.ContainsAny(a, "^$()|") {
			a = "'" + a + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
