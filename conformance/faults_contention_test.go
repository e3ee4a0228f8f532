package conformance

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

var contentionFaults = []fault{
	{"of two calls at once one is lost", func(w *wrong) {
		overlaps := overlapping()
		w.allow = func(key string, n int64) weir.Decision {
			lost := overlaps()
			d := w.l.AllowN(key, n)
			if lost && d.Allowed && n > 0 {
				w.l.Refund(key, n)
			}
			return d
		}
	}, []string{"many callers are admitted exactly the burst", "many callers of many keys are admitted each key's burst",
		"many callers are admitted exactly what was earned", "what many callers spend and give back adds up"}},

	{"of two calls at once one is charged twice", func(w *wrong) {
		overlaps := overlapping()
		w.allow = func(key string, n int64) weir.Decision {
			again := overlaps()
			d := w.l.AllowN(key, n)
			if again && d.Allowed && n > 0 {
				w.force(key, n)
			}
			return d
		}
	}, []string{"many callers are admitted exactly the burst", "many callers of many keys are admitted each key's burst",
		"what many callers spend and give back adds up"}},

	{"its clock is fast", func(w *wrong) { atRate(w, 3, 2) }, []string{realTimeName}},
	{"its clock is slow", func(w *wrong) { atRate(w, 2, 3) }, []string{realTimeName}},
	{"its clock moves in steps", func(w *wrong) { // nothing is earned until the next
		if start := time.Now(); w.live {
			w.opts = []weir.Option{weir.WithClock(func() time.Duration { return time.Since(start).Truncate(time.Minute) })}
		}
	}, []string{realTimeName}},
}

// overlapping returns a function that reports whether another call of it has just begun, and makes that likely.
func overlapping() func() bool {
	var inside atomic.Int64
	return func() bool {
		overlaps := inside.Add(1) > 1
		defer inside.Add(-1)
		for range 3 {
			runtime.Gosched()
		}
		return overlaps
	}
}

func atRate(w *wrong, times, over time.Duration) {
	if start := time.Now(); w.live {
		w.opts = []weir.Option{weir.WithClock(func() time.Duration { return time.Since(start) * times / over })}
	}
}
