package weir

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestClockShift(t *testing.T) {
	for _, origin := range []time.Duration{0, 5, -5, math.MaxInt64, math.MinInt64} {
		c := newClock(func() time.Duration { return origin }, 0)
		if r := c.reading(); r != 1 || c.user(r) != origin {
			t.Errorf("from %d: first reading %d, user %d", origin, r, c.user(r))
		}
		for _, at := range []time.Duration{math.MinInt64, -1 << 62, -1, 0, 1, 1 << 62, math.MaxInt64} {
			if i := c.instant(at); i < 1 || i > maxReading {
				t.Errorf("from %d: instant(%d) = %d", origin, at, i)
			}
			if s := c.shifted(at); s < -maxReading || s > maxReading || at > origin && s <= 1 || at < origin && s >= 1 {
				t.Errorf("from %d: shifted(%d) = %d", origin, at, s)
			}
		}
	}
	c := newClock(func() time.Duration { return -5 }, 0)
	if got := c.shifted(10); got != 16 {
		t.Errorf("15 after the first reading is %d", got)
	}
	if got := c.shifted(-10); got != -4 {
		t.Errorf("5 before the first reading is %d", got)
	}
}

func TestDefaultClock(t *testing.T) {
	l, err := New(PerSecond(1))
	if err != nil {
		t.Fatal(err)
	}
	a := l.Now()
	time.Sleep(time.Millisecond)
	if b := l.Now(); a < 0 || b-a < time.Millisecond {
		t.Fatalf("%v, then %v", a, b)
	}
}

// Property 6 of the coarse clock, and that its goroutine comes and goes: a
// bubble does not end while one is left, and its time does not pass by itself.
func TestCoarseClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const resolution = 10 * time.Millisecond
		l, err := New(PerSecond(1000), WithCoarseClock(resolution))
		if err != nil {
			t.Fatal(err)
		}
		if l.clock.coarse.running.Load() {
			t.Fatal("a goroutine runs before the first decision")
		}
		start := time.Now()
		stale := time.Duration(0)
		for range 1000 {
			time.Sleep(777 * time.Microsecond)
			age := time.Since(start) - l.Now()
			if age < 0 || age > resolution {
				t.Fatalf("a reading %v old", age)
			}
			stale = max(stale, age)
		}
		if stale < resolution/4 || !l.clock.coarse.running.Load() {
			t.Fatalf("readings at most %v old: this is no coarse clock", stale)
		}
		time.Sleep(5 * resolution)
		synctest.Wait()
		if l.clock.coarse.running.Load() {
			t.Fatal("the goroutine runs on without a decision")
		}
		time.Sleep(time.Hour)
		if age := time.Since(start) - l.Now(); age != 0 {
			t.Fatalf("the first reading after a pause is %v old", age)
		}
		time.Sleep(5 * resolution)
	})
}

func TestFineResolutionReadsTheExactClock(t *testing.T) {
	l, err := New(PerSecond(1), WithCoarseClock(time.Nanosecond))
	if err != nil {
		t.Fatal(err)
	}
	if l.clock.coarse != nil {
		t.Fatal("a timer is to keep a resolution of 1 ns")
	}
}

func TestCoarseDecisionsDoNotAllocate(t *testing.T) {
	l, err := New(PerSecond(1000), WithCoarseClock(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	l.Allow("k")
	if n := testing.AllocsPerRun(1000, func() { l.Allow("k") }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
