package weir

import (
	"math"
	"testing"
)

func TestBoundInit(t *testing.T) {
	const most = 1 << 48
	for maxKeys, want := range map[int64][2]int64{
		1: {1, 65}, 3: {3, 67}, 4: {4, 69}, 15: {15, 82}, 1000: {1000, 1314},
		most - 1: {most - 1, most - 1 + most/4 - 1 + 64}, most: {most, most + most/4 + 64},
		most + 1: {most, most + most/4 + 64}, math.MaxInt64: {most, most + most/4 + 64},
	} {
		var b bound
		b.init(maxKeys)
		if got := [2]int64{b.max, b.threshold}; got != want {
			t.Errorf("%d keys: %d and laps beyond %d claims, want %d", maxKeys, got[0], got[1], want)
		}
	}
}

// A table has room for what the threshold and a sixteenth leave when others hold
// what they hold, and for a segment more.
func TestBoundRoom(t *testing.T) {
	realSizes(t) // 192 claims a segment
	for _, c := range []struct {
		threshold, others int64
		want              int
	}{
		{1600, 0, 9}, {1600, 740, 6}, {1600, 741, 5}, // 1,700 are let come
		{1600, 1700, 1}, {1600, 1701, 1}, {1600, math.MaxInt64, 1},
		{3072, 0, 18}, {3072, -1, 18}, {180, -1, 1}, {180, 0, 1}, // 3,264 and 191
		{1 << 50, 0, math.MaxInt32},
	} {
		if got := (&bound{threshold: c.threshold}).room(c.others); got != c.want {
			t.Errorf("laps beyond %d claims, %d held by others: room for %d segments, want %d", c.threshold, c.others, got, c.want)
		}
	}
}

