package weir

import (
	"testing"
	"time"
)

// newShardTest is a limiter of one shard, whose table has the given number of
// segments and no keys.
func newShardTest(t *testing.T, segments int, opts ...Option) (*Limiter, *fakeClock, *shard, *table) {
	t.Helper()
	l, clock := newTest(t, PerSecond(10), append([]Option{WithMaxKeys(1)}, opts...)...)
	unbounded(l)
	sh := &l.shards[0]
	tb := newTable(segments, newGCRA(PerSecond(10)), 0, 0)
	tb.settle(1, 1, 1)
	sh.cur.Store(tb)
	return l, clock, sh, tb
}

// put fills the first slots of a chunk with keys that stand at tat.
func put(t *table, chunk int64, n int, tat int64) {
	t.open(int(chunk / stepsPerSegment))
	lines := t.lines(chunk)
	for i := range n {
		s := &lines[i/slotsPerLine][i%slotsPerLine]
		// An id that is at home in that very line.
		line := uint64(chunk)*linesPerStep + uint64(i/slotsPerLine)
		s.id.Store(line*(1<<63/uint64(len(t.segments)*linesPerSegment))*2 + 1<<40 + uint64(i%slotsPerLine))
		s.tat.Store(tat)
	}
}

// Of those who want a successor, the first makes it, and every 64th after him;
// nobody where there is one.
func TestWantSuccessor(t *testing.T) {
	l, _, sh, _ := newShardTest(t, 1)
	for before := range int64(140) {
		tb := newTable(1, newGCRA(PerSecond(10)), 0, 0)
		tb.settle(1, 1, 1)
		tb.makers.Store(before)
		want := before%64 == 0
		if made := l.wantSuccessor(sh, tb); made != want || (tb.next.Load() != nil) != want {
			t.Errorf("number %d: made %t", before+1, made)
		}
		if !want {
			continue
		}
		next := tb.next.Load()
		tb.makers.Store(before)
		if l.wantSuccessor(sh, tb) || tb.next.Load() != next {
			t.Errorf("number %d has made a second one", before+1)
		}
	}
}

// A sample counts what stands above the given TAT, final or not: of a small table
// all, of a large one the chunks at equal distances.
func TestSampleLive(t *testing.T) {
	realSizes(t)
	small := newTable(1, gcra{}, 0, 0)
	put(small, 0, 5, 101)
	put(small, 3, 2, 100)
	dead, _ := admitted(99, 100) // with an admission, which is no later for that
	put(small, 4, 2, dead)
	put(small, 5, 2, dead|frozen)
	put(small, 7, 3, 101|frozen)
	put(small, 15, 1, 1000)
	put(small, 14, 2, 100|frozen)
	for _, chunks := range []int64{16, 17, 32} {
		if got := small.sampleLive(100, chunks); got != 9 {
			t.Errorf("%d chunks of 16: %d live, want 9", chunks, got)
		}
	}
	large := newTable(40, gcra{}, 0, 0) // 640 chunks
	for i := range large.chunks() {
		put(large, i, 3, 101)
		if i%80 == 0 {
			put(large, i, 11, 101)
		}
	}
	for chunks, want := range map[int64]int64{8: 11 * 640, 16: 7 * 640, 32: 5 * 640} {
		if got := large.sampleLive(100, chunks); got != want {
			t.Errorf("%d chunks of 640: %d live, want %d", chunks, got, want)
		}
	}
}

