package redisbench

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/bench/figures"
)

// A column is one figure of every subject.
type column struct {
	title string
	load  string
	at    Point
	value func(c *Cell) float64 // to compare by; more is better
	text  func(c *Cell) string
}

func rates(title, load string, at Point) column {
	rate := func(c *Cell) float64 { return c.PerSecond.Median }
	return column{title, load, at, rate, func(c *Cell) string { return perSecond(rate(c)) }}
}

func latency(title, load string, at Point, of func(c *Cell) int64) column {
	return column{title, load, at, func(c *Cell) float64 { return -float64(of(c)) },
		func(c *Cell) string { return figures.Nanos(float64(of(c))) }}
}

// glance are the columns of the table on top.
func glance() []column {
	one, many := Point{1, 1}, Point{1, 32}
	return []column{
		rates("one key, 1 caller", "hot", one),
		rates("one key, 32 callers", "hot", many),
		rates("keys at random, 32 callers", "random", many),
		rates("attack, 32 callers", "attack", many),
		rates("one key, 20 processes", "hot", Point{20, 8}),
		latency("p50, 32 callers", "hot", many, func(c *Cell) int64 { return c.P50 }),
		latency("p99, 32 callers", "hot", many, func(c *Cell) int64 { return c.P99 }),
		{"commands a decision", "hot", many, func(c *Cell) float64 { return -c.Commands }, func(c *Cell) string { return small(c.Commands) }},
		{"the same under attack", "attack", many, func(c *Cell) float64 { return -c.Commands }, func(c *Cell) string { return small(c.Commands) }},
	}
}

