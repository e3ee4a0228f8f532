package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"

	"golang.org/x/perf/benchfmt"
)

// A Sample is what one process measured of a row: the fastest of its runs.
type Sample struct {
	Nanos  float64 // an op
	Allocs float64 // an op, rounded down
	Bytes  float64 // allocated an op, rounded down
}

// ErrMissing is the error of a row that the test binary does not have.
var ErrMissing = errors.New("no such benchmark")

// Measure takes a sample of the row in a process of its own, so that the memory
// which a table happens to get is another one each time.
func Measure(ctx context.Context, binary string, row Row) (Sample, error) {
	cmd := exec.CommandContext(ctx, binary, "-test.run", "^$", "-test.bench", row.pattern(), "-test.benchmem",
		"-test.benchtime", row.Time, "-test.count", strconv.Itoa(row.Runs), "-test.timeout", "2m")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return Sample{}, ctx.Err()
		}
		return Sample{}, fmt.Errorf("benchmark %s: %w\n%s", row.Bench, err, out.Bytes())
	}
	return parse(row, &out)
}

// parse reads what the test binary printed: one line of the row for each run. A
// line of another benchmark is an error, and so is one that cannot be read; none
// at all is ErrMissing.
func parse(row Row, out io.Reader) (Sample, error) {
	var best Sample
	runs := 0
	for lines := benchfmt.NewReader(out, row.Bench); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return Sample{}, err
			}
			break
		}
		switch line := lines.Result().(type) {
		case *benchfmt.SyntaxError:
			return Sample{}, line
		case *benchfmt.Result:
			s, err := sample(row, line)
			if err != nil {
				return Sample{}, err
			}
			if runs == 0 || s.Nanos < best.Nanos {
				best = s
			}
			runs++
		}
	}
	switch runs {
	case 0:
		return Sample{}, fmt.Errorf("%s: %w", row.Bench, ErrMissing)
	case row.Runs:
		return best, nil
	}
	return Sample{}, fmt.Errorf("benchmark %s: %d runs, want %d", row.Bench, runs, row.Runs)
}

// sample is one line of the output.
func sample(row Row, line *benchfmt.Result) (Sample, error) {
	base, parts := line.Name.Parts()
	name := string(base)
	for _, p := range parts {
		if p[0] == '/' { // and not the number of processors
			name += string(p)
		}
	}
	if name != row.Bench {
		return Sample{}, fmt.Errorf("benchmark %s: a result of %s", row.Bench, name)
	}
	seconds, ok := line.Value("sec/op")
	if !ok || !(seconds > 0) {
		return Sample{}, fmt.Errorf("benchmark %s: no time in %v", row.Bench, line.Values)
	}
	allocs, ok := line.Value("allocs/op")
	bytes, also := line.Value("B/op")
	if !ok || !also {
		return Sample{}, fmt.Errorf("benchmark %s: no allocations in %v", row.Bench, line.Values)
	}
	return Sample{Nanos: seconds * 1e9, Allocs: allocs, Bytes: bytes}, nil
}
