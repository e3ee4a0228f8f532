package weir

import (
	"fmt"
	"testing"
	"time"
)

// One migration by hand, step by step, so that each rare turn is taken for sure.
func TestMigrationByHand(t *testing.T) {
	realSizes(t)
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(1))
	unbounded(l)
	sh := &l.shards[0]
	for i := range 10 {
		l.AllowN(fmt.Sprint("key ", i), int64(i)+1)
	}
	old := sh.cur.Load()
	clock.advance(500 * time.Millisecond) // keys 0 to 4 are dead
	l.succeed(sh, old, nil)
	next := l.successor(old)
	if next == nil || next == unlinked {
		t.Fatal("no successor")
	}
	_, id := l.locate("key 9")
	if l.Peek("key 9").Remaining != 5 {
		t.Fatal("Peek sees another debt through a migration")
	}
	if _, found := next.probe(id, true); found != foundFree {
		t.Fatal("Peek has carried a key")
	}
	// find carries the key ahead of the sweep.
	tb, s, found := l.find(sh, id)
	if tb != next || !found || s.tat.Load() < 0 {
		t.Fatal("the key was not carried")
	}
	if in, _ := old.probe(id, true); in.tat.Load() >= 0 {
		t.Fatal("the key was carried without being frozen")
	}
	// A key that is nowhere cannot come to be in the old table any more.
	if tb, _, found := l.find(sh, mustID(l, "nowhere")); tb != next || found {
		t.Fatal("a key that was never seen was found")
	}
	if _, found := old.probe(mustID(l, "nowhere"), false); found != foundEnd {
		t.Fatal("its place in the old table is still open")
	}
	// It is spent there; a late copier does not undo that.
	if !l.AllowN("key 9", 5).Allowed {
		t.Fatal("refused what remained")
	}
	for range old.chunks() {
		l.Allow("key 9")
	}
	if sh.cur.Load() != next || old.next.Load() != unlinked {
		t.Fatal("the operations have not helped the migration through")
	}
	in, _ := old.probe(id, true)
	l.carry(old, next, in, id, new(tally))
	if d := l.Peek("key 9"); d.Allowed {
		t.Fatalf("a late copier has undone a request: %+v", d)
	}
	if _, dead := l.locate("key 0"); true {
		if _, found := next.probe(dead, true); found == foundKey {
			t.Fatal("a dead key was copied")
		}
	}
	if s := l.Stats(); s.Keys != 5 || s.Migrations != 1 {
		t.Fatalf("%+v", s)
	}
}

// A sleeper who claimed a chunk does not hold the migration up.
func TestSleepingHelper(t *testing.T) {
	realSizes(t)
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	unbounded(l)
	sh := &l.shards[0]
	for i := range 40 {
		l.Allow(fmt.Sprint(i))
	}
	old := sh.cur.Load()
	if old.chunks() < 4 || old.next.Load() != nil {
		t.Fatal("not the table that is wanted")
	}
	l.succeed(sh, old, nil)
	old.hand.Add(2) // two helpers took a chunk each and sleep
	for range old.chunks() + 2 {
		l.help(sh)
	}
	if sh.cur.Load() == old {
		t.Fatal("the migration waits for the sleepers")
	}
	before := l.Stats()
	l.sweep(old, sh.cur.Load(), 0) // one wakes
	if after := l.Stats(); after != before || l.counters.keys() != after.Keys {
		t.Fatalf("a late sweep changed %+v to %+v", before, after)
	}
}

// A table that fills while it is itself being filled gets a successor, and keys
// pass through it.
func TestNestedMigration(t *testing.T) {
	realSizes(t)
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	unbounded(l)
	sh := &l.shards[0]
	for i := range 40 {
		l.AllowN(fmt.Sprint(i), 7)
	}
	for sh.cur.Load().next.Load() != nil {
		l.help(sh)
	}
	first := sh.cur.Load()
	l.succeed(sh, first, nil)
	second := l.successor(first)
	l.succeed(sh, second, nil)
	third := l.successor(second)
	if third == nil || third.next.Load() != nil {
		t.Fatal("no chain of three")
	}
	for i := range 40 {
		key := fmt.Sprint(i)
		if d := l.Peek(key); d.Remaining != 3 {
			t.Fatalf("Peek across three tables: %+v", d)
		}
		_, id := l.locate(key)
		if tb, _, found := l.find(sh, id); tb != third || !found {
			t.Fatal("the key was not carried to the end of the chain")
		}
		if d := l.Peek(key); d.Remaining != 3 {
			t.Fatalf("carried across three tables: %+v", d)
		}
	}
	if n := l.Stats().Keys; n != 40 {
		t.Fatalf("%d keys in a chain of three tables, want 40", n)
	}
	for sh.cur.Load() != third {
		l.help(sh)
	}
	for i := range 40 {
		if d := l.Allow(fmt.Sprint(i)); d.Remaining != 2 {
			t.Fatalf("after both migrations: %+v", d)
		}
	}
}

