package redisbench

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weirhq/weir/bench/figures"
)

// best is the fastest of those kinds under a load at a point, nil if there is none.
// Who was too fast because it admitted too many, or failed now and then, counts too,
// and is marked.
func (r *Report) best(load string, at Point, kinds ...Kind) *Cell {
	var best *Cell
	for _, s := range r.Subjects {
		for _, kind := range kinds {
			c := r.cell(s.Name, load, at)
			if s.Kind == kind && c != nil && (best == nil || c.PerSecond.Median > best.PerSecond.Median) {
				best = c
			}
		}
	}
	return best
}

// ratio is how many times the decisions a second of the other one a subject makes; 0
// if one of them was not measured.
func (r *Report) ratio(subject, load string, at Point, other *Cell) float64 {
	c := r.cell(subject, load, at)
	if c == nil || other == nil || other.PerSecond.Median == 0 {
		return 0
	}
	return c.PerSecond.Median / other.PerSecond.Median
}

// A claim is what weirredis is to reach, and what it has reached.
type claim struct {
	what  string
	want  string
	got   string
	holds bool
}

// claims are those of which the figures were measured.
func (r *Report) claims() []claim {
	var all []claim
	beside := func(subject, load, what string, callers int, least float64) {
		best := r.best(load, Point{1, callers}, Peer)
		if got := r.ratio(subject, load, Point{1, callers}, best); got > 0 {
			all = append(all, claim{what, "at least " + times(least) + " the best of the others",
				times(got) + " " + r.marked(best), got >= least})
		}
	}
	plain := weirPlain.Name
	beside(plain, "hot", "no shortcuts, one key, one caller", 1, 1.3)
	beside(weirBusy.Name, "hot", "the same, busy poll", 1, 1.3)
	beside(plain, "hot", "no shortcuts, one key, 32 callers", 32, 3)
	beside(plain, "random", "no shortcuts, keys at random, one caller", 1, 1.3)
	beside(weirBusy.Name, "random", "the same, busy poll", 1, 1.3)
	beside(plain, "random", "no shortcuts, keys at random, 32 callers", 32, 3)
	beside(weirDefault.Name, "attack", "under attack, 32 callers", 32, 50)
	if c := r.cell(weirDefault.Name, "attack", Point{1, 32}); c != nil && c.Refused > 0 {
		each := c.Commands * float64(c.Decided) / float64(c.Refused)
		all = append(all, claim{"under attack, 32 callers: commands of the server for a refused request", "less than 0.01",
			small(each), each < 0.01})
	}
	for _, s := range r.Shortcuts {
		if strings.Contains(s.What, "lease") {
			all = append(all, claim{s.What + ", one caller", "at most 200 ns", figures.Nanos(s.NsPerOp.Median), s.NsPerOp.Median <= 200})
		}
	}
	return append(all, r.exactness())
}

// exactness claims that no run of weirredis admitted more than its quota.
func (r *Report) exactness() claim {
	runs, over := 0, 0
	for _, c := range r.Cells {
		if r.kind(c.Subject) == Ours {
			runs += c.Rounds
			if c.Check.OverAdmits() {
				over++
			}
		}
	}
	c := claim{"admitted beyond the quota", "nothing, in any run", fmt.Sprintf("nothing, in %d runs", runs), over == 0}
	if over > 0 {
		c.got = fmt.Sprintf("something, under %d loads", over)
	}
	return c
}

// marked is a subject's name, with what is to be said against its figure.
func (r *Report) marked(c *Cell) string {
	name := c.Subject
	if c.Check.OverAdmits() {
		name += " (admitted too many)"
	}
	if c.Failed > 0 {
		name += fmt.Sprintf(" (%s failed)", percent(c.Failed, c.Failed+c.Decided))
	}
	return name
}

func times(x float64) string { return figures.Three(x) + " ×" }

// perSecond is a rate in three digits.
func perSecond(x float64) string {
	switch {
	case x >= 1e6:
		return figures.Three(x/1e6) + " M"
	case x >= 1e3:
		return figures.Three(x/1e3) + " k"
	}
	return figures.Three(x)
}

// small is a number in three digits, or in two behind the zeros where it is near 0.
func small(x float64) string {
	if x <= 0 || x >= 0.1 {
		return figures.Three(x)
	}
	return strconv.FormatFloat(x, 'f', 1-int(math.Floor(math.Log10(x))), 64)
}

// percent is a part of a whole. What is not all of it is never told as all.
func percent(part, whole int64) string {
	switch {
	case part == 0:
		return "0"
	case part < whole && float64(part) > 0.999*float64(whole):
		return "> 99.9 %"
	}
	return figures.Three(100*float64(part)/float64(whole)) + " %"
}
