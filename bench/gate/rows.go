package gate

import (
	"regexp"
	"runtime"
	"strings"
)

// A Row is a benchmark of weir's root package that a change must not slow down.
type Row struct {
	Name  string // in the table
	Bench string // as the benchmark calls itself, without "Benchmark" and the number of processors
	Time  string // of one run, as -test.benchtime takes it
	Runs  int    // of one sample, which is the fastest of them

	NoAllocs bool // a decision must not allocate: allocs/op is 0
	NoBytes  bool // not even once in many decisions: B/op is 0 too
	Control  bool // weir has no part in it: it tells what the machine does, and fails nobody

	cores int // that it takes; on fewer it is left out
}

// The runs of a hot row are very short and many, and the fastest counts: a run of
// 4 ms is often done before the system gives the core to somebody else, and one
// of 25 is so nearly always. With twice as many others at work as there were
// cores, the ratio of the same code to itself had a standard deviation of 0.010;
// of the fastest of ten times 10 ms it was 0.08, of four times 25 ms 0.14, and of
// 100 ms in one 0.13. Where a table is filled first, or grows while it is
// measured, a run is long, and always of the same number of decisions.
const (
	hotTime = "4ms"
	hotRuns = 15
	manyOps = "300000x"
)

var all = []Row{
	{Name: "floor", Bench: "Floor", Time: hotTime, Runs: hotRuns, Control: true},
	hot("hot key, admitted", "Allow/clock=exact/outcome=admitted"),
	hot("hot key, refused", "Allow/clock=exact/outcome=refused"),
	hot("coarse clock, admitted", "Allow/clock=coarse/outcome=admitted"),
	hot("coarse clock, refused", "Allow/clock=coarse/outcome=refused"),
	hot("AllowAt, a reading for 16", "Batch/reading=shared"),
	{Name: "refused on two cores", Bench: "RefusedParallel/procs=2", Time: hotTime, Runs: hotRuns, NoAllocs: true, cores: 2},
	{Name: "a million keys", Bench: "MillionKeys/table=weir", Time: manyOps, Runs: 1, NoAllocs: true},
	{Name: "flood, strict", Bench: "Flood/overflow=0", Time: manyOps, Runs: 1, NoAllocs: true},
	{Name: "growing to 2 M keys", Bench: "Grow/table=weir", Time: "1x", Runs: 1}, // an op is all of them
}

func hot(name, bench string) Row {
	return Row{Name: name, Bench: bench, Time: hotTime, Runs: hotRuns, NoAllocs: true, NoBytes: true}
}

// Rows returns the core rows that this machine has the cores for, and the floor
// as a control.
func Rows() []Row {
	var rows []Row
	for _, r := range all {
		if r.cores <= runtime.GOMAXPROCS(0) {
			rows = append(rows, r)
		}
	}
	return rows
}

// Named returns the rows whose name or benchmark matches.
func Named(rows []Row, match *regexp.Regexp) []Row {
	var found []Row
	for _, r := range rows {
		if match.MatchString(r.Name) || match.MatchString(r.Bench) {
			found = append(found, r)
		}
	}
	return found
}

// pattern is what -test.bench takes to run this row and no other.
func (r Row) pattern() string {
	parts := strings.Split(regexp.QuoteMeta("Benchmark"+r.Bench), "/")
	return "^" + strings.Join(parts, "$/^") + "$"
}

// allocates tells whether the sample breaks what the row promises.
func (r Row) allocates(s Sample) bool {
	return r.NoAllocs && s.Allocs > 0 || r.NoBytes && s.Bytes > 0
}