// One step of a migration is bounded, whatever the table's size.
func BenchmarkHelp(b *testing.B) {
	for _, keys := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			l, _ := newTest(b, minutes, WithMaxKeys(1))
			unbounded(l)
			sh := &l.shards[0]
			for _, k := range someKeys(keys) {
				l.Allow(k)
			}
			for b.Loop() {
				if t := sh.cur.Load(); t.next.Load() == nil {
					b.StopTimer()
					l.succeed(sh, t, nil)
					b.StartTimer()
				}
				l.help(sh)
			}
		})
	}
}

// A debt spent while the successor is being made is as young as it is: the
// successor's birth, around which it is rescaled, is read after the linking.
func TestBirthIsReadAfterLinking(t *testing.T) {
	l, clock := newTest(t, Quota{Limit: 1, Period: time.Second, Burst: 10}, WithMaxKeys(1))
	sh := &l.shards[0]
	l.Allow("other")
	clock.advance(100 * time.Second)
	fast := newGCRA(Quota{Limit: 1000, Period: time.Second, Burst: 10})
	old := sh.cur.Load()
	l.succeed(sh, old, &fast) // linked, but nobody has met it
	clock.advance(10 * time.Millisecond)
	// Somebody who read the clock and saw no successor spends only now.
	s := old.claim(nil, mustID(l, "k"))
	after, _ := old.spend(unwritten, l.clock.exact(), 10)
	s.tat.Store(after)
	if d := l.Allow("k"); d.Allowed || d.Limit != 1000 || d.ResetAfter != 10*time.Millisecond {
		t.Fatalf("10 spent at this instant, and then: %+v", d)
	}
	if tb, _, found := l.find(sh, mustID(l, "k")); tb == old || !found {
		t.Fatal("the request was not decided in the successor")
	}
}

// A place in a segment that was not there is sealed only if the segment still is
// not: here it has been opened by somebody who spends in it.
func TestSealOfAnOpenedSegment(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	sh, id := l.locate("k")
	tb := newTable(2, newGCRA(l.Quota()), 0, 0)
	tb.settle(1, 1, 1)
	sh.cur.Store(tb)
	if at, s, found := l.find(sh, id); at != tb || s != nil || found {
		t.Fatal("the place is not in a segment that is not there")
	}
	l.succeed(sh, tb, nil)
	if s, found := tb.probe(id, false); s != nil || found != foundFree {
		t.Fatal("the segment is there already")
	}
	s := tb.claim(nil, id) // by the one who found no successor
	after, _ := tb.spend(unwritten, 1, 10)
	s.tat.Store(after)
	if tb.seal(id, nil) {
		t.Fatal("sealed behind the back of a key")
	}
	if d := l.Allow("k"); d.Allowed {
		t.Fatalf("10 of 10 are spent: %+v", d)
	}
}

// When most keys of a large table have died, its successor is not so small that it
// is full before the table is swept.
func TestChainsHaveTwoTables(t *testing.T) {
	realSizes(t)
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(1))
	unbounded(l)
	sh := &l.shards[0]
	ready := func() bool {
		tb := sh.cur.Load()
		return len(tb.segments) >= 64 && tb.next.Load() == nil && tb.used.Load() == tb.fill-1
	}
	keys := 0
	for ; !ready(); keys++ {
		l.Allow(fmt.Sprint("first ", keys))
	}
	segments, migrations := len(sh.cur.Load().segments), l.migrations.Load()
	clock.advance(time.Second)
	for i := range keys {
		l.Allow(fmt.Sprint("later ", i))
		if next := l.successor(sh.cur.Load()); next != nil && next != unlinked && next.next.Load() != nil {
			t.Fatalf("a third table after %d keys: the first has %d segments, the second %d", i, segments, len(next.segments))
		}
	}
	if s := l.Stats(); s.Keys != int64(keys) || s.Migrations == migrations {
		t.Fatalf("%+v: the test did not test", s)
	}
}

// To ask for a successor where there is one makes nothing.
func TestSucceedTwice(t *testing.T) {
	l, _, sh, tb := newShardTest(t, 1)
	l.succeed(sh, tb, nil)
	next := tb.next.Load()
	if n := testing.AllocsPerRun(10, func() { l.succeed(sh, tb, nil) }); n != 0 || tb.next.Load() != next || next == nil {
		t.Errorf("%v allocations", n)
	}
}
