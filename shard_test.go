package weir

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// scale is for tests whose size is set by how fast they run.
func scale(n int) int {
	if testing.Short() || raceEnabled {
		return n / 10
	}
	return n
}

// realSizes skips a test that counts on the sizes of tables, in a build where they
// are as small as can be (weirtiny).
func realSizes(t *testing.T) {
	if linesPerSegment < 64 {
		t.Skip("tables are tiny in this build")
	}
}

// together runs f in n goroutines that start at once, and waits for all.
func together(n int, f func(worker int)) {
	var start, end sync.WaitGroup
	start.Add(1)
	for i := range n {
		end.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	end.Wait()
}

// unbounded turns the memory bound off, so that a test can have few shards with
// many keys.
func unbounded(l *Limiter) { l.bound.threshold = 1 << 40 }

// With the clock stopped, a key admits exactly its burst, however many call at
// once, while hundreds of thousands of other keys make every shard migrate again
// and again under their feet.
func TestExactWhileEveryShardMigrates(t *testing.T) {
	const burst, hot, workers = 500, 40, 8
	others := scale(400_000)
	l, _ := newTest(t, Quota{Limit: burst, Period: time.Hour}, WithMaxKeys(1000))
	unbounded(l)
	var admitted [hot]atomic.Int64
	together(workers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), 1))
		for i := range others / workers {
			if d := l.Allow(fmt.Sprint("other ", w, " ", i)); !d.Allowed || d.Remaining != burst-1 {
				t.Errorf("a new key: %+v", d)
				return
			}
			for range 2 + 8*hot*burst/others {
				k := r.IntN(hot)
				if l.Allow(hotKey(k)).Allowed {
					admitted[k].Add(1)
				}
			}
		}
		for k := range hot { // whatever chance left over
			for range burst {
				if l.Allow(hotKey(k)).Allowed {
					admitted[k].Add(1)
				}
			}
		}
	})
	for k := range hot {
		if n := admitted[k].Load(); n != burst {
			t.Errorf("key %d: %d admitted of %d", k, n, burst)
		}
	}
	s := l.Stats()
	if want := int64(hot*burst + others/workers*workers); s.Admitted != want || s.Keys != int64(hot+others/workers*workers) {
		t.Errorf("%+v, want %d admitted", s, want)
	}
	if least := int64(5 * len(l.shards)); s.Migrations < least {
		t.Errorf("%d migrations in %d shards: the test did not test", s.Migrations, len(l.shards))
	}
	for i := range l.shards {
		if n := len(l.shards[i].cur.Load().segments); n < 16 {
			t.Errorf("shard %d has %d segments: it has hardly migrated", i, n)
		}
	}
}

func hotKey(k int) string { return "hot " + string(rune('a'+k%26)) + string(rune('a'+k/26)) }

// The same through changes of quota, some every millisecond: the intervals are
// multiples of each other, so that no rounding hides a lost debt.
func TestExactThroughQuotaChanges(t *testing.T) {
	const burst, hot, workers = 2000, 12, 4
	quotas := []Quota{
		{Limit: burst, Period: burst * 1000, Burst: burst},
		{Limit: burst, Period: burst * 4000, Burst: burst},
		{Limit: burst, Period: burst * 2000, Burst: burst},
	}
	l, _ := newTest(t, quotas[0], WithMaxKeys(1000))
	unbounded(l)
	var admitted [hot]atomic.Int64
	var stop atomic.Bool
	var done atomic.Int64
	const enough = 60
	var setter sync.WaitGroup
	setter.Go(func() {
		for ; !stop.Load(); done.Add(1) {
			changes := int(done.Load())
			q := quotas[changes%len(quotas)]
			if err := l.SetQuota(q); err != nil {
				t.Error(err)
			}
			if d := l.Peek("unseen"); d.Limit != q.Limit || d.Remaining != burst {
				t.Errorf("after SetQuota(%v): %+v", q, d)
			}
			// A key's own quota comes and goes as well.
			k := hotKey(changes % hot)
			switch changes / hot % 3 {
			case 0:
				_ = l.SetKeyQuota(k, quotas[1])
			case 1:
				_ = l.SetKeyQuota(k, quotas[2])
			case 2:
				l.ClearKeyQuota(k)
			}
			runtime.Gosched()
		}
	})
	together(workers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), 2))
		for i := 0; i < scale(100_000)/workers || done.Load() < enough; i++ {
			k := r.IntN(hot)
			if l.Allow(hotKey(k)).Allowed {
				admitted[k].Add(1)
			}
			if i%4 == 0 {
				l.Allow(fmt.Sprint(w, " ", i%20_000))
			}
			if i%5 == 0 && l.AllowN(hotKey(k), 3).Allowed {
				l.Refund(hotKey(k), 1)
				l.Refund(hotKey(k), 2)
			}
		}
	})
	stop.Store(true)
	setter.Wait()
	for k := range hot {
		for l.Allow(hotKey(k)).Allowed {
			admitted[k].Add(1)
		}
		if n := admitted[k].Load(); n != burst {
			t.Errorf("key %d: %d admitted of %d after %d changes", k, n, burst, done.Load())
		}
	}
	if s := l.Stats(); s.Migrations < int64(enough*len(l.shards)) {
		t.Errorf("%d changes, %+v: the test did not test", done.Load(), s)
	}
}