func TestBoundRaise(t *testing.T) {
	g, other := newGCRA(PerSecond(10)), newGCRA(PerSecond(11))
	for name, c := range map[string]struct {
		lap  *lap
		want int64
	}{
		"no lap":           {nil, 0},
		"a first lap":      {&lap{gcra: g}, 0},
		"least":            {&lap{gcra: g, raise: 1}, 1},
		"another quota":    {&lap{gcra: other, raise: 700}, 0},
		"misled":           {&lap{gcra: g, raise: 700, lowered: -2}, 0},
		"as the lap says":  {&lap{gcra: g, raise: 700}, 700},
		"the whole burst":  {&lap{gcra: g, raise: 500 + g.tolerance}, 500 + g.tolerance},
		"beyond the burst": {&lap{gcra: g, raise: 501 + g.tolerance}, 500 + g.tolerance},
	} {
		b := bound{max: 1}
		b.lap.Store(c.lap)
		if got := b.raise(&g, 500); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestBoundMisled(t *testing.T) {
	for _, c := range []struct {
		max, before, now int64
		insist, want     bool
	}{
		{64, 10, 12, false, false}, {64, 10, 13, false, true}, {64, 10, 13, true, false}, {64, 10, 10, true, false},
		{62, 0, 1, false, false}, {62, 0, 2, false, true},
		{31, 0, 1, false, false}, {31, 0, 2, false, true},
	} {
		b := bound{max: c.max}
		b.lowered.Store(c.now)
		if got := b.misled(&lap{lowered: c.before, insist: c.insist}); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}

// Only what ends a life counts, and only while a lap goes on.
func TestBoundFell(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	now := l.clock.exact()
	for _, c := range []struct {
		before, after int64
		want          int64
	}{
		{now + 1, now, 1}, {now + 9, now - 9, 1}, {now + 9, now + 1, 0}, {now, now - 1, 0}, {now + 1, now + 1, 0},
		{now - 1, now + 1, 0}, {now, now, 0},
	} {
		for _, running := range []bool{false, true} {
			l.bound.lap.Store(nil)
			l.bound.lowered.Store(0)
			if running {
				l.bound.lap.Store(&lap{})
			}
			l.fell(c.before, c.after)
			if got := l.bound.lowered.Load(); got != c.want && running || got != 0 && !running {
				t.Errorf("from now%+d to now%+d, in a lap: %t: counted %d times", c.before-now, c.after-now, running, got)
			}
		}
	}
}

func TestBoundPressed(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	l.bound.threshold = 100
	for _, c := range []struct {
		keys, pinned int64
		want         bool
	}{{100, 0, false}, {101, 0, true}, {103, 3, false}, {103, 2, true}} {
		l.counters.stripes[3].keys.Store(c.keys)
		l.bound.pinned.Store(c.pinned)
		if got := l.pressed(); got != c.want {
			t.Errorf("%d claims, %d of them pinned, of 100: %t", c.keys, c.pinned, got)
		}
	}
}

// newSweepTest is a shard with a table of 640 chunks and, if linked, a successor
// all of whose segments are there, so that each step of help sweeps.
func newSweepTest(t *testing.T, linked bool) (l *Limiter, sh *shard, tb, next *table) {
	t.Helper()
	realSizes(t)
	l, _, sh, tb = newShardTest(t, 40)
	if linked {
		next = newTable(40, tb.gcra, 0, 0)
		next.settle(1, 1, 1)
		for i := range next.segments {
			next.open(i)
		}
		tb.next.Store(next)
	}
	return l, sh, tb, next
}

// A claim makes a successor where the table is full, if it is the one whose turn
// that is, and only then does no more.
func TestClaimedInAFullTable(t *testing.T) {
	for _, c := range []struct {
		beyond, makers int64
		want           bool
	}{{-1, 0, false}, {0, 0, true}, {1, 0, true}, {0, 1, false}} {
		l, sh, tb, _ := newSweepTest(t, false)
		tb.makers.Store(c.makers)
		if made := l.claimed(sh, tb, tb.fill+c.beyond); made != c.want || (tb.next.Load() != nil) != c.want {
			t.Errorf("%+v: made: %t", c, made)
		}
		if tb.hand.Load() != 0 {
			t.Errorf("%+v: and swept as well", c)
		}
	}
}

// A claim in a successor that is nearly full, while its predecessor is not empty,
// empties that by six chunks.
func TestClaimedWhenLate(t *testing.T) {
	for beyond, want := range map[int64]int64{-1: 0, 0: 0, 1: 6, 100: 6} {
		l, sh, tb, next := newSweepTest(t, true)
		next.used.Store(next.fill - next.fill/8 + beyond)
		if l.claimed(sh, next, 1) || tb.hand.Load() != want || tb.done.Load() != want {
			t.Errorf("%d claims above 7/8 of what may be: %d chunks swept, want %d", beyond, tb.done.Load(), want)
		}
		if l.late(sh) != (want > 0) {
			t.Errorf("%d claims above 7/8 of what may be: late: %t", beyond, l.late(sh))
		}
	}
	l, sh, tb, _ := newSweepTest(t, false)
	if l.late(sh) {
		t.Error("late without a successor")
	}
	tb.next.Store(unlinked)
	if l.late(sh) {
		t.Error("late when it has moved on")
	}
}

// Every 32nd claim of a table looks whether there are too many, and each moves a
// lap on that is in progress.
func TestClaimedUnderTheBound(t *testing.T) {
	for used, begins := range map[int64]bool{1: false, 31: false, 32: true, 33: false, 63: false, 64: true} {
		for _, keys := range []int64{100, 101} {
			l, sh, tb, _ := newSweepTest(t, false)
			l.bound.threshold = 100
			l.counters.stripes[0].keys.Store(keys)
			l.claimed(sh, tb, used)
			if got, want := l.bound.lap.Load() != nil, begins && keys > 100; got != want {
				t.Errorf("claim %d of %d in all: a lap: %t", used, keys, got)
			}
			if tb.next.Load() != nil {
				t.Errorf("claim %d of %d in all: a successor", used, keys)
			}
		}
	}
	l, sh, tb, _ := newSweepTest(t, true)
	l.bound.lap.Store(&lap{number: 1})
	l.claimed(sh, tb, 1)
	if tb.done.Load() != 4 {
		t.Errorf("a claim during a lap sweeps %d chunks", tb.done.Load())
	}
}

// A step of a lap is four chunks of the shard whose turn it is, or four shards
// further; tables that the lap has made are swept no more.
func TestPress(t *testing.T) {
	l, _, tb, next := newSweepTest(t, true)
	void := newVoid(tb.gcra, 1)
	l.shards = make([]shard, 11)
	for i := range l.shards {
		l.shards[i].cur.Store(void)
	}
	l.shards[2].cur.Store(next)
	l.shards[5].cur.Store(tb)
	next.lap = 7
	p := &lap{number: 7}
	l.bound.lap.Store(p)
	for i, want := range []struct{ cursor, swept int64 }{{4, 0}, {5, 4}, {5, 8}, {5, 12}} {
		l.press(p)
		if p.cursor.Load() != want.cursor || tb.done.Load() != want.swept {
			t.Fatalf("step %d: at shard %d after %d chunks, want %+v", i, p.cursor.Load(), tb.done.Load(), want)
		}
	}
	tb.lap = 8
	l.press(p)
	if p.cursor.Load() != 9 || tb.done.Load() != 12 || l.bound.lap.Load() != p {
		t.Fatalf("at shard %d after %d chunks, want 9 and 12", p.cursor.Load(), tb.done.Load())
	}
	l.press(p)
	if p.cursor.Load() != 11 || l.bound.lap.Load() != nil {
		t.Errorf("at shard %d of 11, and the lap not over", p.cursor.Load())
	}
	if void.next.Load() != nil {
		t.Error("a table without slots has got a successor")
	}

	l, _, tb, _ = newSweepTest(t, false)
	l.press(&lap{number: 1})
	if tb.next.Load() == nil {
		t.Error("a lap makes no successor")
	}
}

// An own quota takes its slot out of what the bound counts, and gives it back.
func TestPinned(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	for i, step := range []struct {
		do   func()
		want int64
	}{
		{func() { _ = l.SetKeyQuota("a", PerSecond(1)) }, 1},
		{func() { _ = l.SetKeyQuota("b", PerSecond(1)) }, 2},
		{func() { _ = l.SetKeyQuota("a", PerSecond(2)) }, 2},
		{func() { l.ClearKeyQuota("a") }, 1},
		{func() { l.ClearKeyQuota("a") }, 1},
		{func() { l.ClearKeyQuota("never set") }, 1},
		{func() { l.ClearKeyQuota("b") }, 0},
	} {
		step.do()
		if got := l.bound.pinned.Load(); got != step.want {
			t.Errorf("step %d: %d slots pinned, want %d", i+1, got, step.want)
		}
	}
}
