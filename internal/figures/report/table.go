package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The benchmarks that the table quotes, by their names in a Run.
const (
	floor         = "Floor"
	floorCounted  = "FloorCounted"
	exactAdmitted = "Allow/clock=exact/outcome=admitted"
	exactRefused  = "Allow/clock=exact/outcome=refused"
	coarseAdmit   = "Allow/clock=coarse/outcome=admitted"
	coarseRefused = "Allow/clock=coarse/outcome=refused"
	refusedOnOne  = "RefusedParallel/procs=1"
	refusedOnTwo  = "RefusedParallel/procs=2"
	millionArray  = "MillionKeys/table=array"
	millionWeir   = "MillionKeys/table=weir"
	floodStrict   = "Flood/overflow=0" // the numbers of weir.Strict and weir.Lenient
	floodLenient  = "Flood/overflow=1"
	growArray     = "Grow/table=array"
	growMutex     = "Grow/table=mutexmap"
	growWeir      = "Grow/table=weir"
	memoryIdle    = "Memory/keys=0"
	memoryMillion = "Memory/keys=1000000"
	memory10M     = "Memory/keys=10000000"
)

// Bench is a pattern for go test -bench that covers all of them and no more.
const Bench = "^Benchmark(Floor|FloorCounted|Allow|RefusedParallel|MillionKeys|Flood|Grow|Memory)$"

const (
	nsPerOp     = "ns/op"
	allocsPerOp = "allocs/op"
)

// A row is one line of the table. What it says is found out from a Run by its
// judge, which takes the figures it needs from a reader; a figure that was not
// measured makes the whole row say so.
type row struct {
	what  string
	judge func(f *reader) (measured, ratio, bar string, met bool)
}

// A reader hands out the figures of a Run and remembers if one is missing.
type reader struct {
	run     Run
	missing []string
}

func (f *reader) get(benchmark, unit string) float64 {
	value, ok := f.run.Medians[benchmark][unit]
	if !ok {
		f.missing = append(f.missing, benchmark+" "+unit)
		return math.NaN()
	}
	return value
}

// wants makes the row say that it was not measured if a flood has ended before
// it reached the memory bound, as with a short -benchtime: then its time and its
// memory say nothing.
func (f *reader) wants(flood string) {
	if f.get(flood, "raises") == 0 {
		f.missing = append(f.missing, flood+": the memory bound was not reached")
	}
}

// atBound is a row about a flood.
func atBound(flood string, r row) row {
	return row{r.what, func(f *reader) (string, string, string, bool) {
		f.wants(flood)
		return r.judge(f)
	}}
}

// times is a row about the time of one benchmark as a multiple of another's.
func times(what, benchmark, other, otherName string, most float64, allocs bool) row {
	return row{what, func(f *reader) (string, string, string, bool) {
		ns := f.get(benchmark, nsPerOp)
		ratio := ns / f.get(other, nsPerOp)
		measured, met, bar := nanos(ns), ratio <= most, fmt.Sprintf("≤ %s × %s", short(most), otherName)
		if allocs {
			n := f.get(benchmark, allocsPerOp)
			measured += fmt.Sprintf(", %s allocations", short(n))
			bar += ", 0 allocations"
			met = met && n == 0
		}
		return measured, fmt.Sprintf("%.2f × %s", ratio, otherName), bar, met
	}}
}

// bytes is a row about a figure of memory that has a bar of its own.
func bytes(what, benchmark, unit, shown string, most float64) row {
	return row{what, func(f *reader) (string, string, string, bool) {
		n := f.get(benchmark, unit)
		return fmt.Sprintf("%s %s", amount(n), shown), "", fmt.Sprintf("≤ %s %s", amount(most), shown), n <= most
	}}
}

// slowest is a row about a percentile of the times of single decisions while a
// table grows. Near the array's, which is the machine's own noise, or far below
// the mutex's, is enough.
func slowest(what, unit string) row {
	return row{what, func(f *reader) (string, string, string, bool) {
		ns, array, mutex := f.get(growWeir, unit), f.get(growArray, unit), f.get(growMutex, unit)
		return nanos(ns),
			fmt.Sprintf("%.2f × array, 1/%.1f of mutex map", ns/array, mutex/ns),
			"≤ 1.5 × array, or ≤ 1/20 of mutex map",
			ns <= 1.5*array || ns <= mutex/20
	}}
}

