package report

import (
	"cmp"
	"math"
	"slices"

	"github.com/weirhq/weir/bench/figures"
	"github.com/weirhq/weir/bench/workload"
)

// A Cell is what all rounds of one subject and one workload came to: medians,
// and how far the rounds lie apart.
type Cell struct {
	Subject  string `json:"subject"`
	Workload string `json:"workload"`
	Rounds   int    `json:"rounds"`
	Ended    string `json:"ended,omitempty"` // why there is nothing, or less

	NsPerOp     figures.Spread `json:"nsPerOp"`
	FloorNs     float64        `json:"floorNsPerOp"`
	Floors      figures.Spread `json:"floors"` // multiples of the floor in the same process
	AllocsPerOp float64        `json:"allocsPerOp"`
	BytesPerOp  float64        `json:"bytesPerOp"`

	Checks []workload.Check `json:"checks,omitempty"` // of each kind, the one that is furthest off

	Latency     *workload.Latency `json:"latency,omitempty"` // each quantile the median of the rounds'
	Keys        int               `json:"keys,omitempty"`
	BytesPerKey figures.Spread    `json:"bytesPerKey"`
	GC          workload.GC       `json:"gc"`

	Memory []workload.Sample `json:"memory,omitempty"` // of the round whose peak is the median
	Peak   int64             `json:"peak,omitempty"`   // of it
	After  int64             `json:"after,omitempty"`  // its last sample
}

// Summarize makes cells of results, in the order of subjects and workloads.
func (r *Report) Summarize(results []workload.Result) {
	for _, w := range r.Workloads {
		for _, s := range r.Subjects {
			var rounds []workload.Result
			for _, result := range results {
				if result.Subject == s.Name && result.Workload == w.Name {
					rounds = append(rounds, result)
				}
			}
			if len(rounds) > 0 {
				r.Cells = append(r.Cells, summarize(rounds))
			}
		}
	}
}

func summarize(all []workload.Result) Cell {
	c := Cell{Subject: all[0].Subject, Workload: all[0].Workload}
	var rounds []workload.Result
	for _, result := range all {
		if result.Ended != "" {
			c.Ended = result.Ended
			continue
		}
		rounds = append(rounds, result)
	}
	c.Rounds = len(rounds)
	if c.Rounds == 0 {
		return c
	}
	pick := func(f func(workload.Result) float64) []float64 {
		var values []float64
		for _, result := range rounds {
			values = append(values, f(result))
		}
		return values
	}
	median := func(f func(workload.Result) float64) float64 { return figures.SpreadOf(pick(f)).Median }

	c.NsPerOp = figures.SpreadOf(pick(func(r workload.Result) float64 { return r.NsPerOp }))
	c.FloorNs = median(func(r workload.Result) float64 { return r.FloorNsPerOp })
	c.Floors = figures.SpreadOf(pick(func(r workload.Result) float64 { return r.Floors }))
	c.AllocsPerOp = median(func(r workload.Result) float64 { return r.AllocsPerOp })
	c.BytesPerOp = median(func(r workload.Result) float64 { return r.BytesPerOp })
	c.Keys = rounds[0].Keys
	c.BytesPerKey = figures.SpreadOf(pick(func(r workload.Result) float64 { return r.BytesPerKey }))
	c.GC = workload.GC{
		Cycles:  int64(median(func(r workload.Result) float64 { return float64(r.GC.Cycles) })),
		PauseNs: int64(median(func(r workload.Result) float64 { return float64(r.GC.PauseNs) })),
		MaxNs:   int64(median(func(r workload.Result) float64 { return float64(r.GC.MaxNs) })),
	}
	c.Latency = latency(rounds)
	c.Checks = worst(rounds)
	c.remember(rounds)
	return c
}

func latency(rounds []workload.Result) *workload.Latency {
	if rounds[0].Latency == nil {
		return nil
	}
	median := func(f func(*workload.Latency) int64) int64 {
		var values []float64
		for _, r := range rounds {
			values = append(values, float64(f(r.Latency)))
		}
		return int64(figures.SpreadOf(values).Median)
	}
	return &workload.Latency{
		P50:    median(func(l *workload.Latency) int64 { return l.P50 }),
		P90:    median(func(l *workload.Latency) int64 { return l.P90 }),
		P99:    median(func(l *workload.Latency) int64 { return l.P99 }),
		P999:   median(func(l *workload.Latency) int64 { return l.P999 }),
		P9999:  median(func(l *workload.Latency) int64 { return l.P9999 }),
		P99999: median(func(l *workload.Latency) int64 { return l.P99999 }),
		Max:    median(func(l *workload.Latency) int64 { return l.Max }),
	}
}

// worst is one check of each kind: the one that admitted most beyond the quota,
// or else refused most that it admits.
func worst(rounds []workload.Result) []workload.Check {
	off := func(c workload.Check) int64 {
		if c.OverAdmits() {
			return math.MaxInt64/2 + c.Admitted - c.Max
		}
		return c.Min - c.Admitted
	}
	var checks []workload.Check
	for _, r := range rounds {
		for _, c := range r.Checks {
			i := slices.IndexFunc(checks, func(have workload.Check) bool { return have.What == c.What })
			if i < 0 {
				checks = append(checks, c)
			} else if off(c) > off(checks[i]) {
				checks[i] = c
			}
		}
	}
	return checks
}

// remember keeps the memory of the round in the middle.
func (c *Cell) remember(rounds []workload.Result) {
	type curve struct {
		samples []workload.Sample
		peak    int64
	}
	var curves []curve
	for _, r := range rounds {
		if len(r.Memory) == 0 {
			continue
		}
		peak := int64(0)
		for _, s := range r.Memory {
			peak = max(peak, s.Bytes)
		}
		curves = append(curves, curve{r.Memory, peak})
	}
	if len(curves) == 0 {
		return
	}
	slices.SortFunc(curves, func(a, b curve) int { return cmp.Compare(a.peak, b.peak) })
	middle := curves[(len(curves)-1)/2]
	c.Memory, c.Peak = middle.samples, middle.peak
	c.After = middle.samples[len(middle.samples)-1].Bytes
}

// overAdmits reports whether more passed than the quota admits.
func (c *Cell) overAdmits() bool {
	return c != nil && slices.ContainsFunc(c.Checks, workload.Check.OverAdmits)
}
