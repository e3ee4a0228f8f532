package peers_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/subject"
)

// onRealClock are those that no fake clock can reach: one reads the runtime's
// clock past package time, the other leaves a goroutine to a finalizer.
var onRealClock = map[string]bool{peers.SethVargo.Name: true, peers.Ulule.Name: true}

// limiters calls f with a fresh limiter of each subject that refuses, and with its
// quota: ten at once and a period of 10 s of a fake clock, or half a second of
// the real one.
func limiters(t *testing.T, f func(t *testing.T, l subject.Limiter, c subject.Config)) {
	t.Helper()
	for _, s := range peers.All() {
		if s.Reference() || s.Keeps == subject.OneKey {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			if onRealClock[s.Name] {
				c := ten
				c.Period = 500 * time.Millisecond
				f(t, open(t, s, c), c)
				return
			}
			synctest.Test(t, func(t *testing.T) {
				f(t, open(t, s, ten), ten)
				time.Sleep(time.Second) // weir's coarse clock ends once nobody asks
			})
		})
	}
}

// open makes a limiter that is closed at the end of the test. In a bubble of
// synctest its goroutines must end with it.
func open(t *testing.T, s subject.Subject, c subject.Config) subject.Limiter {
	t.Helper()
	l, err := s.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func admitted(l subject.Limiter, key string, n int) (admitted int) {
	for range n {
		if l.Allow(key) {
			admitted++
		}
	}
	return admitted
}

var ten = subject.Config{Limit: 10, Period: 10 * time.Second, MaxKeys: 1000}

// Each adapter admits its limit at once and no more, and again once the budget
// has come back: after two periods, since some count the last one's requests.
func TestLimit(t *testing.T) {
	limiters(t, func(t *testing.T, l subject.Limiter, c subject.Config) {
		if got := admitted(l, "a", 25); got != 10 {
			t.Errorf("%d of 25 at once, want 10", got)
		}
		time.Sleep(2 * c.Period)
		if got := admitted(l, "a", 25); got != 10 {
			t.Errorf("%d of 25 two periods later, want 10", got)
		}
	})
}

func TestKeysApart(t *testing.T) {
	limiters(t, func(t *testing.T, l subject.Limiter, _ subject.Config) {
		for _, key := range []string{"a", "b", "c"} {
			if got := admitted(l, key, 25); got != 10 {
				t.Errorf("%d of 25 of %q, want 10", got, key)
			}
		}
	})
}

func TestAddresses(t *testing.T) {
	one, other := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")
	tried := 0
	limiters(t, func(t *testing.T, l subject.Limiter, _ subject.Config) {
		by, ok := l.(subject.AddrLimiter)
		if !ok {
			return // it takes strings only
		}
		tried++
		for _, a := range []netip.Addr{one, other} {
			n := 0
			for range 25 {
				if by.AllowAddr(a) {
					n++
				}
			}
			if n != 10 {
				t.Errorf("%d of 25 of %v, want 10", n, a)
			}
		}
	})
	if tried < 3 { // weir in three configurations at least
		t.Errorf("only %d take addresses", tried)
	}
}

// With many callers the limit holds too.
func TestLimitWithManyCallers(t *testing.T) {
	c := subject.Config{Limit: 1000, Period: 1000 * time.Hour, MaxKeys: 1000}
	for _, s := range peers.All() {
		if s.Reference() || s.Keeps == subject.OneKey {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			l := open(t, s, c)
			var sum atomic.Int64
			var callers sync.WaitGroup
			for range 8 {
				callers.Go(func() { sum.Add(int64(admitted(l, "a", 1000))) })
			}
			callers.Wait()
			// throttled takes 10 lost races for a refusal, so some may be missing.
			if got := sum.Load(); got > 1000 || got < 1000 && s.Module != peers.Throttled.Module {
				t.Errorf("%d of 8,000, want 1,000", got)
			}
		})
	}
}

// uber admits everything sooner or later, one request an interval.
func TestUberPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, peers.Uber, ten)
		start := time.Now()
		admitted(l, "a", 5)
		if took := time.Since(start); took < 4*time.Second {
			t.Errorf("5 requests took %v, want 4 intervals of a second", took)
		}
	})
}

func TestReferencesAdmitAll(t *testing.T) {
	for _, s := range []subject.Subject{peers.Floor, peers.Array} {
		if got := admitted(open(t, s, ten), "a", 25); got != 25 {
			t.Errorf("%s admitted %d of 25", s.Name, got)
		}
	}
}

func TestNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range peers.All() {
		if seen[s.Name] {
			t.Errorf("two subjects are named %q", s.Name)
		}
		seen[s.Name] = true
		if got, err := peers.Named(s.Name); err != nil || got.Name != s.Name {
			t.Errorf("Named(%q): %v, %v", s.Name, got.Name, err)
		}
	}
	if _, err := peers.Named("nobody"); err == nil {
		t.Error("no error for a name that nobody has")
	}
}
