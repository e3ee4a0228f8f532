package main

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

var clockScenarios = []scenario{
	{"clock-frozen", "a clock that stands still, moved by hand around each key's RetryAfter",
		"each key admits its burst; a nanosecond before RetryAfter it refuses, at RetryAfter it admits one", clockFrozen},
	{"clock-back", "a clock that four goroutines push on, and back again and again, while tables migrate",
		"no key is admitted more than MaxIn of the range of all readings, and each at least half of that; then, an hour back, a key " +
			"that was seen is refused until its RetryAfter, which is the hour more, and admitted at it",
		clockBack},
	{"clock-year", "a clock that jumps a year ahead, and a year back, 50 times",
		"ahead, every key is as if never seen, and the dead go; back, a spent key waits the year and an interval exactly; in all, no key is " +
			"admitted more than MaxIn of the range of all readings; the memory stays in its bound",
		clockYear},
}

// now is a reading of the real clock, for measuring.
func now() time.Duration { return time.Since(began) }

var began = time.Now()

const year = 8766 * time.Hour

func clockFrozen(t *trial) {
	const burst = 10
	q := weir.Quota{Limit: burst, Period: 7777 * burst, Burst: burst}
	clock := newHand()
	l := t.limiter(q, clock.option())
	keys := t.n(100_000)
	var admitted, refused int64
	ask := func(key string, allowed bool) weir.Decision {
		d := l.Allow(key)
		if d.Allowed != allowed {
			t.errorf("%s: %+v, want allowed %v", key, d, allowed)
		}
		if d.Allowed {
			admitted++
		} else {
			refused++
		}
		return d
	}
	began := now()
	for i := range keys {
		key := fmt.Sprint("key ", i)
		for range burst {
			ask(key, true)
		}
		d := ask(key, false)
		if d.RetryAfter != 7777 || d.ResetAfter != 7777*burst {
			t.errorf("%s: %+v", key, d)
		}
		clock.advance(d.RetryAfter - 1)
		if d := ask(key, false); d.RetryAfter != 1 {
			t.errorf("%s, a nanosecond too soon: %+v", key, d)
		}
		clock.advance(1)
		ask(key, true)
		ask(key, false)
		clock.nanos.Add(-7777) // and frozen where it was
	}
	took := now() - began
	t.wantCounts(l, admitted, refused)
	t.figuref("%d keys, %.0f ns an operation", keys, float64(took)/float64(admitted+refused))
}

func clockBack(t *trial) {
	const workers, hot = 4, 5
	q := weir.Quota{Limit: 10, Period: 10_000, Burst: 7}
	clock := newHand()
	l := t.limiter(q, clock.option(), weir.WithMaxKeys(1000)) // few shards, so that the dead fill them
	start := clock.now()
	var latest, steps atomic.Int64
	latest.Store(int64(start))
	var admitted [hot]atomic.Int64
	each := t.n(500_000)
	began := now()
	together(workers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), 3))
		for i := range each {
			raiseTo(&latest, clock.nanos.Add(r.Int64N(200)))
			if r.IntN(50) == 0 {
				clock.nanos.Add(-r.Int64N(5000))
				steps.Add(1)
			}
			if k := r.IntN(hot); l.Allow(hotNames[k]).Allowed {
				admitted[k].Add(1)
			}
			if i%4 == 0 {
				l.Allow(fmt.Sprint(w, " ", i))
			}
		}
	})
	took := now() - began
	most := q.MaxIn(time.Duration(latest.Load()) - start)
	for k := range hot {
		if n := admitted[k].Load(); n > most || n < most/2 {
			t.errorf("key %d: %d admitted, MaxIn is %d", k, n, most)
		}
	}
	if s := l.Stats(); s.Migrations < 20 || s.HorizonRaises != 0 || steps.Load() < int64(each/20) {
		t.errorf("%+v, %d steps back", s, steps.Load())
	}
	t.figuref("%.0f ns an operation, %d steps back, %d migrations; %d to %d admitted of %d",
		perCall(took, workers*each), steps.Load(), l.Stats().Migrations, admitted[0].Load(), admitted[hot-1].Load(), most)
	t.hourBack()
}

var hotNames = [5]string{"hot a", "hot b", "hot c", "hot d", "hot e"}

// hourBack spends a burst, steps back an hour, and waits as told.
func (t *trial) hourBack() {
	clock := newHand()
	l := t.limiter(weir.PerSecond(10), clock.option())
	clock.advance(2 * time.Hour)
	l.AllowN("seen", 10)
	clock.advance(-time.Hour)
	d := l.Allow("seen")
	if d.Allowed || d.RetryAfter != time.Hour+100*time.Millisecond {
		t.errorf("an hour back: %+v", d)
	}
	clock.advance(d.RetryAfter - 1)
	if d := l.Allow("seen"); d.Allowed || d.RetryAfter != 1 {
		t.errorf("a nanosecond too soon: %+v", d)
	}
	clock.advance(1)
	if !l.Allow("seen").Allowed || l.Allow("seen").Allowed {
		t.errorf("at RetryAfter the key does not admit one and no more")
	}
}

func clockYear(t *trial) {
	const burst, jumps = 10, 50
	q := weir.Quota{Limit: burst, Period: burst * time.Second}
	n := max(t.n(20_000), 4096)
	clock := newHand()
	before := heap()
	l := t.limiter(q, clock.option(), weir.WithMaxKeys(n))
	calls := 0
	allowed := int64(0) // of the key "seen"
	start := clock.now()
	took := time.Duration(0)
	for jump := range jumps {
		clock.advance(year)
		if keys := l.Stats().Keys; keys != 0 {
			t.errorf("%d keys live a year later", keys)
		}
		began := now()
		for i := range n - 1 {
			if d := l.Allow(fmt.Sprint("key ", jump, " ", i)); d.Remaining != burst-1 {
				t.errorf("key %d a year later: %+v", i, d)
				return
			}
		}
		took += now() - began
		calls += n - 1
		allowed += t.yearBack(l, clock)
	}
	if most := q.MaxIn(clock.now() - start); allowed > most || allowed < jumps*burst {
		t.errorf("%d admitted of one key, MaxIn is %d", allowed, most)
	}
	s := l.Stats()
	if s.Migrations < jumps || s.HorizonRaises != 0 {
		t.errorf("%+v", s)
	}
	grown := heap() - before
	if grown > bytesPerKey*int64(n)+64<<10 {
		t.errorf("the heap grew by %d bytes for %d keys", grown, n)
	}
	if s := l.Stats(); s.Admitted != int64(calls)+allowed {
		t.errorf("%d admitted, the callers saw %d", s.Admitted, int64(calls)+allowed)
	}
	t.figuref("%d jumps: %.0f ns an operation, all of keys that were dead; %.1f bytes a key", jumps, float64(took)/float64(calls),
		float64(grown)/float64(n))
}

// yearBack spends the burst of a key, steps back a year, and ahead again. It
// returns how many the key was admitted.
func (t *trial) yearBack(l *weir.Limiter, clock *hand) (allowed int64) {
	for l.Allow("seen").Allowed {
		allowed++
	}
	clock.advance(-year)
	if d := l.Allow("seen"); d.Allowed || d.RetryAfter != year+time.Second {
		t.errorf("a year back: %+v", d)
	}
	clock.advance(year)
	return allowed
}
