package weir

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// Each lock is taken once, and all in one order.
func TestMultiLockOrder(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	r := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		spots := make([]spot, 1+r.IntN(MostQuotas))
		wanted := map[uint8]bool{}
		for i := range spots {
			spots[i].id = r.Uint64N(6) + multiStripes*r.Uint64N(3)
			wanted[uint8(spots[i].id%multiStripes)] = true
		}
		locks := m.locks(spots)
		if got := locks.of(); !slices.IsSorted(got) || len(got) != len(wanted) {
			t.Fatalf("%v for %v", got, wanted)
		}
		for _, i := range locks.of() {
			if !wanted[i] {
				t.Fatalf("%v for %v", locks.of(), wanted)
			}
		}
	}
}

// A refusal ends without the lock, so it ends while somebody else holds it.
func TestMultiRefusalsTakeNoLock(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	m.AllowN("k", 10)
	var all [MostQuotas]spot
	locks := m.locks(m.spots("k", &all))
	m.lock(&locks)
	defer m.unlock(&locks)
	if d, _ := m.Allow("k"); d.Allowed {
		t.Errorf("%+v", d)
	}
	if d, _ := m.AllowN("k", 0); d.RetryAfter != 100*time.Millisecond {
		t.Errorf("a look: %+v", d)
	}
	if d, _ := m.AllowEach(0, "other", "k"); d.Remaining != 10 { // of the first quota; 20 of the second
		t.Errorf("a look that finds room: %+v", d)
	}
}

// A look while the key is being changed is not believed: it may have seen one
// quota before and another one after. Who has looked so looks again with the lock,
// and only then answers.
func TestMultiLooksAgain(t *testing.T) {
	for _, c := range []struct {
		what     string
		n        int64
		reset    bool // what the change is
		allowed  bool
		admitted int64 // by the first quota, in all
		versions uint64
	}{
		{"room again", 1, true, true, 2, 4},
		{"still none", 1, false, false, 1, 2},
		{"only asked", 0, true, true, 1, 2},
	} {
		m := newTestMulti(t, newFakeClock(), secondAndMinute...)
		m.AllowN("k", 10)
		var all [MostQuotas]spot
		locks := m.locks(m.spots("k", &all))
		before, _ := m.version(&locks)
		m.lock(&locks)
		m.change(&locks)
		answered := make(chan Decision, 1)
		go func() {
			d, _ := m.AllowN("k", c.n)
			answered <- d
		}()
		select {
		case d := <-answered:
			m.unlock(&locks)
			t.Fatalf("%s: answered in between: %+v", c.what, d)
		case <-time.After(20 * time.Millisecond): // a scheduler that is slower than this lets a fault pass, and no more
		}
		for _, l := range m.limiters {
			if c.reset {
				l.Reset("k")
			}
		}
		m.change(&locks)
		m.unlock(&locks)
		if d := <-answered; d.Allowed != c.allowed {
			t.Errorf("%s: %+v", c.what, d)
		}
		if s := m.Limiter(0).Stats(); s.Admitted != c.admitted {
			t.Errorf("%s: %+v", c.what, s)
		}
		if after, _ := m.version(&locks); after != before+c.versions {
			t.Errorf("%s: version %d, then %d", c.what, before, after)
		}
	}
}

// One stripe of several that is being changed is enough.
func TestMultiVersionOfSeveral(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	locks := m.locks([]spot{{id: 1}, {id: 2}})
	for i := range m.stripes[:3] {
		m.stripes[i].version.Add(1)
		if _, quiet := m.version(&locks); quiet != (i == 0) {
			t.Errorf("stripe %d is being changed, and that is quiet: %v", i, quiet)
		}
		m.stripes[i].version.Add(1)
	}
}

// Whoever refuses without the lock must see that refunds and resets change a key.
func TestMultiChangesShow(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	var all [MostQuotas]spot
	locks := m.locks(m.spots("k", &all))
	for what, change := range map[string]func(){
		"Allow":  func() { m.Allow("k") },
		"Refund": func() { m.Refund("k", 1) },
		"Reset":  func() { m.Reset("k") },
	} {
		before, _ := m.version(&locks)
		change()
		if after, quiet := m.version(&locks); after != before+2 || !quiet {
			t.Errorf("%s: version %d, then %d", what, before, after)
		}
	}
}
