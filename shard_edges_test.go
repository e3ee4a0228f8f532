package weir

import (
	"runtime"
	"testing"
	"time"
)

// A table for each 7,800 keys; at least four for each processor, but none that
// few keys could not fill; and never more than 2,048.
func TestShardsFor(t *testing.T) {
	realSizes(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for keys, want := range map[int64]int{
		1: 1, 191: 1, 192: 2, 383: 2, 384: 3, 1343: 7, 1344: 8, 1536: 8, 7800: 8, 8 * 7800: 8, 8*7800 + 1: 9,
		9 * 7800: 9, 9*7800 + 1: 10, 1000 * 7800: 1000, 1000*7800 + 1: 1001,
		2047 * 7800: 2047, 2047*7800 + 1: 2048, 2048 * 7800: 2048, 2048*7800 + 1: 2048, 1 << 40: 2048,
	} {
		if got := shardsFor(keys); got != want {
			t.Errorf("%d shards for %d keys, want %d", got, keys, want)
		}
	}
	if got := runtime.GOMAXPROCS(0); got != 2 {
		t.Errorf("asking has set GOMAXPROCS to %d", got)
	}
}

// The first table of a shard has one segment, and belongs to the lap that is in
// progress, so that this does not sweep it again.
func TestFirstTable(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	l.bound.number.Store(3)
	l.Allow("k")
	if tb := l.shards[0].cur.Load(); tb.void() || len(tb.segments) != 1 || tb.lap != 3 {
		t.Errorf("%d segments of lap %d", len(tb.segments), tb.lap)
	}
}

// A TAT is rescaled on its way to a successor, up to the last one that there is;
// a marker is not.
func TestHop(t *testing.T) {
	from, to := newVoid(newGCRA(PerSecond(1)), 1), newVoid(newGCRA(PerSecond(1000)), 1)
	for v, want := range map[int64]int64{1: 1, 1001: 2, maxTAT: 1 + (maxTAT-1+999)/1000, firstAway: firstAway, firstAway + 1: firstAway + 1} {
		if got := hop(from, to, v); got != want {
			t.Errorf("%d becomes %d, want %d", v, got, want)
		}
	}
}

// Claims are counted in the table in which they were made, each once.
func TestTally(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	first, second := newTable(1, gcra{}, 0, 0), newTable(1, gcra{}, 0, 0)
	var y tally
	for _, tb := range []*table{first, first, second, first, second, second} {
		l.claimedIn(tb, &y)
	}
	l.count(&y)
	l.count(&y)
	if a, b, all := first.used.Load(), second.used.Load(), l.counters.keys(); a != 3 || b != 3 || all != 6 {
		t.Errorf("%d and %d and %d in all, want 3 and 3 and 6", a, b, all)
	}
}

// claimsAre checks that the counts of claims are what the tables of a shard hold.
func claimsAre(t *testing.T, l *Limiter, sh *shard) {
	t.Helper()
	all := int64(0)
	for tb := sh.cur.Load(); tb != nil; tb = l.successor(tb) {
		n := int64(0)
		for i := range tb.chunks() {
			lines := tb.lines(i)
			for j := range lines {
				for k := range lines[j] {
					if id := lines[j][k].id.Load(); id != vacant && id != sealed {
						n++
					}
				}
			}
		}
		if used := tb.used.Load(); used != n {
			t.Errorf("%d claims are counted in a table with %d", used, n)
		}
		if tb.through[0].Load() == 0 { // not swept
			all += n
		}
	}
	if keys := l.counters.keys(); keys != all {
		t.Errorf("%d claims are counted, and there are %d", keys, all)
	}
}

// Keys that operations carry ahead of a migration are counted as those that it
// carries itself.
func TestClaimsAreCountedInAMigration(t *testing.T) {
	realSizes(t)
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	unbounded(l)
	sh := &l.shards[0]
	names := hotKey
	for i := range 100 {
		l.Allow(names(i))
	}
	claimsAre(t, l, sh)
	old := sh.cur.Load()
	l.succeed(sh, old, nil)
	for i := range 50 {
		l.find(sh, mustID(l, names(i)))
	}
	claimsAre(t, l, sh)
	for sh.cur.Load() == old {
		l.help(sh)
	}
	claimsAre(t, l, sh)
	if n := l.counters.keys(); n != 100 {
		t.Errorf("%d keys, want 100", n)
	}
}

// A value does not go beyond a table that has been unlinked: it has arrived.
func TestBringEndsAtAnUnlinkedTable(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	from, to := newVoid(newGCRA(PerSecond(10)), 1), newTable(1, newGCRA(PerSecond(10)), 0, 0)
	to.settle(1, 1, 1)
	to.next.Store(unlinked)
	var y tally
	l.bring(from, to, 7, firstAway+5, &y)
	if unlinked.next.Load() != nil || y != (tally{}) {
		t.Error("it went on")
	}
	unlinked.next.Store(nil)
}

// A value for which a successor has no place goes to the successor's successor.
func TestBringPastAFullTable(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	from, to := newVoid(newGCRA(PerSecond(10)), 1), newTable(1, newGCRA(PerSecond(10)), 0, 0)
	to.settle(1, 1, 1)
	g := to.open(0)
	for i := range g {
		for k := range g[i] {
			g[i][k].id.Store(uint64(1000 + i*slotsPerLine + k))
		}
	}
	var y tally
	l.bring(from, to, 7, l.clock.exact()+5, &y)
	next := to.next.Load()
	if next == nil {
		t.Fatal("no successor")
	}
	if s, found := next.probe(7, false); found != foundKey || s.tat.Load() != l.clock.exact()+5 || y.into != next || y.claimed != 1 {
		t.Errorf("found %d; %+v", found, y)
	}
}

// An operation that comes to a table which its shard has left starts again from
// the shard's current one: nothing is decided, written or forgotten in what was
// left.
func TestUnlinkedTableIsLeft(t *testing.T) {
	for name, op := range map[string]func(l *Limiter){
		"refund": func(l *Limiter) { l.Refund("k", 3) },
		"peek":   func(l *Limiter) { l.Peek("k") },
		"allow":  func(l *Limiter) { l.Allow("k") },
		"reset":  func(l *Limiter) { l.Reset("k") },
	} {
		l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
		l.AllowN("k", 5)
		sh := &l.shards[0]
		old := sh.cur.Load()
		l.succeed(sh, old, nil)
		next := l.successor(old)
		for i := range old.chunks() {
			l.sweep(old, next, i)
		}
		old.next.Store(unlinked) // the shard follows when the operation has seen this
		want := map[string]int64{"refund": 8, "peek": 5, "allow": 4, "reset": 10}[name]
		time.AfterFunc(5*time.Millisecond, func() { sh.cur.Store(next) })
		op(l)
		if got := l.Peek("k"); got.Remaining != want {
			t.Errorf("%s: %d remain, want %d", name, got.Remaining, want)
		}
		if sh.cur.Load() != next {
			t.Errorf("%s: it did not wait for the shard to move on", name)
		}
	}
}

// A copier that takes a key past a table which has a successor already seals the
// place there, be it a slot or a segment: else Peek, which may begin at that table
// once it is the current one, would find that the key is nowhere.
func TestBringSealsWhatItPasses(t *testing.T) {
	for _, opened := range []bool{false, true} {
		l, _, sh, first := newShardTest(t, 1)
		l.AllowN("k", 7)
		want := l.Peek("k")
		l.succeed(sh, first, nil)
		second := l.successor(first)
		if opened {
			second.open(0)
		}
		l.succeed(nil, second, nil)
		for sh.cur.Load() == first {
			l.help(sh)
		}
		_, id := l.locate("k")
		if s, found := l.successor(second).probe(id, false); sh.cur.Load() != second || found != foundKey || s.tat.Load() == unwritten {
			t.Fatalf("opened: %t: the key is not in the third table while the second is current", opened)
		}
		if d := l.Peek("k"); d != want || want.Remaining != 3 {
			t.Errorf("opened: %t: %+v, want %+v", opened, d, want)
		}
		if d := l.AllowN("k", 4); d.Allowed {
			t.Errorf("opened: %t: 11 of 10 are admitted: %+v", opened, d)
		}
	}
}
