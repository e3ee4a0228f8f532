package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/bench/figures"
)

func (r *Report) latency(b *strings.Builder) {
	b.WriteString(latencyText)
	for _, load := range []string{"grow-1M", "grow-10M", "flood", "flood-memory", "hot-under-flood"} {
		if !r.has(load) {
			continue
		}
		fmt.Fprintf(b, "### %s\n\n| limiter | p50 | p90 | p99 | p99.9 | p99.99 | p99.999 | slowest | GC cycles | GC pauses, longest |\n| --- |%s\n",
			load, strings.Repeat(" ---: |", 9))
		for _, s := range r.Subjects {
			c := r.cell(s.Name, load)
			if c == nil {
				continue
			}
			if c.Latency == nil {
				fmt.Fprintf(b, "| %s | %s |||||||||\n", s.Name, c.Ended)
				continue
			}
			l := c.Latency
			fmt.Fprintf(b, "| %s |", s.Name)
			for _, ns := range []int64{l.P50, l.P90, l.P99, l.P999, l.P9999, l.P99999, l.Max} {
				fmt.Fprintf(b, " %s |", figures.Nanos(float64(ns)))
			}
			fmt.Fprintf(b, " %d | %s, %s |\n", c.GC.Cycles, figures.Nanos(float64(c.GC.PauseNs)), figures.Nanos(float64(c.GC.MaxNs)))
		}
		b.WriteByte('\n')
	}
}

func (r *Report) memory(b *strings.Builder) {
	fmt.Fprintf(b, memoryText,
		seconds(3*r.Setup.Period), seconds(r.Setup.Period))
	b.WriteString("| limiter | a live key of 1 M | a live key of 10 M | most under the flood | left after it |\n| --- | ---: | ---: | ---: | ---: |\n")
	for _, s := range r.Subjects {
		if s.Name == "floor" || r.cell(s.Name, "grow-1M") == nil && r.cell(s.Name, "flood-memory") == nil {
			continue
		}
		perKey := func(load string) string {
			c := r.cell(s.Name, load)
			switch {
			case c == nil:
				return ""
			case c.Rounds == 0:
				return c.Ended
			}
			return figures.Size(c.BytesPerKey.Median)
		}
		most, left := "", ""
		if c := r.cell(s.Name, "flood-memory"); c != nil && c.Rounds > 0 {
			most, left = figures.Size(float64(c.Peak)), figures.Size(float64(c.After))
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", s.Name, perKey("grow-1M"), perKey("grow-10M"), most, left)
	}
	b.WriteByte('\n')
}

func (r *Report) admitted(b *strings.Builder) {
	b.WriteString(admittedText)
	b.WriteString("| limiter | load | of | asked | admitted | quota admits | |\n| --- | --- | --- | ---: | ---: | ---: | --- |\n")
	n := 0
	for _, s := range r.Subjects {
		for _, w := range r.Workloads {
			c := r.cell(s.Name, w.Name)
			if c == nil {
				continue
			}
			for _, check := range c.Checks {
				verdict := ""
				switch {
				case check.OverAdmits():
					verdict = fmt.Sprintf("**%s too many**", figures.Grouped(check.Admitted-check.Max))
				case check.Fault() != "":
					verdict = fmt.Sprintf("%s too few", figures.Grouped(check.Min-check.Admitted))
				default:
					continue
				}
				n++
				allowed := figures.Grouped(check.Min)
				if check.Max != check.Min {
					allowed += "–" + figures.Grouped(check.Max)
				}
				fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n",
					s.Name, w.Name, check.What, figures.Grouped(check.Asked), figures.Grouped(check.Admitted), allowed, verdict)
			}
		}
	}
	if n == 0 {
		b.WriteString("| none | | | | | | |\n")
	}
	b.WriteString(elsewhereText)
}

func (r *Report) who(b *strings.Builder) {
	b.WriteString("## Who was measured\n\n| limiter | module | version | keeps of a key | forgets keys | exactness |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, s := range r.Subjects {
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", s.Name, s.Module, s.Version, s.Keeps, s.Cleans, s.Exact)
	}
	var ended []string
	for _, c := range r.Cells {
		if c.Ended != "" {
			ended = append(ended, fmt.Sprintf("- %s, %s: %s", c.Subject, c.Workload, c.Ended))
		}
	}
	if len(ended) > 0 {
		fmt.Fprintf(b, "\nRuns that did not come to their end:\n\n%s\n", strings.Join(ended, "\n"))
	}
}

// seconds is a duration without what nobody wants to know of it.
func seconds(d time.Duration) string {
	return d.Round(time.Millisecond).String()
}
