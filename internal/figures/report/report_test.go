package report

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// output is what go test prints, shortened; Floor twice, and with lines between
// that are no benchmark's.
const output = `goos: linux
goarch: amd64
pkg: github.com/weirhq/weir
cpu: Some CPU @ 3.00GHz
BenchmarkFloor-2    	 1000	        44.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkFloor-2    	 1000	        46.00 ns/op	       0 B/op	       0 allocs/op
BenchmarkFloor-2    	 1000	       900.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkNamed
BenchmarkRefusedParallel/procs=1-2 	 5	 30.5 ns/op
    bench_test.go:1: something logged
BenchmarkGrow/table=weir-2 	 1	 1325054232 ns/op	 2.1e+06 max-ns	 59952 p99.99-ns
PASS
ok  	github.com/weirhq/weir	5.113s
`

func TestParse(t *testing.T) {
	run, err := Parse(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	want := Run{CPU: "Some CPU @ 3.00GHz", Count: 1, Medians: map[string]map[string]float64{
		"Floor":                   {"ns/op": 46, "B/op": 0, "allocs/op": 0},
		"RefusedParallel/procs=1": {"ns/op": 30.5},
		"Grow/table=weir":         {"ns/op": 1325054232, "max-ns": 2.1e6, "p99.99-ns": 59952},
	}}
	if !reflect.DeepEqual(run, want) {
		t.Errorf("%+v, want\n%+v", run, want)
	}
}

func TestParseErrors(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":    "PASS\n",
		"iterations": "BenchmarkFloor-2 many 44 ns/op\n",
		"no pairs":   "BenchmarkFloor-2 1000\n",
		"odd":        "BenchmarkFloor-2 1000 44 ns/op 3\n",
		"value":      "BenchmarkFloor-2 1000 fast ns/op\n",
	} {
		if run, err := Parse(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %+v", name, run)
		}
	}
}

