package weir

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A cost of 0 passes at once, even where a cost of 1 would have to wait, is no
// request to be counted, and makes no key of one that was never seen.
func TestWaitForNothing(t *testing.T) {
	l, _ := newTest(t, PerSecond(1))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	sh, id := l.locate("k")
	l.AllowAt(l.Now()+time.Minute, "k", 1) // debts far ahead of the clock
	before, table := l.Stats(), sh.cur.Load()
	if err := l.Wait(ctx, "k", 0); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(ctx, "never seen", 0); err != nil {
		t.Fatal(err)
	}
	if after := l.Stats(); after != before {
		t.Errorf("%+v became %+v", before, after)
	}
	if s := table.lookup(id); s == nil {
		t.Error("the key has gone")
	}
}

// Wait does not return before the clock has shown the place's time, be it by a
// nanosecond.
func TestWaitForTheLastNanosecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, step := time.Duration(0), time.Duration(0)
		l, err := New(PerSecond(1), WithClock(func() time.Duration { now += step; return now }))
		if err != nil {
			t.Fatal(err)
		}
		if !l.Allow("k").Allowed {
			t.Fatal("the first is refused")
		}
		now = time.Second - 3
		step = 1 // so the place is taken 2 ns before its time, and 1 ns are left after the next reading
		if err := l.Wait(t.Context(), "k", 1); err != nil {
			t.Fatal(err)
		}
		if now < time.Second {
			t.Errorf("it returned when the clock showed %v", now)
		}
	})
}

// A wait is counted from a reading that is not older than the table that it is
// decided in: a change of quota in between does not make it longer.
func TestWaitReadsTheClockAgainInANewTable(t *testing.T) {
	var l *Limiter
	now, change := time.Duration(0), false
	l, err := New(PerSecond(1), WithClock(func() time.Duration {
		read := now
		if change { // after Wait has read the clock, and before it looks for the key
			change, now = false, 5*time.Second
			if err := l.SetQuota(Quota{Limit: 1, Period: time.Minute, Burst: 1}); err != nil {
				t.Error(err)
			}
		}
		return read
	}))
	if err != nil {
		t.Fatal(err)
	}
	l.AllowAt(5*time.Second, "k", 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	change = true
	var late *DeadlineError
	if err := l.Wait(ctx, "k", 1); !errors.As(err, &late) || late.Wait != time.Minute {
		t.Errorf("%v, want a wait of one minute", err)
	}
}

// A place that was taken under another quota is not given back, even where the
// interval, and so the TAT, is the same; and the memory bound hears of a place
// given back if that ended the key's life, and only then.
func TestGiveBackAndTheBound(t *testing.T) {
	q := Quota{Limit: 10, Period: time.Second, Burst: 10}
	for name, c := range map[string]struct {
		between func(l *Limiter) // what happens while the place is kept
		back    bool
	}{
		"nothing": {func(*Limiter) {}, true},
		"another place": {func(l *Limiter) {
			l.Allow("k")
		}, false},
		"another burst": {func(l *Limiter) {
			if err := l.SetQuota(Quota{Limit: 10, Period: time.Second, Burst: 9}); err != nil {
				t.Error(err)
			}
		}, false},
	} {
		l, _ := newTest(t, q)
		p, err := l.takePlace(t.Context(), "k", 2)
		if err != nil {
			t.Fatal(err)
		}
		c.between(l)
		l.bound.lap.Store(&lap{}) // so that what falls is counted
		before := l.Peek("k").ResetAfter
		l.giveBack("k", p)
		want, fell := before, int64(0)
		if c.back {
			want, fell = 0, 1
		}
		if got := l.Peek("k").ResetAfter; got != want || l.bound.lowered.Load() != fell {
			t.Errorf("%s: %v became %v, want %v; %d counted as fallen, want %d", name, before, got, want, l.bound.lowered.Load(), fell)
		}
	}
}
