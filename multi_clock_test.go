package weir

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// A hookClock calls hook once, at the n-th reading from when it was set: something
// happens in the middle of an operation that reads the clock there.
type hookClock struct {
	fakeClock
	left atomic.Int64
	hook func()
}

func (c *hookClock) set(n int64, hook func()) {
	c.hook = hook
	c.left.Store(n)
}

func (c *hookClock) now() time.Duration {
	if c.left.Add(-1) == 0 {
		c.hook()
	}
	return c.fakeClock.now()
}

// newHooked is a Multi of one shard a quota, in which only the first quota's has a
// table. So the first Allow of a key reads the clock twice: for its instant, and,
// after it was spent on the first quota, for the table of the second.
func newHooked(t *testing.T, quotas ...Quota) (*Multi, *hookClock) {
	t.Helper()
	clock := new(hookClock)
	clock.nanos.Store(int64(time.Hour))
	m, err := NewMulti(quotas, WithClock(clock.now), WithMaxKeys(int(fillSlots(1))-1))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.limiters[0].shards); n != 1 {
		t.Fatalf("%d shards", n)
	}
	m.Limiter(0).Allow("another key")
	return m, clock
}

// What was spent stays spent where somebody has spent since: taking it back would
// take it from the other one's debt, of which time has paid a part.
func TestMultiTakesBackOnlyTheLast(t *testing.T) {
	m, clock := newHooked(t, PerSecond(10), PerSecond(1), Quota{Limit: 1, Period: time.Hour})
	happened := false
	clock.set(2, func() {
		happened = true
		clock.advance(100 * time.Millisecond)
		if d := m.Limiter(0).AllowN("k", 10); !d.Allowed {
			t.Errorf("nothing is in its way: %+v", d)
		}
		m.Limiter(1).Allow("k")
		m.Limiter(2).Allow("k")
	})
	d, speaks := m.Allow("k")
	if !happened || d.Allowed || speaks != 2 || d.RetryAfter < 59*time.Minute {
		t.Errorf("happened %v; %+v by %d, not by the one to wait for longest", happened, d, speaks)
	}
	if d := m.Limiter(0).Allow("k"); d.Allowed {
		t.Errorf("11 at one instant under a burst of 10: %+v", d)
	}
	if s := m.Limiter(0).Stats(); s.Admitted != 2 {
		t.Errorf("what was refused in the end counts: %+v", s)
	}
}

// Nobody has come after it: it is as if it had not been.
func TestMultiTakesBack(t *testing.T) {
	m, clock := newHooked(t, PerSecond(10), PerSecond(1))
	m.Limiter(0).AllowN("k", 3)
	clock.set(2, func() { m.Limiter(1).Allow("k") })
	if d, speaks := m.Allow("k"); d.Allowed || speaks != 1 || d.Remaining != 0 {
		t.Errorf("%+v by %d", d, speaks)
	}
	if d := m.Limiter(0).Peek("k"); d.Remaining != 7 || d.ResetAfter != 300*time.Millisecond {
		t.Errorf("%+v", d)
	}
}

// The key is changed, whole, between the looks at two of its quotas: what was seen
// was never so, and is not believed.
func TestMultiLookIsOneInstant(t *testing.T) {
	m, clock := newHooked(t, PerSecond(1), PerSecond(1))
	m.Allow("k")
	sh := &m.limiters[1].shards[0]
	m.limiters[1].succeed(sh, sh.cur.Load(), nil) // whose birth the look will read from the clock
	changed := false
	clock.set(2, func() {
		changed = true
		m.Reset("k")
	})
	if d, _ := m.Allow("k"); !d.Allowed || !changed {
		t.Errorf("changed %v: %+v", changed, d)
	}
}

// Who waits for the lock decides at an instant after that.
func TestMultiReadsTheClockAfterWaiting(t *testing.T) {
	m, clock := newHooked(t, PerSecond(10), PerSecond(10))
	const attempts = 20 // of which one must find the lock taken
	for i := range attempts {
		key := fmt.Sprint("key ", i)
		var all [MostQuotas]spot
		locks := m.locks(m.spots(key, &all))
		released := make(chan struct{})
		clock.set(1, func() {
			m.lock(&locks)
			go func() {
				defer close(released)
				time.Sleep(5 * time.Millisecond)
				clock.advance(100 * time.Millisecond)
				m.unlock(&locks)
			}()
		})
		d, _ := m.Allow(key)
		<-released
		if !d.Allowed {
			t.Fatalf("%+v", d)
		}
		if m.Limiter(0).Peek(key).ResetAfter == 100*time.Millisecond {
			return // spent at the later instant
		}
	}
	t.Errorf("spent at the instant before the wait, %d times", attempts)
}

// A clock that panics, as one of the user's may, leaves no lock behind.
func TestMultiPanicLeavesNoLock(t *testing.T) {
	m, clock := newHooked(t, PerSecond(10), PerSecond(10))
	clock.set(2, func() { panic("the clock") })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the clock was not read")
			}
		}()
		m.Allow("k")
	}()
	var all [MostQuotas]spot
	locks := m.locks(m.spots("k", &all))
	for _, i := range locks.of() {
		if !m.stripes[i].mu.TryLock() {
			t.Fatal("the lock is held")
		}
		m.stripes[i].mu.Unlock()
	}
	if _, quiet := m.version(&locks); !quiet {
		t.Error("the version is odd")
	}
	if d, _ := m.Allow("k"); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

func TestMultiEach(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), PerMinute(5), PerMinute(5))
	m.AllowEach(5, "host", "net")
	m.RefundEach(2, "host", "net")
	for i, key := range []string{"host", "net"} {
		if d := m.Limiter(i).Peek(key); d.Remaining != 2 {
			t.Errorf("%s: %d left after a refund of 2", key, d.Remaining)
		}
	}
	m.ResetEach("host")
	if a, b := m.Limiter(0).Peek("host"), m.Limiter(1).Peek("net"); a.Remaining != 5 || b.Remaining != 2 {
		t.Errorf("after a reset of the host alone: %d and %d", a.Remaining, b.Remaining)
	}
	m.ResetEach("a", "b", "c") // more than quotas: nothing happens
	m.RefundEach(1, "a", "b", "c")
}