// The size of a successor, in segments of 256 slots.
func TestSizeOfASuccessor(t *testing.T) {
	realSizes(t)
	const floor, segments, full = 100, 40, 7680
	for _, c := range []struct {
		name    string
		live    int   // keys in each chunk that the rough sample sees
		others  int   // keys in each other chunk
		used    int64 // claims
		raised  bool
		lap     bool  // the bound is at work
		room    int64 // the bound's threshold; 0 if there is none
		foreign int64 // claims in other tables
		current bool
		want    int
	}{
		{"not current: for all that fit", 1, 1, full, false, false, 0, 0, false, full*21/2560 + 1},
		{"full", 15, 15, full, false, false, 0, 0, true, 9600*21/2560 + 1},
		{"full of dead", 1, 1, full, false, false, 0, 0, true, 640*21/2560 + 1},
		{"by a rough sample", 16, 0, full, false, false, 0, 0, true, 10240*21/2560 + 1},
		{"by a fine sample", 16, 0, full, false, true, 0, 0, true, 2560*21/2560 + 1},
		{"by a fine sample of fewer", 15, 0, full, false, true, 0, 0, true, 2400*21/2560 + 1},
		{"made by the bound", 15, 15, full, true, false, 0, 0, true, 9600*19/2560 + 1},
		{"made by the bound, not full", 11, 11, 7000, true, false, 0, 0, true, 7040*19/2560 + 1},
		{"not full", 11, 11, full - 1, false, false, 0, 0, true, 7040*15/2560 + 1},
		{"just full", 11, 11, full, false, false, 0, 0, true, 7040*21/2560 + 1},
		{"not full, nor small", 10, 10, 7000, false, false, 0, 0, true, segments},
		{"not full, and shrinks", 5, 5, 7000, false, false, 0, 0, true, 3200*21/2560 + 1},
		{"not full, as many live as fill it", 12, 12, 7000, false, false, 0, 0, true, 7680*21/2560 + 1},
		{"room enough", 1, 1, full, false, false, 1600, 500, true, 640*21/2560 + 1},
		{"no more than the bound lets come", 2, 2, full, false, false, 1600, 0, true, 1700/192 + 1},
		{"nor than others leave", 2, 2, full, false, false, 3200, 1500, true, (3400-1500)/192 + 1},
		{"but enough for those there are", 3, 3, full, false, false, 1600, 500, true, 1920*15/2560 + 1},
	} {
		l, _, sh, tb := newShardTest(t, segments)
		for i := range tb.chunks() {
			n := c.others
			if i%80 == 0 {
				n = c.live
			}
			put(tb, i, n, floor+1)
		}
		tb.used.Store(c.used)
		l.counters.mine().keys.Add(c.used + c.foreign)
		if c.lap {
			l.bound.lap.Store(&lap{})
		}
		if c.room > 0 {
			l.bound.threshold = c.room
		} else {
			l.bound.threshold = 1 << 40
		}
		if got := l.sizeOf(sh, tb, floor, c.raised); c.current && got != c.want {
			t.Errorf("%s: %d segments, want %d", c.name, got, c.want)
		}
		if !c.current {
			for _, other := range []*shard{nil, new(shard)} {
				if got := l.sizeOf(other, tb, floor, c.raised); got != c.want {
					t.Errorf("%s: %d segments, want %d", c.name, got, c.want)
				}
			}
		}
	}
}

// However few are alive, a successor has an eighth of its predecessor's segments.
func TestSizeOfASuccessorOfTheDead(t *testing.T) {
	realSizes(t)
	for segments, want := range map[int]int{64: 8, 71: 8, 72: 9, 7: 1, 8: 1} {
		l, _, sh, tb := newShardTest(t, segments)
		tb.used.Store(tb.fill)
		l.counters.mine().keys.Add(tb.fill)
		if got := l.sizeOf(sh, tb, 1, false); got != want {
			t.Errorf("of %d segments: %d, want %d", segments, got, want)
		}
	}
}

// To open a segment of the successor and to sweep a chunk are two steps.
func TestHelpOpensOrSweeps(t *testing.T) {
	l, _, sh, tb := newShardTest(t, 1)
	put(tb, 0, 1, 5_000_000_000)
	next := newTable(1, tb.gcra, 0, 0)
	next.settle(1, 1, 1)
	tb.next.Store(next)
	if l.help(sh); next.segments[0].Load() == nil || tb.hand.Load() != 0 || tb.done.Load() != 0 {
		t.Errorf("the first step: %d chunks swept", tb.done.Load())
	}
	if l.help(sh); tb.hand.Load() != 1 || tb.done.Load() != 1 {
		t.Errorf("the second step: %d chunks swept, want 1", tb.done.Load())
	}
}

// A successor is born no earlier than its predecessor, and its horizon falls no
// further, even when the clock has stepped back; what an unlinked table says is
// left alone.
func TestSuccessorIsNoOlder(t *testing.T) {
	l, clock, sh, tb := newShardTest(t, 1)
	now := l.clock.exact()
	tb.settle(now+500, now+900, now+900)
	clock.advance(time.Hour)
	clock.advance(-time.Hour)
	l.succeed(sh, tb, nil)
	n := l.successor(tb)
	if born, horizon, floor := n.born.Load(), n.horizon.Load(), n.floor.Load(); born != now+500 || horizon != now+900 || floor != now+900 {
		t.Errorf("born %d, horizon %d, floor %d from now; want 500, 900 and 900", born-now, horizon-now, floor-now)
	}
	tb.next.Store(unlinked)
	if l.successor(tb) != unlinked || unlinked.floor.Load() != 0 || unlinked.born.Load() != 0 {
		t.Error("the unlinked table was settled")
	}
	unlinked.settle(0, 0, 0)
}