func TestTrimProcs(t *testing.T) {
	for name, want := range map[string]string{
		"Floor": "Floor", "Floor-2": "Floor", "Floor-128": "Floor", "A/b=1-16": "A/b=1", "A/b=x-y": "A/b=x-y", "A-": "A-", "": "",
	} {
		if got := trimProcs(name); got != want {
			t.Errorf("trimProcs(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2, 100}, 3}} {
		values := slices.Clone(c.values)
		if got := Median(values); got != c.want || !slices.Equal(values, c.values) {
			t.Errorf("Median(%v) = %v and leaves %v, want %v", c.values, got, values, c.want)
		}
	}
}

// exemplary meets every bar, exactly where a bar can be met exactly.
func exemplary() Run {
	hot := func(ns float64) map[string]float64 { return map[string]float64{nsPerOp: ns, allocsPerOp: 0} }
	return Run{
		Date: "2026-01-31", Go: "go1.26.0", System: "linux/amd64", Cores: 2, Count: 5, Command: "go test -bench .",
		Medians: map[string]map[string]float64{
			floor: hot(40), floorCounted: hot(45), exactAdmitted: hot(50), exactRefused: hot(50), coarseAdmit: hot(24), coarseRefused: hot(24),
			refusedOnOne: hot(36), refusedOnTwo: hot(20),
			millionArray: hot(400), millionWeir: hot(440),
			floodStrict:  {nsPerOp: 880, "B/maxkey": 64, "raises": 50},
			floodLenient: {nsPerOp: 880, "B/maxkey": 64, "raises": 50},
			growArray:    {"p99.9-ns": 1000, "p99.99-ns": 1000, "max-ns": 2e6},
			growMutex:    {"p99.9-ns": 1000, "p99.99-ns": 40_000, "max-ns": 40e6},
			growWeir:     {"p99.9-ns": 1500, "p99.99-ns": 2000, "max-ns": 3e6},
			memoryIdle:   {"B": 32768}, memoryMillion: {"B/key": 36}, memory10M: {"B/key": 36},
		},
	}
}

// Every bar is met by the exemplary run and missed by one that is a little worse
// in one figure.
func TestBars(t *testing.T) {
	if run := exemplary(); run.Misses() != 0 || len(run.Missing()) != 0 || !strings.HasSuffix(run.Table(), "\nAll bars are met.\n") {
		t.Fatalf("%v\n%s", run.Missing(), run.Table())
	}
	for _, c := range []struct {
		benchmark, unit string
		factor          float64
	}{
		{exactAdmitted, nsPerOp, 1.01}, {exactRefused, nsPerOp, 1.01}, {coarseAdmit, nsPerOp, 1.01}, {coarseRefused, nsPerOp, 1.01},
		{refusedOnTwo, nsPerOp, 1.01}, {millionWeir, nsPerOp, 1.06}, {floodStrict, nsPerOp, 1.01}, {floodLenient, nsPerOp, 1.01},
		{floodStrict, "B/maxkey", 1.01}, {floodLenient, "B/maxkey", 1.01}, {memoryIdle, "B", 1.01},
		{memoryMillion, "B/key", 1.01}, {memory10M, "B/key", 1.01},
		{growWeir, "p99.9-ns", 1.01}, {growWeir, "p99.99-ns", 1.01}, {growWeir, "max-ns", 1.01},
	} {
		run := exemplary()
		run.Medians[c.benchmark][c.unit] *= c.factor
		if table := run.Table(); run.Misses() != 1 || strings.Count(table, "**missed**") != 1 || !strings.HasSuffix(table, "\n1 bar not met.\n") {
			t.Errorf("%s %s worse: %d misses\n%s", c.benchmark, c.unit, run.Misses(), table)
		}
	}
	for _, benchmark := range []string{exactAdmitted, exactRefused, coarseAdmit, coarseRefused} {
		run := exemplary()
		run.Medians[benchmark][allocsPerOp] = 1
		if run.Misses() != 1 {
			t.Errorf("%s allocates: %d misses", benchmark, run.Misses())
		}
	}
}

// What was not measured is never taken to be met.
func TestMissing(t *testing.T) {
	for _, benchmark := range slices.Sorted(maps.Keys(exemplary().Medians)) {
		run := exemplary()
		delete(run.Medians, benchmark)
		if len(run.Missing()) == 0 || run.Misses() == 0 || !strings.Contains(run.Table(), "**not measured**") {
			t.Errorf("without %s: %v, %d misses\n%s", benchmark, run.Missing(), run.Misses(), run.Table())
		}
	}
}

// A flood that was too short to reach the memory bound proves nothing.
func TestShortFlood(t *testing.T) {
	for _, flood := range []string{floodStrict, floodLenient} {
		run := exemplary()
		run.Medians[flood]["raises"] = 0
		if len(run.Missing()) != 2 || strings.Count(run.Table(), "**not measured**") != 2 {
			t.Errorf("%s: %v\n%s", flood, run.Missing(), run.Table())
		}
	}
}

func TestTable(t *testing.T) {
	table := exemplary().Table()
	for _, want := range []string{
		"Measured on 2026-01-31 with go1.26.0 on linux/amd64, processor unknown, 2 cores; medians of 5 rounds of:\n\n    go test -bench .\n\n| what |",
		"\n| floor: one clock read, one XXH64, one CAS | 40.0 ns | | | |\n",
		"\n| `Allow` on a hot key, admitted | 50.0 ns, 0 allocations | 1.25 × floor | ≤ 1.25 × floor, 0 allocations | met |\n",
		"\n| refusals of one hot key on 2 cores | 20.0 ns | 1.80 × the throughput of one core | ≥ 1.8 × one core | met |\n",
		"\n| memory of an idle `Limiter` | 32,768 B | | ≤ 32,768 B | met |\n",
		"\n| growing to 2 M keys, 99.99th percentile | 2.00 µs | 2.00 × array, 1/20.0 of mutex map | ≤ 1.5 × array, or ≤ 1/20 of mutex map | met |\n",
		"\n| growing to 2 M keys, slowest decision | 3.00 ms | array 2.00 ms, mutex map 40.0 ms | ≤ array + 1 ms | met |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "docs", "medians.json")
	if err := exemplary().Save(file); err != nil {
		t.Fatal(err)
	}
	if run, err := Load(file); err != nil || !reflect.DeepEqual(run, exemplary()) {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestReplace(t *testing.T) {
	readme := "above\n" + begin + "old\n" + end + "below\n"
	got, err := Replace(readme, "new\n")
	if want := "above\n" + begin + "\nnew\n\n" + end + "below\n"; got != want || err != nil {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	if between, err := Between(got); between != "new\n" || err != nil {
		t.Errorf("%q, %v", between, err)
	}
	if again, err := Replace(got, "new\n"); again != got || err != nil {
		t.Errorf("a second time: %q, %v", again, err)
	}
	for _, bad := range []string{"", begin, end, begin + begin + end, end + begin} {
		if got, err := Replace(bad, "new\n"); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{nanos(0.5), "0.50 ns"}, {nanos(9.996), "10.0 ns"}, {nanos(43.21), "43.2 ns"}, {nanos(432.1), "432 ns"},
		{nanos(1234), "1.23 µs"}, {nanos(59952), "60.0 µs"}, {nanos(2.142e6), "2.14 ms"}, {nanos(1.5e9), "1500 ms"},
		{amount(30.48), "30.5"}, {amount(36), "36"}, {amount(9000), "9,000"}, {amount(1234567.8), "1,234,568"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