// With a clock that many advance, and that steps back now and then, no key is
// admitted more than MaxIn of the range of all readings.
func TestMaxInHoldsUnderAnUnsteadyClock(t *testing.T) {
	const workers, hot = 4, 5
	q := Quota{Limit: 10, Period: 10_000, Burst: 7}
	l, clock := newTest(t, q, WithMaxKeys(100))
	unbounded(l)
	start := clock.nanos.Load()
	var admitted [hot]atomic.Int64
	var latest atomic.Int64
	latest.Store(start)
	steps := scale(300_000)
	together(workers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), 3))
		for i := range steps / workers {
			now := clock.nanos.Add(r.Int64N(200))
			if r.IntN(50) == 0 {
				clock.nanos.Add(-r.Int64N(5000))
			}
			for old := latest.Load(); now > old && !latest.CompareAndSwap(old, now); old = latest.Load() {
			}
			if k := r.IntN(hot); l.Allow(hotKey(k)).Allowed {
				admitted[k].Add(1)
			}
			l.Allow(fmt.Sprint(w, " ", i))
		}
	})
	most := q.MaxIn(time.Duration(latest.Load() - start))
	for k := range hot {
		// At least half of the most that the quota allows: the bound is near.
		if n := admitted[k].Load(); n > most || n < most/2 {
			t.Errorf("key %d: %d admitted, MaxIn is %d", k, n, most)
		}
	}
	if s := l.Stats(); s.Migrations < 50 {
		t.Errorf("%+v: the test did not test", s)
	}
}

// Dead keys go when a table fills, without a janitor, and the tables shrink.
func TestExpiryAndShrinking(t *testing.T) {
	realSizes(t)
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(50_000))
	for i := range 50_000 {
		l.Allow(fmt.Sprint("first ", i))
	}
	full := l.Stats()
	if full.Keys != 50_000 {
		t.Fatalf("%+v", full)
	}
	clock.advance(time.Second)
	if s := l.Stats(); s.Keys != 0 {
		t.Fatalf("dead keys are counted: %+v", s)
	}
	// A thousand live keys at a time, for long.
	for i := range 200_000 {
		if i%1000 == 0 {
			clock.advance(time.Second)
		}
		if d := l.Allow(fmt.Sprint("later ", i)); d.Remaining != 9 {
			t.Fatalf("a new key has a debt: %+v", d)
		}
	}
	s := l.Stats()
	if s.Keys > 1000 || s.Bytes > full.Bytes/4 || s.HorizonRaises != 0 {
		t.Errorf("%+v, was %+v", s, full)
	}
}

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

func mustID(l *Limiter, key string) uint64 {
	_, id := l.locate(key)
	return id
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

// The clock has stepped back when a key's own quota changes: its debt is not
// taken for one that reaches far into the future, and cut down.
func TestKeyQuotaChangesWhileTheClockIsBack(t *testing.T) {
	slow, fast := Quota{Limit: 1, Period: time.Second, Burst: 10}, Quota{Limit: 10, Period: time.Second, Burst: 10}
	for name, change := range map[string]func(l *Limiter){
		"another": func(l *Limiter) { _ = l.SetKeyQuota("k", fast) },
		"cleared": func(l *Limiter) { l.ClearKeyQuota("k") },
	} {
		t.Run(name, func(t *testing.T) {
			l, clock := newTest(t, fast)
			clock.advance(100 * time.Second)
			_ = l.SetKeyQuota("k", slow)
			l.AllowN("k", 10)
			clock.advance(-99 * time.Second)
			change(l)
			clock.advance(99 * time.Second)
			if d := l.Peek("k"); d.Allowed {
				t.Fatalf("10 are spent at this instant: %+v", d)
			}
		})
	}
}

// Peek across a migration that has frozen a key's marker and sleeps.
func TestPeekOfAFrozenMarker(t *testing.T) {
	l, _ := newTest(t, PerSecond(300), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(10)); err != nil {
		t.Fatal(err)
	}
	sh, id := l.locate("k")
	old := sh.cur.Load()
	l.succeed(sh, old, nil)
	s, _ := old.probe(id, true)
	if marker := s.tat.freeze(); marker < firstAway {
		t.Fatalf("no marker: %d", marker)
	}
	want := Decision{Allowed: true, Limit: 10, Remaining: 10}
	if d := l.Peek("k"); d != want {
		t.Fatalf("%+v", d)
	}
	// The same while it is on its way back to the table.
	e, _ := l.own.Load(ownKey{sh, id})
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	if d := l.Peek("k"); d != (Decision{Allowed: true, Limit: 300, Remaining: 300}) {
		t.Fatalf("leaving: %+v", d)
	}
	if d := l.Allow("k"); d.Remaining != 299 {
		t.Fatalf("left: %+v", d)
	}
}

// A key's own quota is on its way out, and Peek has found its marker in a table of
// before a change of quota: what the key returns to is not that table's quota.
func TestPeekOfAStaleMarker(t *testing.T) {
	l, _ := newTest(t, PerSecond(300), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(10)); err != nil {
		t.Fatal(err)
	}
	sh, id := l.locate("k")
	stale, own := sh.cur.Load(), ownKey{sh, id}
	if err := l.SetQuota(PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	e, _ := l.own.Load(own)
	now := l.clock.reading()
	var leaving *keyQuota
	if answer, ok := l.peekOwn(own, stale, e.marker, reading{now: now, asked: now}, &leaving); !ok || answer.limit != 10 {
		t.Fatalf("before it leaves: %+v", answer)
	}
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	if answer, ok := l.peekOwn(own, stale, e.marker, reading{now: now, asked: now}, &leaving); ok || leaving != e {
		t.Fatalf("answered by the quota of a table that is gone: %+v", answer)
	}
	if d := l.Peek("k"); d.Limit != 20 || d.Remaining != 20 {
		t.Fatalf("%+v", d)
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
