package main

import (
	"math"
	"testing"
)

func near(got, want, within float64) bool { return math.Abs(got-want) <= within }

func TestContended(t *testing.T) {
	for _, c := range []struct {
		name      string
		d         distance
		own, asks float64
		callers   int
		want      float64
	}{
		{"alone, the line is always here", distance{Handover: 100, Keep: 40}, 40, 2, 1, 40},
		{"nothing shared", distance{Handover: 100, Keep: 40}, 40, 0, 2, 20},
		{"nothing shared, many", distance{Handover: 100, Keep: 40}, 40, 0, 64, 0.625},
		{"a move costs nothing", distance{Keep: 40}, 40, 2, 2, 20},
		{"each decision waits", distance{Handover: 100}, 40, 1, 2, 70},
		{"twice", distance{Handover: 100}, 40, 2, 2, 120},
		{"two decisions a move", distance{Handover: 100, Keep: 40}, 40, 1, 2, 45},
		{"shorter ones, more of them", distance{Handover: 100, Keep: 40}, 10, 1, 2, 15},
		{"three, the line is still idle now and then", distance{Handover: 10, Keep: 40}, 50, 1, 3, 20},
		{"eight, it never is", distance{Handover: 10, Keep: 40}, 50, 1, 8, 10},
		{"more callers get no more", distance{Handover: 10, Keep: 40}, 50, 1, 64, 10},
	} {
		if got := c.d.contended(c.own, c.asks, c.callers); !near(got, c.want, 1e-9) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAt(t *testing.T) {
	if got, want := (distance{100, 40, 7, 3}).at(200), (distance{200, 80, 7, 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// keep undoes contended: what two callers who only add to a word would take, if
// the model were right, gives back the k that it was made with.
func TestKeepUndoesContended(t *testing.T) {
	for _, d := range []distance{{Handover: 13, Keep: 0}, {Handover: 13, Keep: 2}, {Handover: 118, Keep: 47}, {Handover: 200, Keep: 500}} {
		for _, alone := range []float64{4, 5.5, 9} {
			if got := keep(d.Handover, alone, d.contended(alone, asksCounted, 2)); !near(got, d.Keep, 1e-6) {
				t.Errorf("%+v, %v alone: %v", d, alone, got)
			}
		}
	}
	if got := keep(13, 5, 30); got != 0 {
		t.Errorf("dearer than a move each: %v, want 0", got)
	}
	if got := keep(13, 5, 2.4); got != 0 {
		t.Errorf("no wait at all: %v, want 0", got)
	}
}

func TestScattered(t *testing.T) {
	d := distance{Handover: 100, Keep: 40}
	for _, c := range []struct {
		lines   float64
		callers int
		want    float64
	}{{1, 1, 50}, {0, 2, 25}, {1, 2, 50}, {0.5, 2, 37.5}, {1, 4, 31.25}, {2, 10, 23}} {
		if got := d.scattered(50, c.lines, c.callers); !near(got, c.want, 1e-9) {
			t.Errorf("%v lines, %d callers: %v, want %v", c.lines, c.callers, got, c.want)
		}
	}
}

// Three callers: all apart, one pair, or all on one stripe.
func TestStriped(t *testing.T) {
	d := distance{Handover: 100, Keep: 40}
	if got := d.striped(40, 1); !near(got, 40, 1e-9) {
		t.Errorf("one caller: %v, want 40", got)
	}
	const apart, pair, all = 63. * 63 / 64 / 64, 2. * 63 / 64 / 64, 1. / 64 / 64 // for one of them
	rate := apart/40 + pair/(2*45) + all/(3*100)
	if got := d.striped(40, 3); !near(got, 1/(3*rate), 1e-9) {
		t.Errorf("three callers: %v, want %v", got, 1/(3*rate))
	}
	if got := d.striped(40, 64); got < 1.5*40/64 {
		t.Errorf("64 callers on 64 stripes: %v, as if few shared one", got)
	}
}

func TestBinomial(t *testing.T) {
	sum := 0.0
	for k := 0.0; k <= 63; k++ {
		sum += binomial(63, k, 1.0/stripes)
	}
	if !near(sum, 1, 1e-9) {
		t.Errorf("all chances together: %v", sum)
	}
	if got := binomial(4, 2, 0.5); !near(got, 0.375, 1e-9) {
		t.Errorf("two heads of four: %v", got)
	}
}

func TestHarmonic(t *testing.T) {
	sum, k := 0.0, 0
	for _, n := range []int{1, 2, 19, 20, 21, 100, 16384, manyKeys} {
		for ; k < n; k++ {
			sum += math.Pow(float64(k+1), -zipfExponent)
		}
		if got := harmonic(float64(n)); !near(got, sum, 1e-6) {
			t.Errorf("%d: %v, want %v", n, got, sum)
		}
	}
	if got := zipfMass(2 * manyKeys); got != 1 {
		t.Errorf("room for more keys than there are: %v", got)
	}
	if got := zipfMass(1); !near(got, 0.124, 0.001) {
		t.Errorf("the most frequent key: %v", got)
	}
}

// What limits the rows of many keys: memory that two share, then single lines.
func TestManyKeys(t *testing.T) {
	none := distance{Handover: 100, Swept: 0.5}
	all := distance{Handover: 100, Private: 1 << 40, Swept: 0.5}
	for _, c := range []struct {
		name      string
		got, want float64
	}{
		{"uniform, all lines shared", none.uniform(200, 2), 100},
		{"uniform, all lines private", all.uniform(200, 2), 125},
		{"uniform, half of them", distance{Handover: 100, Private: manyKeys * bytesPerKey / 2}.uniform(200, 2), 112.5},
		{"Zipf, all lines private", all.zipf(200, 2), 125},
		{"Zipf, the hottest line", all.zipf(200, 1000), zipfMass(1) * asksAdmitted * 100},
		{"flood, one caller", all.flood(200, 1), 200},
		{"flood, tables elsewhere", none.flood(200, 2), 100 + 0.5*asksAChunk*50 + 25},
		{"flood, tables in private caches", all.flood(200, 2), 100 + 0.5*asksAChunk*50 + (2+0.5*slotLinesAChunk)*25},
		{"flood, the shard that all sweep", all.flood(200, 1000), 0.5 * asksAChunk * 100},
	} {
		if !near(c.got, c.want, 1e-6) {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
}
