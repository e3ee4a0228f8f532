package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/weirhq/weir/bench/figures"
)

// A column is one figure of every subject: smaller is better.
type column struct {
	title string
	load  string
	value func(r *Report, s Subject) (float64, bool)
	text  func(r *Report, s Subject) string
}

// floors is the cost under a workload as a multiple of the floor.
func floors(title, load string) column {
	return column{title, load,
		func(r *Report, s Subject) (float64, bool) {
			c := r.cell(s.Name, load)
			if c == nil || c.Rounds == 0 {
				return 0, false
			}
			return c.Floors.Median, true
		},
		func(r *Report, s Subject) string { return figures.Three(r.cell(s.Name, load).Floors.Median) + " ×" },
	}
}

func latencyOf(title, load string, of func(*Cell) int64) column {
	return column{title, load,
		func(r *Report, s Subject) (float64, bool) {
			c := r.cell(s.Name, load)
			if c == nil || c.Latency == nil {
				return 0, false
			}
			return float64(of(c)), true
		},
		func(r *Report, s Subject) string { return figures.Nanos(float64(of(r.cell(s.Name, load)))) },
	}
}

func memoryOf(title, load string, of func(*Cell) float64, text func(float64) string) column {
	return column{title, load,
		func(r *Report, s Subject) (float64, bool) {
			c := r.cell(s.Name, load)
			if c == nil || c.Rounds == 0 || s.Reference {
				return 0, false
			}
			return of(c), true
		},
		func(r *Report, s Subject) string { return text(of(r.cell(s.Name, load))) },
	}
}

// summary are the columns of the README.
func summary() []column {
	return []column{
		floors("hot key, admitted", "hot-admitted-1"),
		floors("hot key, refused", "hot-refused-1"),
		floors("refused, 2 callers", "hot-refused-2"),
		floors("1 M keys at random", "uniform"),
		floors("flood of new keys", "flood"),
		memoryOf("memory a key", "grow-1M", func(c *Cell) float64 { return c.BytesPerKey.Median }, figures.Size),
		latencyOf("growing, p99.99", "grow-1M", func(c *Cell) int64 { return c.Latency.P9999 }),
		latencyOf("growing, slowest", "grow-1M", func(c *Cell) int64 { return c.Latency.Max }),
		memoryOf("left after a flood", "flood-memory", func(c *Cell) float64 { return float64(c.After) }, figures.Size),
	}
}

// Table compares everybody in the columns of the README. The best of each column
// is bold: the references cannot be, and who admitted more than its quota under
// that load neither.
func (r *Report) Table() string {
	columns := summary()
	best := make([]float64, len(columns))
	for i, col := range columns {
		best[i] = math.Inf(1)
		for _, s := range r.Subjects {
			if v, ok := col.value(r, s); ok && r.rival(s, col) {
				best[i] = min(best[i], v)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| limiter |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s |", col.title)
	}
	b.WriteString(" admitted too many |\n| --- |" + strings.Repeat(" ---: |", len(columns)) + " --- |\n")
	for _, s := range r.Subjects {
		if s.Name == "floor" {
			continue // it is 1 × by definition
		}
		name := s.Name
		if s.Reference {
			name = "*" + name + "*"
		}
		fmt.Fprintf(&b, "| %s |", name)
		for i, col := range columns {
			text := ""
			if v, ok := col.value(r, s); ok {
				text = col.text(r, s)
				if v <= best[i] && r.rival(s, col) {
					text = "**" + text + "**"
				}
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %s |\n", r.tooMany(s))
	}
	return b.String()
}

// rival reports whether a subject can be the best of a column.
func (r *Report) rival(s Subject, col column) bool {
	return !s.Reference && !r.cell(s.Name, col.load).overAdmits()
}

// tooMany names the loads under which a subject admitted more than its quota.
func (r *Report) tooMany(s Subject) string {
	var loads []string
	for _, w := range r.Workloads {
		if c := r.cell(s.Name, w.Name); c.overAdmits() {
			loads = append(loads, w.Name)
		}
	}
	return strings.Join(loads, ", ")
}

// Wins sets weir beside the fastest of the others that keep keys apart, under
// every load, whoever is ahead.
func (r *Report) Wins() (table string, lost int) {
	var b strings.Builder
	b.WriteString("| load | weir | best of the others that keep keys apart | weir takes | |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, w := range r.Workloads {
		ours := r.cell("weir", w.Name)
		if ours == nil || ours.Rounds == 0 || ours.Floors.Median == 0 {
			continue
		}
		var best *Cell
		for _, s := range r.Subjects {
			c := r.cell(s.Name, w.Name)
			if s.Reference || s.ours() || !s.Apart || c == nil || c.Rounds == 0 {
				continue
			}
			if best == nil || c.Floors.Median < best.Floors.Median {
				best = c
			}
		}
		if best == nil {
			continue
		}
		ratio := ours.Floors.Median / best.Floors.Median
		verdict := "won"
		if ratio > 1 {
			verdict = "**lost**"
			lost++
		}
		name := best.Subject
		if best.overAdmits() {
			name += " (admitted too many)"
		}
		fmt.Fprintf(&b, "| %s | %s × | %s: %s × | %s of its time | %s |\n",
			w.Name, figures.Three(ours.Floors.Median), name, figures.Three(best.Floors.Median), figures.Three(ratio), verdict)
	}
	return b.String(), lost
}