// A raise of the horizon is counted once, and only where it drops keys that stand
// above the horizon as it is.
func TestRaisesAreCounted(t *testing.T) {
	for _, c := range []struct{ horizon, raise, want int64 }{
		{0, 99, 0}, {0, 100, 0}, {0, 101, 1}, {200, 150, 0}, {200, 200, 0}, {200, 201, 1},
	} {
		l, clock, sh, tb := newShardTest(t, 1)
		clock.advance(99) // so that it is 100
		tb.settle(1, max(c.horizon, 1), max(c.horizon, 1))
		l.bound.lap.Store(&lap{raise: c.raise, gcra: tb.gcra, insist: true})
		l.succeed(sh, tb, nil)
		next := tb.next.Load()
		l.succeed(sh, tb, nil)
		if got := l.raises.Load(); got != c.want || tb.next.Load() != next {
			t.Errorf("horizon %d, raise to %d at 100: %d counted, want %d", c.horizon, c.raise, got, c.want)
		}
	}
}

// One help opens a segment ahead or sweeps one chunk; the last one moves the shard
// on.
func TestHelpStepByStep(t *testing.T) {
	realSizes(t)
	l, _, sh, old := newShardTest(t, 4)
	for i := range old.chunks() {
		put(old, i, 7, l.clock.exact()+int64(time.Second))
	}
	old.used.Store(old.chunks() * 7)
	l.counters.mine().keys.Add(old.chunks() * 7)
	l.succeed(sh, old, nil)
	next := l.successor(old)
	open := func() (n int64) {
		for i := range next.segments {
			if next.segments[i].Load() != nil {
				n++
			}
		}
		return n
	}
	steps := old.chunks() + int64(len(next.segments))
	for step := int64(0); sh.cur.Load() == old && step < steps; step++ {
		before, opened := old.done.Load(), open()
		// A chunk whose keys go to two segments may open the second of them.
		l.help(sh)
		if swept := old.done.Load() - before; swept > 1 || swept+open()-opened < 1 || swept+open()-opened > 2 {
			t.Fatalf("step %d of %d: %d chunks and %d segments", step, steps, old.done.Load()-before, open()-opened)
		}
		if old.hand.Load() != old.done.Load() {
			t.Fatalf("step %d: %d chunks taken and %d done", step, old.hand.Load(), old.done.Load())
		}
	}
	if sh.cur.Load() != next || l.migrations.Load() != 1 {
		t.Fatal("it has not moved on with the last step")
	}
	l.moveOn(sh, old, next) // somebody is late
	if l.migrations.Load() != 1 {
		t.Error("one migration is counted twice")
	}
	claimsAre(t, l, sh)
}

// help takes the chunk that the hand is at; when all are taken, one that is not
// through; and when all are through, it moves on.
func TestHelpTakesWhatIsLeft(t *testing.T) {
	realSizes(t)
	l, _, sh, old := newShardTest(t, 1)
	put(old, 0, 1, l.clock.exact()+1)
	l.succeed(sh, old, nil)
	next := l.successor(old)
	next.open(0)
	old.hand.Store(5)
	if l.help(sh); old.through[0].Load() != 1<<5 || old.hand.Load() != 6 {
		t.Errorf("with the hand at 5: swept %b, and now it is at %d", old.through[0].Load(), old.hand.Load())
	}
	old.hand.Store(16)
	if l.help(sh); old.through[0].Load() != 1<<5|1 || old.hand.Load() != 16 {
		t.Errorf("with all taken: swept %b, and the hand is at %d", old.through[0].Load(), old.hand.Load())
	}
	for i := range old.chunks() {
		l.sweep(old, next, i)
	}
	if sh.cur.Load() != old || old.done.Load() != 16 {
		t.Fatalf("%d chunks done", old.done.Load())
	}
	if l.help(sh); sh.cur.Load() != next {
		t.Error("it does not move on when all are through")
	}
	old.next.Store(unlinked)
	old.hand.Store(0)
	sh.cur.Store(old)
	if l.help(sh); sh.cur.Load() != old || old.hand.Load() != 0 {
		t.Error("it helps on from a table that is left")
	}
}

