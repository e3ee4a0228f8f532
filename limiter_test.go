package weir

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// fakeClock is a clock that tests move. Its first reading is not 0, so that a
// forgotten shift by the origin shows.
type fakeClock struct{ nanos atomic.Int64 }

func newFakeClock() *fakeClock {
	c := new(fakeClock)
	c.nanos.Store(-77 * int64(time.Hour))
	return c
}

func (c *fakeClock) now() time.Duration      { return time.Duration(c.nanos.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func newTest(t testing.TB, q Quota, opts ...Option) (*Limiter, *fakeClock) {
	t.Helper()
	clock := newFakeClock()
	l, err := New(q, append([]Option{WithClock(clock.now)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return l, clock
}

func wantDecision(t *testing.T, what string, got, want Decision) {
	t.Helper()
	if got != want {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestNewErrors(t *testing.T) {
	for field, opts := range map[string][]Option{
		"WithClock":       {WithClock(nil)},
		"WithCoarseClock": {WithCoarseClock(0)},
		"WithMaxKeys":     {WithMaxKeys(0)},
		"WithOverflow":    {WithOverflow(Lenient + 1)},
		"Option":          {WithMaxKeys(5), nil},
	} {
		l, err := New(PerSecond(1), opts...)
		var config *ConfigError
		if l != nil || !errors.As(err, &config) || config.Field != field || !strings.Contains(err.Error(), config.Allowed) {
			t.Errorf("%s: %v, %v", field, l, err)
		}
	}
	for _, opt := range []Option{WithCoarseClock(-1), WithMaxKeys(-1), WithMaxKeys(math.MinInt)} {
		if _, err := New(PerSecond(1), opt); err == nil {
			t.Error("a negative option was taken")
		}
	}
	if l, err := New(Quota{}); l != nil || err == nil {
		t.Error("the zero quota was taken")
	}
	for _, opt := range []Option{WithMaxKeys(1), WithMaxKeys(math.MaxInt), WithCoarseClock(1)} {
		if l, err := New(PerSecond(1), opt); err != nil || !l.Allow("k").Allowed {
			t.Errorf("an extreme option: %v", err)
		}
	}
}

func TestAllowBurstThenOnePerInterval(t *testing.T) {
	l, clock := newTest(t, PerMinute(300)) // T = 200 ms
	for i := range int64(300) {
		wantDecision(t, fmt.Sprint("request ", i), l.Allow("k"), Decision{
			Allowed: true, Limit: 300, Remaining: 299 - i, ResetAfter: time.Duration(i+1) * 200 * time.Millisecond})
	}
	refused := Decision{Limit: 300, RetryAfter: 200 * time.Millisecond, ResetAfter: time.Minute}
	wantDecision(t, "one more", l.Allow("k"), refused)
	wantDecision(t, "and again: a refusal writes nothing", l.Allow("k"), refused)
	wantDecision(t, "another key", l.Allow("K"), Decision{
		Allowed: true, Limit: 300, Remaining: 299, ResetAfter: 200 * time.Millisecond})
	clock.advance(200*time.Millisecond - 1)
	wantDecision(t, "a nanosecond early", l.Allow("k"), Decision{
		Limit: 300, RetryAfter: 1, ResetAfter: time.Minute - 200*time.Millisecond + 1})
	clock.advance(1)
	wantDecision(t, "on time", l.Allow("k"), Decision{Allowed: true, Limit: 300, ResetAfter: time.Minute})
}

// A refusal writes nothing: no slot is claimed for a key that was never seen.
func TestRefusalClaimsNothing(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	l.Allow("seen") // so that there is a table
	claimed := l.counters.keys()
	for range 100 {
		if l.AllowN("unseen", 11).Allowed || l.AllowN("unseen", -1).Allowed || !l.AllowN("unseen", 0).Allowed {
			t.Fatal("not as it should be decided")
		}
	}
	if n := l.counters.keys(); n != claimed {
		t.Fatalf("%d slots are claimed, %d before", n, claimed)
	}
}

func TestAllowN(t *testing.T) {
	l, _ := newTest(t, Quota{Limit: 10, Period: time.Second, Burst: 5})
	wantDecision(t, "cost 4", l.AllowN("k", 4), Decision{
		Allowed: true, Limit: 10, Remaining: 1, ResetAfter: 400 * time.Millisecond})
	wantDecision(t, "cost 2", l.AllowN("k", 2), Decision{
		Limit: 10, Remaining: 1, RetryAfter: 100 * time.Millisecond, ResetAfter: 400 * time.Millisecond})
	wantDecision(t, "cost 6 > burst", l.AllowN("k", 6), Decision{
		Limit: 10, Remaining: 1, RetryAfter: Never, ResetAfter: 400 * time.Millisecond})
	peek := Decision{Allowed: true, Limit: 10, Remaining: 1, ResetAfter: 400 * time.Millisecond}
	wantDecision(t, "cost 0", l.AllowN("k", 0), peek)
	wantDecision(t, "Peek", l.Peek("k"), peek)
	for _, n := range []int64{-1, math.MinInt64} {
		wantDecision(t, "negative cost", l.AllowN("k", n), Decision{
			Limit: 10, Remaining: 1, RetryAfter: Never, ResetAfter: 400 * time.Millisecond})
	}
	wantDecision(t, "MaxInt64 of an unseen key", l.AllowN("new", math.MaxInt64), Decision{
		Limit: 10, Remaining: 5, RetryAfter: Never})
	if s := l.Stats(); s.Admitted != 1 || s.Refused != 5 || s.Keys != 1 {
		t.Fatalf("%+v", s)
	}
}

func TestAllowAt(t *testing.T) {
	l, clock := newTest(t, PerSecond(1))
	start := clock.now()
	if l.Now() != start {
		t.Fatalf("Now is %v, the clock shows %v", l.Now(), start)
	}
	if !l.AllowAt(start, "k", 1).Allowed {
		t.Fatal("refused at the start")
	}
	// Before the limiter was made there was no table: decided as of its making,
	// told from the caller's time.
	early := l.AllowAt(start-time.Hour, "k", 1)
	wantDecision(t, "an hour early", early, Decision{
		Limit: 1, RetryAfter: time.Hour + time.Second, ResetAfter: time.Hour + time.Second})
	if l.AllowAt(start-time.Hour+early.RetryAfter-1, "k", 1).Allowed {
		t.Fatal("admitted before RetryAfter")
	}
	if !l.AllowAt(start-time.Hour+early.RetryAfter, "k", 1).Allowed {
		t.Fatal("refused after RetryAfter")
	}
	// A time far ahead is that key's own affair.
	if !l.AllowAt(start+365*24*time.Hour, "wild", 1).Allowed || l.Allow("wild").Allowed {
		t.Fatal("a year ahead is not kept")
	}
	if !l.Allow("tame").Allowed {
		t.Fatal("a wild time harmed another key")
	}
	for _, at := range []time.Duration{math.MinInt64, math.MaxInt64} {
		l.AllowAt(at, "edge", 1)
		if d := l.AllowAt(at, "edge", 1); d.Allowed || d.RetryAfter <= 0 || d.RetryAfter == Never || d.ResetAfter <= 0 {
			t.Fatalf("at %d: %+v", at, d)
		}
	}
}

func TestRefundAndReset(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	l.Refund("unseen", 3)
	l.Reset("unseen")
	if s := l.Stats(); s.Keys != 0 {
		t.Fatalf("giving back to an unseen key made it: %+v", s)
	}
	l.AllowN("k", 10)
	l.Refund("k", 4)
	for _, n := range []int64{0, -1, math.MinInt64} {
		l.Refund("k", n)
	}
	if d := l.Peek("k"); d.Remaining != 4 {
		t.Fatalf("after 4 of 10 back: %+v", d)
	}
	l.Refund("k", math.MaxInt64)
	if d := l.Peek("k"); d.Remaining != 10 || d.ResetAfter != 0 {
		t.Fatalf("after more than all back: %+v", d)
	}
	l.AllowN("k", 10)
	l.Reset("k")
	wantDecision(t, "after Reset", l.Peek("k"), Decision{Allowed: true, Limit: 10, Remaining: 10})
	clock.advance(time.Hour)
	l.AllowN("k", 10)
	if d := l.Allow("k"); d.Allowed {
		t.Fatalf("after Reset a key had more than its burst: %+v", d)
	}
}

func TestSetQuotaKeepsWhatWasConsumed(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	if err := l.SetQuota(Quota{}); err == nil || l.Quota() != PerSecond(10) {
		t.Fatalf("an invalid quota: %v, now %v", err, l.Quota())
	}
	l.AllowN("k", 6)
	clock.advance(100 * time.Millisecond) // 5 of debt
	set := func(q Quota) {
		t.Helper()
		if err := l.SetQuota(q); err != nil || l.Quota() != q {
			t.Fatalf("%v: %v", q, err)
		}
	}
	set(PerMinute(20)) // T = 3 s
	wantDecision(t, "slower", l.Peek("k"), Decision{
		Allowed: true, Limit: 20, Remaining: 15, ResetAfter: 15 * time.Second})
	set(Quota{Limit: 20, Period: time.Minute, Burst: 2})
	wantDecision(t, "a debt beyond the burst is kept", l.Peek("k"), Decision{
		Limit: 20, RetryAfter: 12 * time.Second, ResetAfter: 15 * time.Second})
	set(PerSecond(10))
	wantDecision(t, "back", l.Peek("k"), Decision{
		Allowed: true, Limit: 10, Remaining: 5, ResetAfter: 500 * time.Millisecond})
	wantDecision(t, "an unseen key", l.Peek("new"), Decision{Allowed: true, Limit: 10, Remaining: 10})
}

func TestKeyQuota(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	if err := l.SetKeyQuota("k", Quota{}); err == nil || l.Peek("k").Limit != 10 {
		t.Fatalf("an invalid key quota: %v", err)
	}
	set := func(q Quota) {
		t.Helper()
		if err := l.SetKeyQuota("k", q); err != nil {
			t.Fatal(err)
		}
	}
	l.AllowN("k", 4)
	set(PerMinute(20))
	wantDecision(t, "its own", l.Peek("k"), Decision{
		Allowed: true, Limit: 20, Remaining: 16, ResetAfter: 12 * time.Second})
	wantDecision(t, "spent under its own", l.AllowN("k", 16), Decision{
		Allowed: true, Limit: 20, ResetAfter: time.Minute})
	wantDecision(t, "refused under its own", l.Allow("k"), Decision{
		Limit: 20, RetryAfter: 3 * time.Second, ResetAfter: time.Minute})
	if err := l.SetQuota(PerSecond(1)); err != nil {
		t.Fatal(err)
	}
	wantDecision(t, "outlives SetQuota", l.Peek("k"), Decision{
		Limit: 20, RetryAfter: 3 * time.Second, ResetAfter: time.Minute})
	if d := l.Peek("other"); d.Limit != 1 {
		t.Fatalf("another key: %+v", d)
	}
	l.Refund("k", 10)
	set(PerSecond(100)) // 10 of debt
	wantDecision(t, "another of its own", l.Peek("k"), Decision{
		Allowed: true, Limit: 100, Remaining: 90, ResetAfter: 100 * time.Millisecond})
	clock.advance(50 * time.Millisecond) // 5 of debt
	l.ClearKeyQuota("k")
	l.ClearKeyQuota("k")
	l.ClearKeyQuota("other")
	wantDecision(t, "cleared", l.Peek("k"), Decision{
		Limit: 1, RetryAfter: 5 * time.Second, ResetAfter: 5 * time.Second})
	if n := l.own.Size(); n != 0 {
		t.Fatalf("%d key quotas left", n)
	}
	set(PerSecond(7))
	l.Reset("k")
	wantDecision(t, "Reset keeps the quota", l.Peek("k"), Decision{Allowed: true, Limit: 7, Remaining: 7})
	if s := l.Stats(); s.Keys != 0 {
		t.Fatalf("a reset key counts as live: %+v", s)
	}
}

// A clock that steps back admits nothing beyond the quota, and a table born
// after the step's end does not refuse what should pass.
func TestClockStepsBack(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	clock.advance(time.Hour)
	l.AllowN("k", 10)
	clock.advance(-30 * time.Minute)
	wantDecision(t, "half an hour back", l.Allow("k"), Decision{
		Limit: 10, RetryAfter: 30*time.Minute + 100*time.Millisecond, ResetAfter: 30*time.Minute + time.Second})
	if !l.AllowN("other", 10).Allowed {
		t.Fatal("a key without debt was refused")
	}
	clock.advance(30*time.Minute + 100*time.Millisecond)
	if !l.Allow("k").Allowed {
		t.Fatal("refused after RetryAfter")
	}
	// Now the tables are born here, and the clock steps back before that.
	if err := l.SetQuota(PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	clock.advance(-time.Minute)
	if d := l.AllowN("fresh", 20); !d.Allowed || d.ResetAfter != time.Minute+time.Second {
		t.Fatalf("an unseen key before the table's birth: %+v", d)
	}
	if d := l.Allow("fresh"); d.Allowed || d.RetryAfter != time.Minute+50*time.Millisecond {
		t.Fatalf("its burst is spent: %+v", d)
	}
	if d := l.Peek("never"); d.ResetAfter != 0 || d.Remaining != 20 {
		t.Fatalf("an unseen key has something to reset: %+v", d)
	}
}

func TestHotPathDoesNotAllocate(t *testing.T) {
	l, clock := newTest(t, PerSecond(1000))
	own := "a key with its own quota"
	if err := l.SetKeyQuota(own, PerSecond(5)); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 300)
	for name, f := range map[string]func(){
		"Allow":       func() { l.Allow("k") },
		"Allow long":  func() { l.Allow(long) },
		"Allow own":   func() { l.Allow(own) },
		"AllowN 0":    func() { l.AllowN("k", 0) },
		"AllowN -1":   func() { l.AllowN("k", -1) },
		"AllowN much": func() { l.AllowN("k", 1e6) },
		"AllowAt":     func() { l.AllowAt(clock.now(), "k", 2) },
		"Peek":        func() { l.Peek("k") },
		"Peek unseen": func() { l.Peek("unseen") },
		"Refund":      func() { l.Refund("k", 1) },
		"Reset":       func() { l.Reset("k") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestIdleLimiterIsSmall(t *testing.T) {
	for _, n := range []int{1, 1 << 20, math.MaxInt} {
		const limiters = 50
		var all [limiters]*Limiter
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i], _ = newTest(t, PerSecond(1), WithMaxKeys(n))
		}
		runtime.ReadMemStats(&after)
		took := int64(after.TotalAlloc-before.TotalAlloc) / limiters
		if s := all[0].Stats(); s.Bytes > 32<<10 || took > 32<<10 || s.Bytes > took {
			t.Errorf("%d keys: an idle limiter takes %d bytes, and says %d", n, took, s.Bytes)
		}
	}
}
