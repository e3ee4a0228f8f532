package weir

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
)

// One of those who find a lap at its end ends it, and every 64th after.
func TestFinishIsForOne(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	for before := range int64(140) {
		p := &lap{number: 1}
		p.finisher.Store(before)
		l.bound.lap.Store(p)
		l.finish(p)
		if ended, want := l.bound.lap.Load() != p, before%64 == 0; ended != want {
			t.Errorf("number %d: ended: %t", before+1, ended)
		}
	}
}

// sampledLap is one whose sample has the given TATs.
func sampledLap(g gcra, tats ...int64) *lap {
	p := &lap{number: 1, gcra: g, tats: make([]atomic.Int64, len(tats))}
	for i, tat := range tats {
		p.tats[i].Store(tat)
	}
	p.sampled.Store(int64(len(tats)))
	return p
}

// After a lap comes one that drops, if the sample shows that somebody alive is to
// be dropped; another first one, if there are still too many claims; or none.
func TestFinish(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	g, now := l.quota.Load().gcra, l.clock.exact()
	l.bound.max, l.bound.threshold = 2, 100
	const first, drops, none = 0, 1, 2
	for name, c := range map[string]struct {
		lap       *lap
		keys      int64
		lowered   int64
		want      int
		insisting bool
	}{
		"to drop":               {sampledLap(g, now+8, now+1, now+9), 200, 0, drops, false},
		"to drop, not pressed":  {sampledLap(g, now+8, now+1, now+9), 1, 0, drops, false},
		"the dead only":         {sampledLap(g, now+8, now, now+9), 200, 0, first, false},
		"no more than may be":   {sampledLap(g, now+8, now+9), 200, 0, first, false},
		"not pressed":           {sampledLap(g, now+8, now, now+9), 100, 0, none, false},
		"another quota":         {sampledLap(newGCRA(PerSecond(9)), now+8, now+1, now+9), 200, 0, first, false},
		"misled":                {sampledLap(g, now+8, now+1, now+9), 200, 2, first, true},
		"misled, but not badly": {sampledLap(g, now+8, now+1, now+9), 200, 1, drops, false},
	} {
		l.counters.stripes[0].keys.Store(c.keys)
		l.bound.lowered.Store(c.lowered)
		l.bound.lap.Store(c.lap)
		l.bound.number.Store(6)
		l.finish(c.lap)
		next := l.bound.lap.Load()
		got := none
		switch {
		case next == nil:
		case next.raise != 0:
			got = drops
			if next.raise != now+1 || next.lowered != c.lap.lowered || next.gcra != g || next.number != 7 || next.insist {
				t.Errorf("%s: %+v", name, next)
			}
		default:
			got = first
			if next.number != 7 || next.gcra != g || next.lowered != c.lowered || next.insist != c.insisting {
				t.Errorf("%s: %+v", name, next)
			}
		}
		if got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// A lap that insists goes on insisting.
func TestFinishInsists(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	now := l.clock.exact()
	l.bound.max = 1
	p := sampledLap(l.quota.Load().gcra, now+1, now+2)
	p.insist = true
	l.bound.lap.Store(p)
	l.bound.lowered.Store(1000)
	l.finish(p)
	if next := l.bound.lap.Load(); next == nil || next.raise != now+1 || !next.insist {
		t.Errorf("%+v", next)
	}
}

// So many ids are sampled that 8,192 are not exceeded, but for chance.
func TestNewLap(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	for keys, want := range map[int64]struct {
		mask uint64
		tats int
	}{
		-1: {0, 64}, 0: {0, 64}, 1: {0, 65}, 100: {0, 189}, 8191: {0, 8191 + 2047 + 64}, 8192: {0, 8192 + 2048 + 64},
		8193: {1, 4096 + 1024 + 64}, 40_000: {7, 5000 + 1250 + 64},
	} {
		l.counters.stripes[0].keys.Store(keys)
		l.bound.number.Store(6)
		l.bound.lowered.Store(5)
		p := l.newLap(keys == 100)
		if p.mask != want.mask || len(p.tats) != want.tats {
			t.Errorf("%d keys: mask %b and room for %d, want %b and %d", keys, p.mask, len(p.tats), want.mask, want.tats)
		}
		if p.number != 7 || p.lowered != 5 || p.raise != 0 || p.insist != (keys == 100) || p.gcra != l.quota.Load().gcra {
			t.Errorf("%d keys: %+v", keys, p)
		}
	}
}

// Kept are those that may be, a 32nd, and of a part five standard deviations.
func TestDropBelow(t *testing.T) {
	const n = 3000
	tats := make([]int64, n)
	for i := range tats {
		tats[i] = int64(1 + i*7%n)
	}
	for _, c := range []struct {
		mask      uint64
		max, want int64
	}{
		{0, 1000, n - 1031},
		{1, 1280, n - (1320/2 + 128 + 1)}, // 5 √660 = 128.4
		{3, 8, n - (2 + 7 + 1)},           // 5 √2 = 7.07
		{0, n, 0}, {0, n - n/33, 0}, {1, 2 * n, 0},
		{0, 2910, 0},        // 3,000 with the 32nd
		{0, 2909, n - 2999}, // 2,999
	} {
		p := sampledLap(gcra{}, tats...)
		p.mask = c.mask
		if got := p.dropBelow(c.max); got != c.want {
			t.Errorf("%d of %d, mask %b: drops up to %d, want %d", c.max, n, c.mask, got, c.want)
		}
	}
	p := sampledLap(gcra{}, tats...)
	p.sampled.Store(n + 100) // found no room
	if got := p.dropBelow(1000); got != n-1031 {
		t.Errorf("with more than there was room for: drops up to %d, want %d", got, n-1031)
	}
}

func TestSelectNth(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		a := make([]int64, 1+r.IntN(9))
		for i := range a {
			a[i] = r.Int64N(6)
		}
		sorted := slices.Sorted(slices.Values(a))
		for k := range a {
			if got := selectNth(slices.Clone(a), k); got != sorted[k] {
				t.Fatalf("%v at %d: %d", a, k, got)
			}
		}
	}
}

// A sweep samples once for each table: into one that the lap has made, from one
// that it has not, and all under the quota that the lap is about.
func TestSampling(t *testing.T) {
	g, other := newGCRA(PerSecond(10)), newGCRA(PerSecond(11))
	for name, c := range map[string]struct {
		lap              *lap
		tableG, nextG    gcra
		tableLap, toward int64
		want             bool
	}{
		"no lap":                     {nil, g, g, 4, 5, false},
		"one that samples":           {&lap{number: 5, gcra: g}, g, g, 4, 5, true},
		"one that drops":             {&lap{number: 5, gcra: g, raise: 1}, g, g, 4, 5, false},
		"swept before":               {&lap{number: 5, gcra: g}, g, g, 5, 5, false},
		"a successor from before":    {&lap{number: 5, gcra: g}, g, g, 4, 4, false},
		"a successor of a later lap": {&lap{number: 5, gcra: g}, g, g, 4, 6, true},
		"from another quota":         {&lap{number: 5, gcra: g}, other, g, 4, 5, false},
		"to another quota":           {&lap{number: 5, gcra: g}, g, other, 4, 5, false},
	} {
		var b bound
		b.lap.Store(c.lap)
		from, to := newTable(1, c.tableG, 0, c.tableLap), newTable(1, c.nextG, 0, c.toward)
		want := c.lap
		if !c.want {
			want = nil
		}
		if got := b.sampling(from, to); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What is sampled are TATs, of ids with the bits of the mask clear, as many as
// there is room for.
func TestSample(t *testing.T) {
	p := &lap{mask: 2, tats: make([]atomic.Int64, 4)}
	lines := make([]line, 3)
	for i, s := range []struct {
		id  uint64
		tat int64
	}{
		{4, 101 | frozen}, {5, 102}, {6, 103}, {7, 104}, // two have the bit set
		{sealed &^ 2, 1}, {4, unwritten | frozen}, {8, firstAway | frozen}, {8, firstAway + 5},
		{9, maxTAT}, {12, 2 | frozen}, {13, 3}, {vacant, unwritten},
	} {
		lines[i/slotsPerLine][i%slotsPerLine].id.Store(s.id)
		lines[i/slotsPerLine][i%slotsPerLine].tat.Store(s.tat)
	}
	p.sample(lines)
	var got []int64
	for i := range p.tats {
		got = append(got, p.tats[i].Load())
	}
	if want := []int64{101, 102, 1, maxTAT}; !slices.Equal(got, want) || p.sampled.Load() != 6 {
		t.Errorf("%d sampled, among them %v; want 6, and %v", p.sampled.Load(), got, want)
	}
	p.mask, p.tats = 0, make([]atomic.Int64, 1)
	p.sampled.Store(0)
	lines[0][0].id.Store(sealed)
	p.sample(lines[:1])
	if p.tats[0].Load() != 102 || p.sampled.Load() != 3 {
		t.Errorf("a sealed slot: %d of %d sampled, want 102 of 3", p.tats[0].Load(), p.sampled.Load())
	}
}