// rows are the measures of the design, in its order.
var rows = []row{
	{"floor: one clock read, one XXH64, one CAS", func(f *reader) (string, string, string, bool) {
		return nanos(f.get(floor, nsPerOp)), "", "", true
	}},
	{"the floor and an exact count in a word of its own, without a table", func(f *reader) (string, string, string, bool) {
		ns := f.get(floorCounted, nsPerOp)
		return nanos(ns), fmt.Sprintf("%.2f × floor", ns/f.get(floor, nsPerOp)), "", true
	}},
	times("`Allow` on a hot key, admitted", exactAdmitted, floor, "floor", 1.25, true),
	times("`Allow` on a hot key, refused", exactRefused, floor, "floor", 1.25, true),
	times("the same with the coarse clock, admitted", coarseAdmit, floor, "floor", 0.6, true),
	times("the same with the coarse clock, refused", coarseRefused, floor, "floor", 0.6, true),
	{"refusals of one hot key on 2 cores", func(f *reader) (string, string, string, bool) {
		one, two := f.get(refusedOnOne, nsPerOp), f.get(refusedOnTwo, nsPerOp)
		return nanos(two), fmt.Sprintf("%.2f × the throughput of one core", one/two), "≥ 1.8 × one core", one/two >= 1.8
	}},
	times("1 M string keys in random order", millionWeir, millionArray, "array", 1.15, false),
	atBound(floodStrict, times("flood of never-seen keys at the bound, `Strict`", floodStrict, millionWeir, "1 M keys", 2, false)),
	atBound(floodLenient, times("flood of never-seen keys at the bound, `Lenient`", floodLenient, millionWeir, "1 M keys", 2, false)),
	atBound(floodStrict, bytes("memory under that flood, `Strict`", floodStrict, "B/maxkey", "B a key of `WithMaxKeys`", 64)),
	atBound(floodLenient, bytes("memory under that flood, `Lenient`", floodLenient, "B/maxkey", "B a key of `WithMaxKeys`", 64)),
	bytes("memory at 1 M live keys", memoryMillion, "B/key", "B a key", 36),
	bytes("memory at 10 M live keys", memory10M, "B/key", "B a key", 36),
	bytes("memory of an idle `Limiter`", memoryIdle, "B", "B", 32<<10),
	slowest("growing to 2 M keys, 99.9th percentile", "p99.9-ns"),
	slowest("growing to 2 M keys, 99.99th percentile", "p99.99-ns"),
	{"growing to 2 M keys, slowest decision", func(f *reader) (string, string, string, bool) {
		ns, array, mutex := f.get(growWeir, "max-ns"), f.get(growArray, "max-ns"), f.get(growMutex, "max-ns")
		return nanos(ns), fmt.Sprintf("array %s, mutex map %s", nanos(array), nanos(mutex)),
			"≤ array + 1 ms", ns <= array+1e6
	}},
}

// Missing names the figures that the table wants and the Run does not have.
func (run Run) Missing() []string {
	f := &reader{run: run}
	for _, r := range rows {
		r.judge(f)
	}
	return f.missing
}

// Misses counts the rows that do not meet their bars, those not measured
// included.
func (run Run) Misses() (n int) {
	for _, r := range rows {
		f := &reader{run: run}
		if _, _, _, met := r.judge(f); !met || len(f.missing) > 0 {
			n++
		}
	}
	return n
}

// Table is the Run in Markdown.
func (run Run) Table() string {
	var b strings.Builder
	cpu := run.CPU
	if cpu == "" {
		cpu = "processor unknown"
	}
	fmt.Fprintf(&b, "Measured on %s with %s on %s, %s, %s; medians of %s of:\n\n",
		run.Date, run.Go, run.System, cpu, plural(run.Cores, "core"), plural(run.Count, "round"))
	fmt.Fprintf(&b, "    %s\n\n", run.Command)
	b.WriteString("| what | measured | ratio, same run | bar | |\n| --- | ---: | ---: | --- | --- |\n")
	for _, r := range rows {
		f := &reader{run: run}
		measured, ratio, bar, met := r.judge(f)
		verdict := "met"
		switch {
		case len(f.missing) > 0:
			measured, ratio, verdict = "", "", "**not measured**"
		case bar == "":
			verdict = ""
		case !met:
			verdict = "**missed**"
		}
		b.WriteString("|")
		for _, cell := range []string{r.what, measured, ratio, bar, verdict} {
			if cell != "" {
				b.WriteString(" " + cell)
			}
			b.WriteString(" |")
		}
		b.WriteByte('\n')
	}
	switch n := run.Misses(); n {
	case 0:
		b.WriteString("\nAll bars are met.\n")
	default:
		fmt.Fprintf(&b, "\n%s not met.\n", plural(n, "bar"))
	}
	return b.String()
}

// nanos shows a time with three digits.
func nanos(ns float64) string {
	switch {
	case ns >= 1e6:
		return digits(ns/1e6) + " ms"
	case ns >= 1e3:
		return digits(ns/1e3) + " µs"
	}
	return digits(ns) + " ns"
}

// digits shows a value from 1 to 999 with three digits, and any other with as
// many as it has before the point.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// amount shows a number of bytes: small ones with a decimal, others with commas.
func amount(v float64) string {
	if v < 1000 {
		return short(math.Round(v*10) / 10)
	}
	s := strconv.FormatInt(int64(math.Round(v)), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// short shows a number with no more digits than it needs.
func short(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
