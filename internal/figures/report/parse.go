// Package report turns the output of weir's benchmarks into the table of the
// README: it parses, takes medians, and sets what was measured beside the bars
// that the design demands, the misses included.
package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Run is one run of the benchmarks, as docs/benchmarks.json keeps it.
type Run struct {
	Date    string `json:"date"` // 2026-01-31
	Go      string `json:"go"`   // go1.26.0
	System  string `json:"system"`
	CPU     string `json:"cpu"` // as the benchmarks print it; "" where they do not
	Cores   int    `json:"cores"`
	Command string `json:"command"`
	Count   int    `json:"count"` // values that each median is of; the fewest, if they differ

	// Medians are by benchmark, without "Benchmark" and without the number of
	// processors at the end, and by unit: "Allow/clock=exact/outcome=refused",
	// "ns/op".
	Medians map[string]map[string]float64 `json:"medians"`
}

// Parse reads what go test -bench prints: the processor, and the median of the
// values of each benchmark in each unit. The rest of the Run is the caller's to
// fill in. Lines that are no benchmark's are skipped; a benchmark's line that
// cannot be read is an error, and so are none at all.
func Parse(r io.Reader) (Run, error) {
	run := Run{Medians: map[string]map[string]float64{}}
	values := map[string]map[string][]float64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if cpu, ok := strings.CutPrefix(line, "cpu: "); ok {
			run.CPU = strings.TrimSpace(cpu)
		}
		fields := strings.Fields(line)
		// With -v, or before something that was logged, a name stands alone.
		if !strings.HasPrefix(line, "Benchmark") || len(fields) < 2 {
			continue
		}
		name := trimProcs(strings.TrimPrefix(fields[0], "Benchmark"))
		measures, err := parseMeasures(fields[1:])
		if err != nil {
			return Run{}, fmt.Errorf("%q: %w", line, err)
		}
		for unit, value := range measures {
			if values[name] == nil {
				values[name] = map[string][]float64{}
			}
			values[name][unit] = append(values[name][unit], value)
		}
	}
	if err := lines.Err(); err != nil {
		return Run{}, err
	}
	if len(values) == 0 {
		return Run{}, fmt.Errorf("no benchmark in the output")
	}
	for name, units := range values {
		run.Medians[name] = map[string]float64{}
		for unit, v := range units {
			run.Medians[name][unit] = Median(v)
			if run.Count == 0 || len(v) < run.Count {
				run.Count = len(v)
			}
		}
	}
	return run, nil
}

// parseMeasures reads what follows the name: how often it ran, then pairs of a
// value and its unit.
func parseMeasures(fields []string) (map[string]float64, error) {
	if _, err := strconv.ParseInt(fields[0], 10, 64); err != nil {
		return nil, fmt.Errorf("want a number of iterations after the name")
	}
	pairs := fields[1:]
	if len(pairs) == 0 || len(pairs)%2 != 0 {
		return nil, fmt.Errorf("want pairs of a value and a unit after the iterations")
	}
	measures := map[string]float64{}
	for i := 0; i < len(pairs); i += 2 {
		value, err := strconv.ParseFloat(pairs[i], 64)
		if err != nil {
			return nil, fmt.Errorf("want a number in place of %q", pairs[i])
		}
		measures[pairs[i+1]] = value
	}
	return measures, nil
}

// trimProcs cuts off the "-2" that go test adds to a name on two processors. On
// one it adds nothing, so no benchmark's own name may end like that; those of
// key=value do not.
func trimProcs(name string) string {
	i := strings.LastIndexByte(name, '-')
	if i < 0 || i == len(name)-1 {
		return name
	}
	if _, err := strconv.ParseUint(name[i+1:], 10, 32); err != nil {
		return name
	}
	return name[:i]
}

// Median is the middle one of the values, or the mean of the middle two. It
// wants at least one and leaves them in their order.
func Median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// Load reads a Run from the file that [Run.Save] has written.
func Load(file string) (Run, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Run{}, err
	}
	var run Run
	if err := json.Unmarshal(text, &run); err != nil {
		return Run{}, fmt.Errorf("%s: %w", file, err)
	}
	return run, nil
}

// Save writes the Run as JSON, always the same for the same Run. It makes the
// directory if it is not there.
func (run Run) Save(file string) error {
	text, err := json.MarshalIndent(run, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