// Glance compares everybody. The best of each column is bold; the floor cannot be, and
// who admitted too many or failed there neither.
func (r *Report) Glance() string {
	columns := glance()
	best := map[int]float64{}
	rival := func(s Described, c *Cell) bool {
		return c != nil && s.Kind != Floor && !c.Check.OverAdmits() && c.Failed == 0
	}
	for i, col := range columns {
		for _, s := range r.Subjects {
			if c := r.cell(s.Name, col.load, col.at); rival(s, c) {
				if v, ok := best[i]; !ok || col.value(c) > v {
					best[i] = col.value(c)
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("| limiter |")
	for _, col := range columns {
		fmt.Fprintf(&b, " %s |", col.title)
	}
	b.WriteString(" failed | admitted too many |\n| --- |" + strings.Repeat(" ---: |", len(columns)) + " --- | --- |\n")
	for _, s := range r.Subjects {
		name := s.Name
		if s.Kind == Floor {
			name = "*" + name + "*"
		}
		fmt.Fprintf(&b, "| %s |", name)
		for i, col := range columns {
			text := ""
			if c := r.cell(s.Name, col.load, col.at); c != nil {
				text = col.text(c)
				if rival(s, c) && col.value(c) == best[i] {
					text = "**" + text + "**"
				}
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %s | %s |\n", r.where(s, func(c *Cell) bool { return c.Failed > 0 }),
			r.where(s, func(c *Cell) bool { return c.Check.OverAdmits() }))
	}
	return b.String()
}

// where names the loads under which something is true of a subject.
func (r *Report) where(s Described, is func(*Cell) bool) string {
	var loads []string
	for _, l := range r.Loads {
		for _, at := range r.points() {
			if c := r.cell(s.Name, l.Name, at); c != nil && is(c) {
				loads = append(loads, l.Name)
				break
			}
		}
	}
	return strings.Join(loads, ", ")
}

func (r *Report) shortcuts(b *strings.Builder) {
	if len(r.Shortcuts) == 0 {
		return
	}
	b.WriteString(shortcutText)
	b.WriteString("| | time (rounds) | objects | bytes | decisions | of them without a call | calls |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, s := range r.Shortcuts {
		fmt.Fprintf(b, "| %s | %s ns | %s | %s | %s | %s | %s |\n", s.What, s.NsPerOp.Within(r.Rounds),
			figures.Three(s.Objects), figures.Three(s.Bytes), figures.Grouped(s.Decisions), figures.Grouped(s.Here), figures.Grouped(s.Calls))
	}
	b.WriteByte('\n')
}

// details has all figures of all cells.
func (r *Report) details(b *strings.Builder) {
	b.WriteString(detailsText)
	for _, l := range r.Loads {
		fmt.Fprintf(b, "### %s: %s\n\n| callers | limiter | decisions a second | p50 | p99 | p99.9 | commands | scripts | server's time | server busy | objects | refused | failed |\n| ---: | --- | ---: |%s\n",
			l.Name, l.What, strings.Repeat(" ---: |", 10))
		for _, at := range r.points() {
			for _, s := range r.Subjects {
				if c := r.cell(s.Name, l.Name, at); c != nil {
					r.detail(b, c)
				}
			}
		}
		b.WriteByte('\n')
	}
}

func (r *Report) detail(b *strings.Builder, c *Cell) {
	rate := perSecond(c.PerSecond.Median)
	if c.Rounds > 1 {
		rate += fmt.Sprintf(" (%s–%s)", perSecond(c.PerSecond.Min), perSecond(c.PerSecond.Max))
	}
	fmt.Fprintf(b, "| %v | %s | %s | %s | %s | %s | %s | %s | %s | %.0f %% | %s | %s | %s |\n", c.At, c.Subject, rate,
		figures.Nanos(float64(c.P50)), figures.Nanos(float64(c.P99)), figures.Nanos(float64(c.P999)),
		small(c.Commands), small(c.Scripts), figures.Nanos(c.ServerNs), 100*c.Busy, figures.Three(c.Objects),
		percent(c.Refused, c.Decided), percent(c.Failed, c.Decided+c.Failed))
}

// admitted lists who was outside of its quota, who failed, and who decided aside of
// the server.
func (r *Report) admitted(b *strings.Builder) {
	b.WriteString(admittedText)
	b.WriteString("| limiter | load | callers | asked | admitted | quota admits | |\n| --- | --- | ---: | ---: | ---: | ---: | --- |\n")
	n := 0
	for _, c := range r.Cells {
		var verdict []string
		check := c.Check
		switch {
		case check.OverAdmits():
			verdict = append(verdict, fmt.Sprintf("**%s too many**", figures.Grouped(check.Admitted-check.Max)))
		case check.Fault() != "":
			verdict = append(verdict, fmt.Sprintf("%s too few", figures.Grouped(check.Min-check.Admitted)))
		}
		if c.Failed > 0 {
			verdict = append(verdict, fmt.Sprintf("%s failed: %s", figures.Grouped(c.Failed), c.Failure))
		}
		if c.FellBack > 0 {
			verdict = append(verdict, fmt.Sprintf("%s decided without the server, which did not answer in time", figures.Grouped(c.FellBack)))
		}
		if c.Ended != "" {
			verdict = append(verdict, "a run "+c.Ended)
		}
		if len(verdict) == 0 {
			continue
		}
		n++
		allowed := figures.Grouped(check.Min)
		if check.Max != check.Min {
			allowed += "–" + figures.Grouped(check.Max)
		}
		fmt.Fprintf(b, "| %s | %s | %v | %s | %s | %s | %s |\n", c.Subject, c.Load, c.At,
			figures.Grouped(check.Asked), figures.Grouped(check.Admitted), allowed, strings.Join(verdict, "; "))
	}
	if n == 0 {
		b.WriteString("| none | | | | | | |\n")
	}
	b.WriteByte('\n')
}

func (r *Report) who(b *strings.Builder) {
	b.WriteString("## Who was measured\n\n| limiter | module | version | client | counts |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range r.Subjects {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", s.Name, s.Module, s.Version, s.Client, s.Counts)
	}
}
