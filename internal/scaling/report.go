package main

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

const (
	// farFrom is the handover from which on two cores are taken to share no cache:
	// within a core complex it is 10 to 30 ns, beyond it 80 and more.
	farFrom = 60
	fewest  = 3 // rounds that a place is reported from
)

// summarize sorts the rounds by place. A virtual machine may well be moved from one
// to the other during a run.
func (r *results) summarize(rounds []round, callers []int) {
	for i, name := range []string{"near", "far"} {
		some := slices.DeleteFunc(slices.Clone(rounds), func(r round) bool { return (r.handover >= farFrom) != (i == 1) })
		if len(some) < fewest {
			continue
		}
		mid := func(f func(round) float64) float64 {
			var v []float64
			for _, r := range some {
				v = append(v, f(r))
			}
			return hundredths(median(v))
		}
		p := place{
			Name: name, Rounds: len(some), distance: distance{Handover: mid(func(r round) float64 { return r.handover }), Private: r.Caches[i], Swept: mid(func(r round) float64 { return r.swept })},
			PingPong: mid(func(r round) float64 { return r.pingPong }), Retry: mid(func(r round) float64 { return r.retry }),
			Alone: mid(func(r round) float64 { return r.alone }), Hammered: mid(func(r round) float64 { return r.hammered }),
			Rows: map[string]map[int]spread{},
		}
		p.Keep = hundredths(keep(p.Handover, p.Alone, p.Hammered))
		for _, row := range rows {
			p.Rows[row.name] = map[int]spread{}
			for _, n := range callers {
				var v []float64
				for _, r := range some {
					if nanos, ok := r.rows[row.name][n]; ok {
						v = append(v, nanos)
					}
				}
				if len(v) >= fewest {
					p.Rows[row.name][n] = spread{hundredths(median(v)), hundredths(quantile(v, .25)), hundredths(quantile(v, .75))}
				}
			}
		}
		r.Places = append(r.Places, p)
	}
}

func hundredths(v float64) float64 { return math.Round(v*100) / 100 }

// A prediction stands beside what was measured.
type prediction struct {
	row      row
	place    place
	callers  int
	own      float64
	says     float64
	measured spread
}

// off is by which part of the measured time the model is too high, or too low.
func (p prediction) off() float64 { return p.says/p.measured.Median - 1 }

// predictions are those for one caller a core, or fewer.
func (r *results) predictions() (all []prediction) {
	for _, place := range r.Places {
		for _, callers := range slices.Sorted(maps.Keys(place.Rows[rows[0].name])) {
			for _, row := range rows {
				own, one := place.Rows[row.name][1]
				measured, both := place.Rows[row.name][callers]
				if row.model != nil && callers > 1 && callers <= r.Cores && one && both {
					all = append(all, prediction{row, place, callers, own.Median, row.model(place.distance, own.Median, callers), measured})
				}
			}
		}
	}
	return all
}

// measured is the first part of the page's tables.
func (r *results) measured() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s with %s on %s, %s, %d cores, at commit %s: medians of %d rounds of\n\n    %s\n\n",
		r.Date, r.Go, r.System, r.CPU, r.Cores, r.Commit, r.Rounds, r.Command)
	fmt.Fprintf(&b, "Of %d windows %d were thrown away because a caller stood still in them, and %d rounds because\n"+
		"the callers had no core each, or were moved meanwhile.\n\n", r.Windows, r.Thrown, r.Dropped)
	r.lines(&b)
	all := r.predictions()
	for _, p := range r.Places {
		fmt.Fprintf(&b, "\n**%s.** One line moves in %s; times are between decisions of all callers together, medians (quartiles).\n\n",
			strings.ToUpper(p.Name[:1])+p.Name[1:], nanos(p.Handover))
		head(&b, "load", "1 caller", "callers", "predicted", "measured", "prediction is off by", "× of 1 caller")
		for _, x := range all {
			if x.place.Name == p.Name {
				cells(&b, x.row.what, nanos(x.own), strconv.Itoa(x.callers), nanos(x.says), spreadText(x.measured),
					percent(x.off()), fmt.Sprintf("%.2f", x.own/x.measured.Median))
			}
		}
	}
	if len(all) > 0 {
		slices.SortFunc(all, func(a, b prediction) int { return cmp.Compare(math.Abs(a.off()), math.Abs(b.off())) })
		worst := all[len(all)-1]
		fmt.Fprintf(&b, "\nOf these %d predictions half are off by %.0f %% or less, and the worst by %.0f %%: *%s*, %s, %d callers.\n",
			len(all), 100*math.Abs(all[(len(all)-1)/2].off()), 100*math.Abs(worst.off()), worst.row.what, worst.place.Name, worst.callers)
	}
	r.oversubscribed(&b)
	return b.String()
}

