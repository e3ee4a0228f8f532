package weir

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWaitIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := New(PerSecond(10)) // the default clock: the bubble's
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		l.AllowN("k", 10)
		var mu sync.Mutex
		var order []int
		for i := range 5 {
			time.Sleep(time.Millisecond)
			go func() {
				if err := l.Wait(t.Context(), "k", 2); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				// To the nanosecond: the i-th pair is earned at (2i + 2) · 100 ms.
				if got, want := time.Since(start), time.Duration(2*i+2)*100*time.Millisecond; got != want {
					t.Errorf("waiter %d passed after %v, want %v", i, got, want)
				}
			}()
		}
		time.Sleep(100*time.Millisecond - 5*time.Millisecond)
		if d := l.Allow("k"); d.Allowed || d.RetryAfter != time.Second {
			t.Errorf("Allow stands behind the waiters: %+v", d)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for i, k := range order {
			if i != k {
				t.Errorf("served in the order %v", order)
			}
		}
		if s := l.Stats(); s.Admitted != 6 || s.Refused != 1 || len(order) != 5 {
			t.Errorf("%+v, %v", s, order)
		}
	})
}

func TestWaitWithoutNeed(t *testing.T) {
	l, _ := newTest(t, PerSecond(100))
	if err := l.Wait(t.Context(), "k", 100); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(t.Context(), "k", 0); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() { _ = l.Wait(t.Context(), "other", 1) }); n != 0 && n != 1 {
		t.Errorf("%v allocations without a sleep", n)
	}
}

// Property 7, first half: nothing is spent.
func TestWaitSpendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := New(PerSecond(10))
		l.AllowN("k", 10)
		before := l.Peek("k")
		check := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
			if after := l.Peek("k"); after != before {
				t.Errorf("%s changed %+v to %+v", what, before, after)
			}
		}
		done, cancel := context.WithCancel(t.Context())
		cancel()
		check("a done context", l.Wait(done, "k", 1), context.Canceled)
		check("a done context, nothing to wait for", l.Wait(done, "k", 0), context.Canceled)

		near, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond-1)
		defer cancel()
		start := time.Now()
		err := l.Wait(near, "k", 3)
		check("a near deadline", err, context.DeadlineExceeded)
		var deadline *DeadlineError
		if !errors.As(err, &deadline) || deadline.Wait != 300*time.Millisecond || deadline.Left != 300*time.Millisecond-1 {
			t.Errorf("%+v", err)
		}
		if time.Since(start) != 0 {
			t.Error("it slept before it refused")
		}
		for _, n := range []int64{11, math.MaxInt64, -1, math.MinInt64} {
			err := l.Wait(t.Context(), "k", n)
			check("an impossible cost", err, err)
			var cost *CostError
			if !errors.As(err, &cost) || cost.Cost != n || cost.Burst != 10 {
				t.Errorf("cost %d: %+v", n, err)
			}
		}
		enough, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := l.Wait(enough, "k", 3); err != nil || time.Since(start) != 300*time.Millisecond {
			t.Errorf("a deadline just far enough: %v after %v", err, time.Since(start))
		}
	})
}

// Property 7, second half: who is last gives its cost back, others do not.
func TestWaitGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := New(PerSecond(10))
		l.AllowN("k", 10)
		before := l.Peek("k").ResetAfter
		first, cancelFirst := context.WithCancel(t.Context())
		last, cancelLast := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		go func() { errs <- l.Wait(first, "k", 2) }()
		synctest.Wait()
		go func() { errs <- l.Wait(last, "k", 3) }()
		synctest.Wait()
		if got := l.Peek("k").ResetAfter; got != before+500*time.Millisecond {
			t.Fatalf("two places: %v", got)
		}
		cancelFirst()
		if err := <-errs; err != context.Canceled {
			t.Fatal(err)
		}
		if got := l.Peek("k").ResetAfter; got != before+500*time.Millisecond {
			t.Fatalf("the first gave back a place with another behind: %v", got)
		}
		cancelLast()
		if err := <-errs; err != context.Canceled {
			t.Fatal(err)
		}
		if got := l.Peek("k").ResetAfter; got != before+200*time.Millisecond {
			t.Fatalf("the last did not give back: %v", got)
		}
		// After a change of quota the TAT is another one: nothing is given back.
		third, cancelThird := context.WithCancel(t.Context())
		go func() { errs <- l.Wait(third, "k", 1) }()
		synctest.Wait()
		if err := l.SetQuota(PerSecond(5)); err != nil {
			t.Fatal(err)
		}
		kept := l.Peek("k")
		cancelThird()
		<-errs
		if got := l.Peek("k"); got != kept {
			t.Fatalf("given back in another quota: %+v, was %+v", got, kept)
		}
	})
}

func TestWaitUnderItsOwnQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := New(PerSecond(1))
		if err := l.SetKeyQuota("k", PerSecond(100)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 150 {
			if err := l.Wait(t.Context(), "k", 1); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(start); got != 500*time.Millisecond {
			t.Fatalf("150 at 100 a second took %v", got)
		}
	})
}

// A clock of the user's that runs slow: Wait goes by it, not by the timer.
func TestWaitGoesByTheLimitersClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := time.Now()
		var reads atomic.Int64
		l, _ := New(PerSecond(10), WithClock(func() time.Duration {
			reads.Add(1)
			return time.Since(base) / 2
		}))
		l.AllowN("k", 10)
		if err := l.Wait(t.Context(), "k", 1); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(base); got < 200*time.Millisecond || got > 201*time.Millisecond || reads.Load() > 100 {
			t.Fatalf("%v, %d reads", got, reads.Load())
		}
	})
}

// Waiters and others together never exceed the quota, cancelled ones included.
func TestWaitHoldsMaxIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := Quota{Limit: 100, Period: time.Second, Burst: 10}
		l, _ := New(q)
		var admitted, cancelled atomic.Int64
		start := time.Now()
		var all sync.WaitGroup
		for i := range 400 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			all.Go(func() {
				defer cancel()
				switch err := l.Wait(ctx, "k", 1); err {
				case nil:
					admitted.Add(1)
				case context.Canceled:
					cancelled.Add(1)
				default:
					t.Error(err)
				}
			})
			if i%3 == 0 {
				all.Go(func() { time.Sleep(time.Duration(i%7) * 100 * time.Millisecond); cancel() })
			}
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
				if l.Allow("k").Allowed {
					admitted.Add(1)
				}
			}
		}
		all.Wait()
		if most := q.MaxIn(time.Since(start)); admitted.Load() > most || cancelled.Load() < 50 {
			t.Errorf("%d admitted in %v, at most %d; %d cancelled", admitted.Load(), time.Since(start), most, cancelled.Load())
		}
	})
}

// Reset forgives a place with all else. A key that then comes to stand at the very
// same nanosecond has another one behind, and gives nothing back to the first.
func TestResetForgivesAPlaceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := PerSecond(10)
		l, err := New(q)
		if err != nil {
			t.Fatal(err)
		}
		l.AllowN("k", 10)
		ctx, cancel := context.WithCancel(t.Context())
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- l.Wait(ctx, "k", 1) }()
		synctest.Wait()
		l.Reset("k")
		if !l.AllowN("k", 10).Allowed {
			t.Fatal("not reset")
		}
		go func() { second <- l.Wait(t.Context(), "k", 1) }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if d := l.Peek("k"); d.ResetAfter != 1100*time.Millisecond {
			t.Fatalf("11 were taken since Reset: %+v", d)
		}
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		if d := l.Allow("k"); d.Allowed {
			t.Fatalf("12 within %v of Reset, MaxIn is %d", 100*time.Millisecond, q.MaxIn(100*time.Millisecond))
		}
	})
}

// A Reset between taking a place and falling asleep is not seen by the sleepers, and
// shows by where the key stands. Who wakes leaves nothing behind.
func TestResetBeforeFallingAsleep(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	l.AllowN("k", 10)
	take := func() place {
		p, err := l.takePlace(t.Context(), "k", 1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	kept := take()
	if l.fallAsleep("k", &kept); kept.void() {
		t.Fatal("void without a Reset")
	}
	lost := take()
	l.Reset("k")
	if l.fallAsleep("k", &lost); !lost.void() || !kept.void() {
		t.Fatal("a place from before a Reset is not void")
	}
	if n := l.sleepers.Size(); n != 1 {
		t.Fatalf("%d keys are slept for, want 1", n)
	}
	l.AllowN("k", 10)
	after := take()
	if l.fallAsleep("k", &after); after.void() {
		t.Fatal("a place from after the Reset is void")
	}
	for range 3 {
		l.wakeUp("k")
	}
	if n := l.sleepers.Size(); n != 0 {
		t.Fatalf("%d keys are slept for when all are awake", n)
	}
}
