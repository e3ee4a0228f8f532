package gate

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A Result is what came of a row.
type Result struct {
	Row      Row
	Estimate Estimate // of the last pass; nothing if one side is missing
	Repeated bool     // it seemed lost in the first pass
	Allocs   Sample   // the sample of HEAD that allocated most

	base, head  []Sample // of the last pass
	baseMissing string   // why; "" if it is there
	headMissing bool
	allocates   bool
}

// A Verdict is one word about a row. Those in capitals fail the gate.
type Verdict string

const (
	OK        Verdict = "ok"
	Faster    Verdict = "faster"       // significantly
	Slower    Verdict = "slower"       // significantly, but within the limit
	Open      Verdict = "open"         // too much noise to tell whether it is within the limit
	New       Verdict = "not compared" // the base does not have it
	Lost      Verdict = "LOST"
	Allocates Verdict = "ALLOCATES"
	Missing   Verdict = "MISSING" // from HEAD
)

func (r *Result) compared() bool { return !r.headMissing && r.baseMissing == "" }

func (r *Result) add(base, head Sample) {
	r.base = append(r.base, base)
	r.head = append(r.head, head)
}

// again forgets the samples, but not whether HEAD has allocated.
func (r *Result) again() { r.base, r.head, r.Repeated = nil, nil, true }

// sum draws the conclusions from the samples.
func (r *Result) sum(level float64) {
	for _, s := range r.head {
		r.allocates = r.allocates || r.Row.allocates(s)
		r.Allocs.Allocs = max(r.Allocs.Allocs, s.Allocs)
		r.Allocs.Bytes = max(r.Allocs.Bytes, s.Bytes)
	}
	if !r.compared() {
		return
	}
	ratios := make([]float64, len(r.head))
	for i := range ratios {
		ratios[i] = r.head[i].Nanos / r.base[i].Nanos
	}
	r.Estimate = estimate(ratios, level)
}

// Verdict says what is to be thought of the row. What allocates is lost whatever
// its time is.
func (r *Result) Verdict() Verdict {
	switch e := r.Estimate; {
	case r.headMissing:
		return Missing
	case r.allocates:
		return Allocates
	case r.baseMissing != "":
		return New
	case r.Repeated && e.lost() && !r.Row.Control:
		return Lost
	case !e.within():
		return Open
	case e.Hi < 1:
		return Faster
	case e.Lo > 1:
		return Slower
	}
	return OK
}

// Slow reports whether the row is lost by its time, whether or not it allocates.
func (r *Result) Slow() bool { return r.compared() && r.Repeated && r.Estimate.lost() }

// A Report is what came of a comparison.
type Report struct {
	Base, Head string
	Results    []*Result
}

// Losses are the rows that fail the gate.
func (r *Report) Losses() []*Result {
	var lost []*Result
	for _, res := range r.Results {
		switch res.Verdict() {
		case Lost, Allocates, Missing:
			lost = append(lost, res)
		}
	}
	return lost
}

// Write prints the table: times are medians, the ratio is that of the median
// pair.
func (r *Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "row\t%s\t%s\tratio\tverdict\n", cmp.Or(r.Base, "base"), cmp.Or(r.Head, "head"))
	for _, res := range r.Results {
		ratio := "–"
		if res.compared() {
			ratio = res.Estimate.String()
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", res.Row.Name, nanos(res.base), nanos(res.head), ratio, res.remark())
	}
	return t.Flush()
}

// remark is the verdict, and what there is to say about it.
func (r *Result) remark() string {
	words := []string{string(r.Verdict())}
	switch r.Verdict() {
	case New:
		words = append(words, r.baseMissing)
	case Allocates:
		words = append(words, fmt.Sprintf("%.0f allocs/op, %.0f B/op", r.Allocs.Allocs, r.Allocs.Bytes))
		if r.Slow() {
			words = append(words, "lost by its time too")
		}
	}
	if r.Row.Control {
		words = append(words, "a control")
	}
	if r.Repeated {
		words = append(words, "measured again")
	}
	return strings.Join(words, ", ")
}

// nanos is the median time of the samples.
func nanos(samples []Sample) string {
	if len(samples) == 0 {
		return "–"
	}
	var ns []float64
	for _, s := range samples {
		ns = append(ns, s.Nanos)
	}
	slices.Sort(ns)
	m := (ns[(len(ns)-1)/2] + ns[len(ns)/2]) / 2
	if m >= 1e6 {
		return fmt.Sprintf("%.0f ms", m/1e6)
	}
	return fmt.Sprintf("%.1f ns", m)
}

// reason is why the base has no figure, in a few words.
func reason(err error) string {
	if errors.Is(err, ErrMissing) {
		return "new"
	}
	return "the base's benchmark fails"
}
