package gate

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

const header = "goos: linux\ngoarch: amd64\npkg: github.com/weirhq/weir\ncpu: AMD EPYC\n"

func TestParse(t *testing.T) {
	two := Row{Bench: "Allow/clock=exact/outcome=refused", Runs: 2}
	for _, tt := range []struct {
		name string
		row  Row
		out  string
		want Sample
		err  string // part of it
	}{
		{"the fastest run", two, header +
			"BenchmarkAllow/clock=exact/outcome=refused-2 \t 102825\t        48.26 ns/op\t       1 B/op\t       2 allocs/op\n" +
			"BenchmarkAllow/clock=exact/outcome=refused-2 \t 134850\t        35.84 ns/op\t       3 B/op\t       0 allocs/op\nPASS\n",
			Sample{Nanos: 35.84, Bytes: 3}, ""},
		{"one processor", Row{Bench: "Floor", Runs: 1}, "BenchmarkFloor 100 30 ns/op 0 B/op 0 allocs/op\n", Sample{Nanos: 30}, ""},
		{"metrics of its own", Row{Bench: "Grow/table=weir", Runs: 1},
			"BenchmarkGrow/table=weir-2 1 912761710 ns/op 490403 max-ns 291.0 p50-ns 67000000 B/op 17000 allocs/op\n",
			Sample{Nanos: 912761710, Allocs: 17000, Bytes: 67000000}, ""},
		{"missing", two, header + "PASS\n", Sample{}, "no such benchmark"},
		{"empty", two, "", Sample{}, "no such benchmark"},
		{"another", two, "BenchmarkAllow/clock=exact/outcome=refused/x-2 1 1 ns/op 0 B/op 0 allocs/op\n", Sample{}, "a result of Allow/clock=exact/outcome=refused/x"},
		{"a run too few", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 1 ns/op 0 B/op 0 allocs/op\n", Sample{}, "1 runs, want 2"},
		{"no time", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 0 B/op 0 allocs/op\n", Sample{}, "no time"},
		{"not a time", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 NaN ns/op 0 B/op 0 allocs/op\n", Sample{}, "no time"},
		{"zero", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 0 ns/op 0 B/op 0 allocs/op\n", Sample{}, "no time"},
		{"no allocations", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 1 ns/op\n", Sample{}, "no allocations"},
		{"no number", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1 x ns/op\n", Sample{}, "parsing measurement"},
		{"cut off", two, "BenchmarkAllow/clock=exact/outcome=refused-2 1\n", Sample{}, "missing measurements"},
	} {
		got, err := parse(tt.row, strings.NewReader(tt.out))
		// Seconds and back is not exact.
		if d := got.Nanos - tt.want.Nanos; d > 1e-6 || d < -1e-6 || got.Allocs != tt.want.Allocs || got.Bytes != tt.want.Bytes {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if errors.Is(err, ErrMissing) != (tt.err == "no such benchmark") {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// Whatever is printed, a sample is of the row and has a time.
func FuzzParse(f *testing.F) {
	row := Row{Bench: "Floor", Runs: 1}
	f.Fuzz(func(t *testing.T, out string) {
		s, err := parse(row, strings.NewReader(out))
		if err != nil {
			if s != (Sample{}) {
				t.Errorf("%+v with %v", s, err)
			}
			return
		}
		if !(s.Nanos > 0) || !strings.Contains(out, "BenchmarkFloor") {
			t.Errorf("%+v", s)
		}
	})
}

// The rows are those that they say: each has a pattern that matches it alone.
func TestPatterns(t *testing.T) {
	near := all
	for _, r := range all {
		for _, bench := range []string{
			r.Bench + "1", "Benchmark" + r.Bench,
			strings.Replace(r.Bench, "/", "s/", 1), strings.Replace(r.Bench, "/", "/no-", 1),
		} {
			if bench != r.Bench {
				near = append(near, Row{Bench: bench})
			}
		}
	}
	for _, a := range all {
		matched := 0
		for _, b := range near {
			// As package testing does it: part by part.
			patterns, parts := strings.Split(a.pattern(), "/"), strings.Split("Benchmark"+b.Bench, "/")
			same := len(patterns) == len(parts)
			for i := 0; same && i < len(parts); i++ {
				same = regexp.MustCompile(patterns[i]).MatchString(parts[i])
			}
			if same {
				matched++
			}
		}
		if matched != 1 {
			t.Errorf("%s matches %d rows", a.pattern(), matched)
		}
	}
	if got := len(Named(Rows(), regexp.MustCompile("^hot key,|^Floor$"))); got != 3 {
		t.Errorf("%d rows named, want 3", got)
	}
}

func TestRowsNeedTheirCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, r := range Rows() {
		if r.Bench == "RefusedParallel/procs=2" {
			t.Error("a row for two cores on one")
		}
	}
	runtime.GOMAXPROCS(2)
	if got := len(Rows()); got != len(all) {
		t.Errorf("%d rows on two cores, want %d", got, len(all))
	}
}

// BenchmarkSelf and BenchmarkFails are what TestMeasure measures.
func BenchmarkSelf(b *testing.B) {
	for b.Loop() {
		sink = make([]byte, 100)
	}
}

func BenchmarkFails(b *testing.B) {
	if os.Getenv("GATE_TEST_FAIL") == "" {
		b.Skip("only TestMeasure wants it to fail")
	}
	b.Fatal("on purpose")
}

var sink []byte

func TestMeasure(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Measure(t.Context(), self, Row{Bench: "Self", Time: "1000x", Runs: 3})
	if err != nil || s.Nanos <= 0 || s.Allocs != 1 || s.Bytes != 112 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := Measure(t.Context(), self, Row{Bench: "Nobody", Time: "1x", Runs: 1}); !errors.Is(err, ErrMissing) {
		t.Errorf("a benchmark that is not there: %v", err)
	}
	t.Setenv("GATE_TEST_FAIL", "1")
	if _, err := Measure(t.Context(), self, Row{Bench: "Fails", Time: "1x", Runs: 1}); err == nil || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("a benchmark that fails: %v", err)
	}
	if _, err := Measure(t.Context(), filepath.Join(t.TempDir(), "none"), row); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no binary: %v", err)
	}
	ended, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Measure(ended, self, Row{Bench: "Self", Time: "1m", Runs: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
}
