package gate

import (
	"math"
	"slices"
	"testing"
)

// The fewest rounds have an interval, and one less has none.
func TestFewestRounds(t *testing.T) {
	ratios := []float64{1, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08, 1.09, 1.11, 1.12}
	for _, tt := range []struct {
		level  float64
		fewest int
	}{{screenLevel, screenFewest}, {confirmLevel, confirmFewest}} {
		e := estimate(ratios[:tt.fewest], tt.level)
		if e.Lo != 1 || e.Hi != ratios[tt.fewest-1] {
			t.Errorf("%v of %d rounds, want all of them", e, tt.fewest)
		}
		if e := estimate(ratios[:tt.fewest-1], tt.level); !math.IsInf(e.Lo, -1) && !math.IsInf(e.Hi, 1) {
			t.Errorf("%v of %d rounds at %v", e, tt.fewest-1, tt.level)
		}
	}
}

func TestEstimate(t *testing.T) {
	ratios := []float64{1.12, 1, 1.01, 1.02, 1.03, 1.04, 1.06, 1.07, 1.08, 1.09, 1.1, 1.11}
	before := slices.Clone(ratios)
	e := estimate(ratios, screenLevel)
	if e.Lo != 1.01 || e.Hi != 1.11 || math.Abs(e.Ratio-1.065) > 1e-9 {
		t.Errorf("%v", e)
	}
	if !slices.Equal(ratios, before) {
		t.Error("the ratios are in another order")
	}
	if got := e.String(); got != "1.065 (1.010–1.110)" {
		t.Error(got)
	}
	if got := estimate(ratios[:3], screenLevel).String(); got != "1.010 (too few rounds)" {
		t.Error(got)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		e        Estimate
		repeated bool
		want     Verdict
	}{
		{Estimate{1.00, 0.98, 1.02}, false, OK},
		{Estimate{0.95, 0.92, 0.98}, false, Faster},
		{Estimate{1.05, 1.02, 1.08}, false, Slower},
		{Estimate{1.05, 1.02, 1.10}, false, Slower}, // just within
		{Estimate{1.05, 0.99, 1.11}, false, Open},
		{Estimate{1.20, 1.15, 1.25}, false, Open}, // seems lost: to be measured again
		{Estimate{1.20, 1.15, 1.25}, true, Lost},
		{Estimate{1.11, 1.001, 1.25}, true, Lost},
		{Estimate{1.20, 1.00, 1.25}, true, Open}, // not significant
		{Estimate{1.10, 1.08, 1.12}, true, Open}, // not above the limit
		{Estimate{1.09, 1.08, 1.095}, true, Slower},
	} {
		r := Result{Estimate: tt.e, Repeated: tt.repeated}
		if got := r.Verdict(); got != tt.want {
			t.Errorf("%v, measured again %t: %s, want %s", tt.e, tt.repeated, got, tt.want)
		}
	}
}
