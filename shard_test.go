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
	const enough = 60 // changes that are counted on; a shard that is still at one may take two in one step
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
		for i := 0; i < scale(100_000)/workers || done.Load() < enough+10; i++ {
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

func mustID(l *Limiter, key string) uint64 {
	_, id := l.locate(key)
	return id
}