// lines are the parameters of the model.
func (r *results) lines(b *strings.Builder) {
	titles := []string{"measured apart from all rows"}
	for _, p := range r.Places {
		titles = append(titles, fmt.Sprintf("%s (%d rounds)", p.Name, p.Rounds))
	}
	head(b, titles...)
	for _, line := range []struct {
		what string
		of   func(place) string
	}{
		{"*h*: one line moves, and nobody else wants it", func(p place) string { return nanos(p.Handover) }},
		{"one addition to a word, by one caller", func(p place) string { return nanos(p.Alone) }},
		{"one addition to a word that two callers do nothing but add to", func(p place) string { return nanos(p.Hammered) }},
		{"*k*: how long a core keeps a line that is asked for, from these three", func(p place) string { return nanos(p.Keep) }},
		{"ping-pong: from one core's change to the other's, both waiting for nothing else", func(p place) string { return nanos(p.PingPong) }},
		{"*f*: deciding again after a lost CAS, at most", func(p place) string { return nanos(p.Retry) }},
		{"chunks that each new key sweeps, counted in the flood", func(p place) string { return digits(p.Swept) }},
		{"cache that the two cores do not share", func(p place) string { return fmt.Sprintf("%g MiB", p.Private/(1<<20)) }},
	} {
		values := []string{line.what}
		for _, p := range r.Places {
			values = append(values, line.of(p))
		}
		cells(b, values...)
	}
}

// oversubscribed are more callers than cores.
func (r *results) oversubscribed(b *strings.Builder) {
	counts := []int{r.Cores, 2 * r.Cores, 4 * r.Cores}
	fmt.Fprintf(b, "\n**More callers than cores.** GOMAXPROCS is the number of callers, %d cores.\n\n", r.Cores)
	titles := []string{"load"}
	for _, p := range r.Places {
		for _, n := range counts {
			titles = append(titles, fmt.Sprintf("%d callers, %s", n, p.Name))
		}
	}
	head(b, titles...)
	for _, row := range rows {
		if !row.over {
			continue
		}
		values := []string{row.what}
		for _, p := range r.Places {
			for _, n := range counts {
				values = append(values, spreadText(p.Rows[row.name][n]))
			}
		}
		cells(b, values...)
	}
}

// distances are the two places, one of them a published one where the run has seen
// the other only, and the times of the first.
func (r *results) distances() (near, far distance, own map[string]map[int]spread) {
	first, last := r.Places[0], r.Places[len(r.Places)-1]
	near, far = first.distance, last.distance
	switch {
	case first.Name == "far":
		near = far.at(publishedNear)
	case last.Name == "near":
		far = near.at(publishedFar)
	}
	near.Private, far.Private = r.Caches[0], r.Caches[1]
	return near, far, first.Rows
}

// predicted is the second part: what the model says of machines that nobody has
// measured.
func (r *results) predicted() string {
	var b strings.Builder
	near, far, own := r.distances()
	across := far.at(publishedSocket)
	columns := []struct {
		title   string
		d       distance
		callers int
	}{{"8, near", near, 8}, {"16, near", near, 16}, {"8, far", far, 8}, {"16, far", far, 16}, {"64, far", far, 64}, {"64, other socket", across, 64}}
	titles := []string{"load", "1 core, measured"}
	for _, c := range columns {
		titles = append(titles, c.title)
	}
	b.WriteString("**Predicted, not measured**: millions of decisions a second, all cores together, and in parentheses the multiple of one core.\n")
	fmt.Fprintf(&b, "A line moves in %s *near*, in %s *far*, and in %s to the *other socket*.\n\n",
		nanos(near.Handover), nanos(far.Handover), nanos(across.Handover))
	head(&b, titles...)
	for _, row := range rows {
		own := own[row.name][1].Median
		if row.model == nil || own == 0 {
			continue
		}
		values := []string{row.what, digits(1e3 / own)}
		for _, c := range columns {
			says := row.model(c.d, own, c.callers)
			values = append(values, fmt.Sprintf("%s (%s)", digits(1e3/says), digits(own/says)))
		}
		cells(&b, values...)
	}
	return b.String()
}

// fill puts the tables into the page.
func (r *results) fill(page string) (string, error) {
	for _, part := range []struct{ name, text string }{{"measured", r.measured()}, {"predicted", r.predicted()}} {
		begin := fmt.Sprintf("<!-- %s: generated by go run ./internal/scaling -->\n", part.name)
		end := fmt.Sprintf("<!-- end of %s -->\n", part.name)
		before, rest, ok := strings.Cut(page, begin)
		_, after, ended := strings.Cut(rest, end)
		if !ok || !ended || strings.Count(page, begin) != 1 || strings.Count(page, end) != 1 {
			return "", fmt.Errorf("want exactly one line %q, and after it one %q", begin, end)
		}
		page = before + begin + "\n" + part.text + "\n" + end + after
	}
	return page, nil
}

func head(b *strings.Builder, titles ...string) {
	cells(b, titles...)
	b.WriteString("| ---" + strings.Repeat(" | ---:", len(titles)-1) + " |\n")
}

func cells(b *strings.Builder, values ...string) {
	b.WriteString("| " + strings.Join(values, " | ") + " |\n")
}

func spreadText(s spread) string {
	if s.Median == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%s (%s–%s)", nanos(s.Median), digits(s.Low), digits(s.High))
}

// percent shows a part with its sign, and none at zero.
func percent(part float64) string {
	if p := math.Round(100 * part); p != 0 {
		return fmt.Sprintf("%+.0f %%", p)
	}
	return "0 %"
}

func nanos(ns float64) string { return digits(ns) + " ns" }

// digits shows a value with three digits, or as many as it has before the point.
func digits(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}
