package tuning

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
)

// A Runner measures trials. Root is the repository, Log gets what is done.
type Runner struct {
	Root   string
	Rounds int // of each benchmark, unless its row says otherwise
	Log    io.Writer

	dir  string // of the copies and test binaries
	head string // the test binary of the code as it is
}

// Run measures the trials whose names match, in copies that it removes again.
// Claims that did not come true are an error, beside the results.
func (r *Runner) Run(only *regexp.Regexp) (*Results, error) {
	var err error
	if r.dir, err = os.MkdirTemp("", "tuning-"); err != nil {
		return nil, err
	}
	defer os.RemoveAll(r.dir)
	if r.head, err = r.build(Trial{Name: "head"}); err != nil {
		return nil, err
	}
	res := new(Results)
	if res.Profile, err = r.profile(); err != nil {
		return nil, err
	}
	if res.Assembly, err = assembly(r.head); err != nil {
		return nil, err
	}
	var untrue []error
	for _, t := range Trials {
		if !only.MatchString(t.Name) {
			continue
		}
		measured, err := r.try(t)
		if err != nil {
			return nil, fmt.Errorf("trial %s: %w", t.Name, err)
		}
		for _, m := range measured {
			fmt.Fprintf(r.Log, "%-18s %s\n", t.Name, m)
			if err := m.holds(); err != nil {
				untrue = append(untrue, fmt.Errorf("trial %s: %w", t.Name, err))
			}
		}
		res.Trials = append(res.Trials, Tried{Name: t.Name, Rows: measured})
	}
	return res, errors.Join(untrue...)
}

// BuildAll builds every trial, so that none is left behind by the code.
func (r *Runner) BuildAll() (err error) {
	if r.dir, err = os.MkdirTemp("", "tuning-"); err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)
	for _, t := range Trials {
		fmt.Fprintf(r.Log, "%s\n", t.Name)
		if _, err := r.build(t); err != nil {
			return err
		}
	}
	return nil
}

// build makes the test binary of the root package with the trial in it.
func (r *Runner) build(t Trial) (binary string, err error) {
	src, err := r.copy(t)
	if err != nil {
		return "", err
	}
	binary = filepath.Join(r.dir, t.Name+".test")
	return binary, compile(src, append(append([]string{"test", "-c", "-vet=off"}, t.Flags...), "-o", binary, ".")...)
}

// copy copies the root package, and what its tests import, with the trial in it.
func (r *Runner) copy(t Trial) (src string, err error) {
	src = filepath.Join(r.dir, t.Name)
	for _, dir := range []string{"internal", "weirhttp"} { // weirhttp is imported by a test
		if err := os.CopyFS(filepath.Join(src, dir), os.DirFS(filepath.Join(r.Root, dir))); err != nil {
			return "", err
		}
	}
	files, err := filepath.Glob(filepath.Join(r.Root, "*.go"))
	if err != nil {
		return "", err
	}
	for _, file := range append(files, filepath.Join(r.Root, "go.mod"), filepath.Join(r.Root, "go.sum")) {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(src, filepath.Base(file)), text, 0o644); err != nil {
			return "", err
		}
	}
	return src, t.apply(src)
}

// compile runs the go command in dir.
func compile(dir string, args ...string) error {
	build := exec.Command("go", args...)
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off")
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// try measures the trial's rows and those of the code as it is, in turn, each
// first in every second round.
func (r *Runner) try(t Trial) ([]Measured, error) {
	binary := r.head
	if len(t.Edits)+len(t.Flags) > 0 {
		var err error
		if binary, err = r.build(t); err != nil {
			return nil, err
		}
	}
	rows := make([]Measured, len(t.Rows))
	for i, row := range t.Rows {
		rows[i] = Measured{Bench: row.Bench, Unit: row.Unit, Claim: row.Claim}
	}
	for first := 0; first < len(rows); {
		last := first + 1 // rows of one benchmark are measured together
		for last < len(rows) && rows[last].Bench == rows[first].Bench {
			last++
		}
		row := t.Rows[first]
		rounds := r.Rounds
		if row.Rounds > 0 {
			rounds = min(row.Rounds, r.Rounds)
		}
		base := row.Bench
		if row.Head != "" {
			base = row.Head
		}
		for round := range rounds {
			for half := range 2 {
				trial := (round+half)%2 == 1
				file, bench := r.head, base
				if trial {
					file, bench = binary, row.Bench
				}
				values, err := measure(file, bench)
				if err != nil {
					return nil, err
				}
				for i := first; i < last; i++ {
					if err := rows[i].add(values, trial); err != nil {
						return nil, err
					}
				}
			}
		}
		first = last
	}
	for i := range rows {
		rows[i].compare()
	}
	return rows, nil
}

// measure runs one benchmark once and returns its metrics by unit.
func measure(binary, bench string) (map[string]float64, error) {
	time := "150ms"
	if strings.HasPrefix(bench, "Grow") || strings.HasPrefix(bench, "Memory") {
		time = "1x" // one op is millions of decisions
	}
	parts := strings.Split(regexp.QuoteMeta("Benchmark"+bench), "/")
	cmd := exec.Command(binary, "-test.run", "^$", "-test.bench", "^"+strings.Join(parts, "$/^")+"$", "-test.benchtime", time)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", bench, err, text)
	}
	values := map[string]float64{}
	reader := benchfmt.NewReader(bytes.NewReader(text), bench)
	for reader.Scan() {
		if res, ok := reader.Result().(*benchfmt.Result); ok {
			for _, v := range res.Values {
				if v.OrigUnit != "" {
					values[v.OrigUnit] = v.OrigValue
				} else {
					values[v.Unit] = v.Value
				}
			}
		}
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("%s: no such benchmark:\n%s", bench, text)
	}
	return values, reader.Err()
}

// add takes one measurement of either side.
func (m *Measured) add(values map[string]float64, trial bool) error {
	v, ok := values[m.Unit]
	switch {
	case !ok:
		return fmt.Errorf("%s reports no %s", m.Bench, m.Unit)
	case trial:
		m.trial = append(m.trial, v)
	default:
		m.head = append(m.head, v)
	}
	return nil
}

// significant is the chance of an accident that is taken for none.
const significant = 0.05

// compare sums the measurements up: medians, and the p of Mann and Whitney.
func (m *Measured) compare() {
	thresholds := &benchmath.Thresholds{CompareAlpha: significant}
	head, trial := benchmath.NewSample(m.head, thresholds), benchmath.NewSample(m.trial, thresholds)
	m.Head = benchmath.AssumeNothing.Summary(head, 0.95).Center
	m.Trial = benchmath.AssumeNothing.Summary(trial, 0.95).Center
	m.P = benchmath.AssumeNothing.Compare(head, trial).P
	m.Rounds = len(m.head)
}

// holds is an error if the row does not show what is claimed of it.
func (m *Measured) holds() error {
	ok := true
	switch m.Claim {
	case worse:
		ok = m.Trial > m.Head && m.P < significant
	case better:
		ok = m.Trial < m.Head && m.P < significant
	}
	if !ok {
		return fmt.Errorf("%s is not %s: %s", m.Bench, m.Claim, m)
	}
	return nil
}
