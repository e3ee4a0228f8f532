package workload

import (
	"fmt"
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Result is what one run of a workload measured.
type Result struct {
	Subject  string `json:"subject"`
	Workload string `json:"workload"`
	Round    int    `json:"round"`

	// Ended says why there is nothing below: it took too long or too much
	// memory, or failed. Empty for a run that came to its end.
	Ended string `json:"ended,omitempty"`

	Ops          int64   `json:"ops,omitempty"`
	NsPerOp      float64 `json:"nsPerOp,omitempty"`
	FloorNsPerOp float64 `json:"floorNsPerOp,omitempty"` // of the floor in the same process, in turn with the subject
	Floors       float64 `json:"floors,omitempty"`       // NsPerOp as a multiple of it
	AllocsPerOp  float64 `json:"allocsPerOp"`
	BytesPerOp   float64 `json:"bytesPerOp"`

	Checks []Check `json:"checks,omitempty"`

	Latency     *Latency `json:"latency,omitempty"`
	Keys        int      `json:"keys,omitempty"`        // live ones, at the end of a workload that grows
	BytesPerKey float64  `json:"bytesPerKey,omitempty"` // of them, by the heap
	GC          GC       `json:"gc"`

	Memory []Sample `json:"memory,omitempty"` // heap under the paced flood and after it
}

// A Check is how many requests were admitted, beside how many had to be and how
// many the quota admits at most.
type Check struct {
	What     string `json:"what"`
	Asked    int64  `json:"asked"`
	Admitted int64  `json:"admitted"`
	Min      int64  `json:"min"`
	Max      int64  `json:"max"`
}

// Fault says what is wrong, or "".
func (c Check) Fault() string {
	switch {
	case c.Admitted > c.Max:
		return fmt.Sprintf("%s: admitted %d of %d, %d more than the quota", c.What, c.Admitted, c.Asked, c.Admitted-c.Max)
	case c.Admitted < c.Min:
		return fmt.Sprintf("%s: refused %d of %d that the quota admits", c.What, c.Min-c.Admitted, c.Min)
	}
	return ""
}

// OverAdmits reports whether more passed than the quota admits.
func (c Check) OverAdmits() bool { return c.Admitted > c.Max }

// Latency is how long single decisions took, in nanoseconds, one reading of the
// clock included.
type Latency struct {
	P50    int64 `json:"p50"`
	P90    int64 `json:"p90"`
	P99    int64 `json:"p99"`
	P999   int64 `json:"p99.9"`
	P9999  int64 `json:"p99.99"`
	P99999 int64 `json:"p99.999"`
	Max    int64 `json:"max"`
}

// A Sample is the heap at one moment of the paced flood.
type Sample struct {
	Ms    int64 `json:"ms"` // since it began
	Bytes int64 `json:"bytes"`
}

// GC is what the collector did by itself while a workload ran.
type GC struct {
	Cycles  int64 `json:"cycles"`
	PauseNs int64 `json:"pauseNs"` // of all cycles together
	MaxNs   int64 `json:"maxNs"`   // the longest pause
}

// latencies is a histogram of nanoseconds up to a minute, to three digits.
type latencies struct{ h *hdrhistogram.Histogram }

func newLatencies() latencies {
	return latencies{hdrhistogram.New(1, 60e9, 3)}
}

func (l latencies) record(took []int64) {
	for _, t := range took {
		// What is out of range is so by more than a minute: worth its place.
		_ = l.h.RecordValue(min(max(t, 1), 60e9))
	}
}

func (l latencies) summary() *Latency {
	at := l.h.ValueAtQuantile
	return &Latency{
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99), P99999: at(99.999), Max: l.h.Max(),
	}
}

// Median is the middle one of the values, the mean of the middle two, or NaN of
// none. It leaves them in their order.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}
