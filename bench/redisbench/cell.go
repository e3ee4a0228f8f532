package redisbench

import (
	"slices"

	"github.com/weirhq/weir/bench/figures"
	"github.com/weirhq/weir/bench/workload"
)

// A Cell is what all rounds of a job came to: medians, and how far the rounds lie
// apart.
type Cell struct {
	Subject string `json:"subject"`
	Load    string `json:"load"`
	At      Point  `json:"at"`
	Rounds  int    `json:"rounds"`          // that came to their end
	Ended   string `json:"ended,omitempty"` // why another one did not

	PerSecond figures.Spread `json:"perSecond"` // decisions
	P50       int64          `json:"p50"`       // ns
	P99       int64          `json:"p99"`
	P999      int64          `json:"p99.9"`
	Commands  float64        `json:"commands"` // a decision
	Scripts   float64        `json:"scripts"`
	ServerNs  float64        `json:"serverNs"`
	Busy      float64        `json:"busy"` // part of a processor
	Objects   float64        `json:"objects"`

	Decided  int64          `json:"decided"` // in all rounds
	Refused  int64          `json:"refused"`
	Failed   int64          `json:"failed"`
	Failure  string         `json:"failure,omitempty"` // the first
	FellBack int64          `json:"fellBack"`
	Check    workload.Check `json:"check"` // of the round that was furthest off
}

// A ShortcutCell is what all rounds of a [Shortcut] came to.
type ShortcutCell struct {
	What      string         `json:"what"`
	NsPerOp   figures.Spread `json:"nsPerOp"`
	Objects   float64        `json:"objects"` // that a decision allocates
	Bytes     float64        `json:"bytes"`
	Decisions int64          `json:"decisions"` // in all rounds
	Here      int64          `json:"here"`      // of them without a call
	Calls     int64          `json:"calls"`
}

// Summarize makes cells of the results, in the order of loads, points and subjects.
func (r *Report) Summarize(results []Result, shortcuts []Shortcut) {
	var points []Point
	for _, result := range results {
		points = append(points, result.At)
	}
	points = inOrder(points)
	for _, l := range Loads {
		for _, at := range points {
			for _, s := range All() {
				r.summarize(Job{s.Name, l.Name, at}, results)
			}
		}
		if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Load == l.Name }) {
			r.Loads = append(r.Loads, DescribedLoad{l.Name, l.What, l.Quota.String()})
		}
	}
	for _, s := range All() {
		if slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.Subject == s.Name }) {
			r.Subjects = append(r.Subjects, Described{s.Name, s.Module, s.Version(), s.Client, s.Counts, s.Kind})
		}
	}
	r.summarizeShortcuts(shortcuts)
}

func (r *Report) summarize(j Job, results []Result) {
	c := Cell{Subject: j.Subject, Load: j.Load, At: j.At}
	var rounds []Result
	for _, result := range results {
		switch {
		case result.Job != j:
		case result.Ended != "":
			c.Ended = result.Ended
		default:
			rounds = append(rounds, result)
		}
	}
	c.Rounds = len(rounds)
	if c.Rounds > 0 {
		c.merge(rounds)
	}
	if c.Rounds > 0 || c.Ended != "" {
		r.Cells = append(r.Cells, c)
	}
}

// merge works out the cell from its rounds.
func (c *Cell) merge(rounds []Result) {
	spread := func(f func(Result) float64) figures.Spread {
		var values []float64
		for _, r := range rounds {
			values = append(values, f(r))
		}
		return figures.SpreadOf(values)
	}
	median := func(f func(Result) float64) float64 { return spread(f).Median }
	c.PerSecond = spread(func(r Result) float64 { return r.PerSecond })
	c.P50 = int64(median(func(r Result) float64 { return float64(r.P50) }))
	c.P99 = int64(median(func(r Result) float64 { return float64(r.P99) }))
	c.P999 = int64(median(func(r Result) float64 { return float64(r.P999) }))
	c.Commands = median(func(r Result) float64 { return r.Commands })
	c.Scripts = median(func(r Result) float64 { return r.Scripts })
	c.ServerNs = median(func(r Result) float64 { return r.ServerNs })
	c.Busy = median(func(r Result) float64 { return r.Busy })
	c.Objects = median(func(r Result) float64 { return r.ObjectsDecision })
	off := func(c workload.Check) int64 { return c.Admitted - c.Max }
	c.Check = rounds[0].Check
	for _, r := range rounds {
		c.Decided += r.decided()
		c.Refused += r.Refused
		c.Failed += r.Failed
		c.FellBack += r.FellBack
		if c.Failure == "" {
			c.Failure = r.Failure
		}
		if off(r.Check) > off(c.Check) {
			c.Check = r.Check
		}
	}
}

func (r *Report) summarizeShortcuts(all []Shortcut) {
	for len(all) > 0 {
		c := ShortcutCell{What: all[0].What}
		var ns, objects, bytes []float64
		all = slices.DeleteFunc(slices.Clone(all), func(s Shortcut) bool {
			if s.What != c.What {
				return false
			}
			ns, objects, bytes = append(ns, s.NsPerOp), append(objects, s.AllocsOp), append(bytes, s.BytesOp)
			c.Decisions += s.Decisions
			c.Here += s.Here
			c.Calls += s.Calls
			return true
		})
		c.NsPerOp, c.Objects, c.Bytes = figures.SpreadOf(ns), rare(figures.SpreadOf(objects).Median), rare(figures.SpreadOf(bytes).Median)
		r.Shortcuts = append(r.Shortcuts, c)
	}
}

// rare is 0 for what happens less than once in a hundred decisions: that is the
// runtime's own.
func rare(each float64) float64 {
	if each < 0.01 {
		return 0
	}
	return each
}