// The segments that are opened ahead are those in which the chunk's keys have
// their homes.
func TestOpenAhead(t *testing.T) {
	tb := newTable(3, gcra{}, 0, 0)
	for _, c := range []struct {
		chunk  int64
		opens  bool
		opened int
	}{{0, true, 0}, {0, false, 0}, {4, false, 0}, {5, true, 1}, {6, false, 1}, {10, true, 2}, {15, false, 2}} {
		if got := tb.openAhead(c.chunk, 16); got != c.opens || tb.segments[c.opened].Load() == nil {
			t.Errorf("chunk %d of 16: %t, and segment %d is %p", c.chunk, got, c.opened, tb.segments[c.opened].Load())
		}
	}
}

// After a sweep nothing can come to be in the chunk any more; its bit is set, it
// is counted once, and so are its keys, but not the slots that were sealed.
func TestSweep(t *testing.T) {
	realSizes(t)
	l, _, sh, old := newShardTest(t, 5)
	live := l.clock.exact() + int64(time.Second)
	put(old, 3, 5, live)
	put(old, 64, 2, live)
	l.succeed(sh, old, nil)
	next := l.successor(old)
	old.lines(3)[3][3].seal()
	l.counters.mine().keys.Store(7)
	for n, c := range []struct{ chunk, word, bit int64 }{{3, 0, 3}, {64, 1, 0}, {3, 0, 3}} {
		l.sweep(old, next, c.chunk)
		if old.through[c.word].Load() != 1<<c.bit || old.done.Load() != min(int64(n)+1, 2) {
			t.Errorf("chunk %d: %b, %d done", c.chunk, old.through[c.word].Load(), old.done.Load())
		}
		lines := old.lines(c.chunk)
		for i := range lines {
			for k := range lines[i] {
				if s := &lines[i][k]; s.id.Load() != sealed && (s.id.Load() == vacant || s.tat.Load() >= 0) {
					t.Errorf("chunk %d: slot %d of line %d is left open", c.chunk, k, i)
				}
			}
		}
	}
	if keys := l.counters.keys(); keys != 7 || next.used.Load() != 7 {
		t.Errorf("%d keys, %d of them in the successor; want 7", keys, next.used.Load())
	}
	l.sweep(old, next, 16) // its segment is not there
	if old.segments[1].Load() != closed || old.segments[0].Load() == closed || old.segments[2].Load() != nil {
		t.Error("a segment that is not there is not closed, or another one is")
	}
}

// What a sweep drops under Lenient is counted, be it one request.
func TestSweepCountsWhatItForgives(t *testing.T) {
	l, _, _, old := newShardTest(t, 1, WithOverflow(Lenient))
	put(old, 0, 1, 500)
	next := newTable(1, old.gcra, 0, 0)
	next.settle(1, 1, 1000)
	l.sweep(old, next, 0)
	if got := l.forgiven.Load(); got != 1 {
		t.Errorf("%d forgiven, want 1", got)
	}
}

// SetQuota ends a lap, for it has measured in the old interval.
func TestSetQuotaEndsTheLap(t *testing.T) {
	l, _, _, _ := newShardTest(t, 1)
	l.bound.lap.Store(&lap{})
	if err := l.SetQuota(PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	if l.bound.lap.Load() != nil {
		t.Error("the lap goes on")
	}
}

// It opens what comes next in order, not what nobody has needed so far.
func TestOpenAheadInTheMiddle(t *testing.T) {
	tb := newTable(40, gcra{}, 0, 0)
	if !tb.openAhead(5, 16) {
		t.Fatal("nothing opened")
	}
	for i := range tb.segments {
		if opened := tb.segments[i].Load() != nil; opened != (i == 12) {
			t.Errorf("segment %d: opened: %t", i, opened)
		}
	}
}

// Where there are no keys, a change of quota makes no table of its own for a shard.
func TestSetQuotaOfAnIdleLimiter(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1000))
	old := l.shards[0].cur.Load()
	if err := l.SetQuota(PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	if old.next.Load() != nil || l.Stats().Migrations != 0 {
		t.Error("the table that stands for none has got a successor")
	}
	void := l.shards[0].cur.Load()
	for i := range l.shards {
		if l.shards[i].cur.Load() != void || !void.void() || void.limit != 20 {
			t.Fatalf("shard %d: another table", i)
		}
	}
}
