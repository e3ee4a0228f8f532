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

// Who has waited, or has given up, leaves nothing behind; who need not wait does
// not fall asleep at all.
func TestWaitLeavesNoSleeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(PerSecond(1))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(2500*time.Millisecond, cancel)
		for i, want := range []error{nil, nil, nil, context.Canceled} {
			if err := l.Wait(ctx, "k", 1); err != want {
				t.Errorf("Wait %d: %v, want %v", i+1, err, want)
			}
			if n := l.sleepers.Size(); n != 0 {
				t.Errorf("Wait %d: %d keys are slept for", i+1, n)
			}
		}
	})
}

// A Reset between taking a place and falling asleep is not seen by the sleepers.
// Where the key is spent again to the very same TAT, that is another's.
func TestResetBeforeFallingAsleepIsRemembered(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	l.AllowN("k", 10)
	p, err := l.takePlace(t.Context(), "k", 1)
	if err != nil {
		t.Fatal(err)
	}
	l.Reset("k")
	l.fallAsleep("k", &p)
	l.AllowN("k", 10)
	if _, err := l.takePlace(t.Context(), "k", 1); err != nil {
		t.Fatal(err)
	}
	before := l.Peek("k")
	l.giveBack("k", p)
	if after := l.Peek("k"); after != before || after.ResetAfter != 1100*time.Millisecond {
		t.Errorf("%+v, then %+v: another's place was given back", before, after)
	}
}

// A cost below 0 is an error that names it, at any quota.
func TestWaitForLessThanNothing(t *testing.T) {
	for _, q := range []Quota{{Limit: 1, Period: 1, Burst: 5}, PerSecond(5), {Limit: 1, Period: 100 * 365 * 24 * time.Hour / 5 / 2, Burst: 1}} {
		l, _ := newTest(t, q)
		for _, n := range []int64{-1, -5, -1 << 63} {
			var cost *CostError
			if err := l.Wait(t.Context(), "k", n); !errors.As(err, &cost) || cost.Cost != n || cost.Burst != q.burst() {
				t.Errorf("%v, cost %d: %v", q, n, err)
			}
		}
		if n := l.counters.keys(); n != 0 {
			t.Errorf("%v: %d slots are claimed", q, n)
		}
	}
}

// A key that was never seen takes no slot if it is not admitted in time, as at a
// raised horizon.
func TestWaitOfAnUnseenKeyAtTheHorizon(t *testing.T) {
	l, _, _, tb := newShardTest(t, 1)
	tb.settle(1, 1+int64(time.Hour), 1+int64(time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var late *DeadlineError
	if err := l.Wait(ctx, "k", 1); !errors.As(err, &late) || late.Wait != time.Hour-900*time.Millisecond {
		t.Errorf("%v, want a wait of an hour less nine tenths of a second", err)
	}
	if n := l.counters.keys(); n != 0 {
		t.Errorf("%d slots are claimed", n)
	}
}

// A clock that stands still at the very instant is there.
func TestSleepUntilTheInstant(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	clock.advance(500)
	ready := l.clock.reading()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for _, at := range []int64{ready, ready - 1, ready - 500} {
		if err := l.sleepUntil(ctx, at); err != nil {
			t.Errorf("until %d at %d: %v", at, ready, err)
		}
	}
	time.AfterFunc(10*time.Millisecond, func() { clock.advance(1) })
	if err := l.sleepUntil(ctx, ready+1); err != nil || l.clock.reading() != ready+1 {
		t.Errorf("%v, at %d", err, l.clock.reading())
	}
}
