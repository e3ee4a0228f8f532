package weir

import (
	"testing"
	"time"
)

// What is due later than at once is due later by as much as the decision lies
// after the instant that the caller counts from; at once stays at once, Never
// stays Never, and nothing that ends becomes Never.
func TestLate(t *testing.T) {
	never, longest := int64(Never), int64(Never)-1
	for _, c := range []struct{ after, nanos, want int64 }{
		{0, 0, 0}, {0, 7, 0},
		{1, 0, 1}, {1, 7, 8}, {100, 1, 101},
		{never, 0, never}, {never, 7, never},
		{longest, 0, longest}, {longest, 7, longest},
		{longest - 7, 7, longest}, {longest - 8, 7, longest - 1}, {longest - 6, 7, longest},
	} {
		if got := (verdict{retryAfter: c.after, resetAfter: 5}).late(c.nanos); got.retryAfter != c.want || got.resetAfter != 5+c.nanos {
			t.Errorf("RetryAfter %d and ResetAfter 5, late by %d: %d and %d; want %d and %d",
				c.after, c.nanos, got.retryAfter, got.resetAfter, c.want, 5+c.nanos)
		}
		if got := (verdict{retryAfter: 5, resetAfter: c.after}).late(c.nanos); got.resetAfter != c.want || got.retryAfter != 5+c.nanos {
			t.Errorf("RetryAfter 5 and ResetAfter %d, late by %d: %d and %d; want %d and %d",
				c.after, c.nanos, got.retryAfter, got.resetAfter, 5+c.nanos, c.want)
		}
	}
}

// A place may end at the last instant that there is, and not one nanosecond
// after it.
func TestReserveUntilTheEndOfTime(t *testing.T) {
	g := newGCRA(Quota{Limit: 1, Period: 1000, Burst: 10})
	if after, ready, ok := g.reserve(maxTAT-1000, 1, 1); !ok || after != maxTAT || ready != maxTAT-10*1000 {
		t.Errorf("a place that ends at maxTAT: %d, %d, %t; want %d, %d, true", after, ready, ok, int64(maxTAT), int64(maxTAT)-10*1000)
	}
	if after, ready, ok := g.reserve(maxTAT-999, 1, 1); ok || after != maxTAT-999 || ready != 0 {
		t.Errorf("a place that ends beyond maxTAT: %d, %d, %t; want the TAT as it was, and none", after, ready, ok)
	}
}

// A debt that becomes longer than time ends with it.
func TestRescaleUntilTheEndOfTime(t *testing.T) {
	from := newGCRA(Quota{Limit: 1, Period: 2, Burst: 1})
	to := newGCRA(Quota{Limit: 1, Period: 3, Burst: 1})
	const at = maxTAT - 10
	for debt, want := range map[int64]int64{5: at + 8, 6: at + 9, 7: maxTAT, 8: maxTAT, 10: maxTAT} {
		if got := from.rescale(at+debt, &to, at); got != want {
			t.Errorf("a debt of %d ns, half as long again, at maxTAT - 10: maxTAT - %d, want maxTAT - %d", debt, maxTAT-got, maxTAT-want)
		}
	}
}

// A decision taken later than at the time that AllowAt was given, because the
// key's table was made after it, counts its durations from the time given.
func TestAllowAtBeforeTheTableCountsFromTheTimeGiven(t *testing.T) {
	now := time.Duration(0)
	l, err := New(Quota{Limit: 1, Period: time.Second, Burst: 1}, WithClock(func() time.Duration { return now }))
	if err != nil {
		t.Fatal(err)
	}
	now = 10 * time.Second
	want := Decision{Allowed: true, Limit: 1, ResetAfter: 4 * time.Second}
	if d := l.AllowAt(7*time.Second, "first of its table", 1); d != want {
		t.Errorf("at 7 s, in a table made at 10 s: %+v, want %+v", d, want)
	}
	want = Decision{Limit: 1, RetryAfter: 4 * time.Second, ResetAfter: 4 * time.Second}
	if d := l.AllowAt(7*time.Second, "first of its table", 1); d != want {
		t.Errorf("again: %+v, want %+v", d, want)
	}
	if d := l.AllowAt(7*time.Second, "first of its table", 0); d != want {
		t.Errorf("a look: %+v, want %+v", d, want)
	}
}

// A debt whose number of nanoseconds no 64 bits hold is longer than time.
func TestRescaleOverflow(t *testing.T) {
	from := newGCRA(Quota{Limit: 1, Period: 1 << 38, Burst: 1})
	to := newGCRA(Quota{Limit: 1, Period: 1 << 40, Burst: 1})
	for debt, want := range map[int64]int64{
		1 << 62:     maxTAT, // 2^102 / 2^38, whose quotient is 2^64
		1<<62 + 1:   maxTAT,
		1<<60 + 100: 1 + 1<<62 + 400,
	} {
		if got := from.rescale(1+debt, &to, 1); got != want {
			t.Errorf("a debt of %d ns at 1, four times as long: %d, want %d", debt, got, want)
		}
	}
}

// More than was ever spent, even by a number of nanoseconds that no 64 bits
// hold, is given back as what was spent; and what stands at the floor or before
// stays.
func TestRefundBounds(t *testing.T) {
	g := newGCRA(Quota{Limit: 1, Period: 1 << 32, Burst: 10})
	for _, c := range []struct{ tat, n, want int64 }{
		{100 + 1<<33, 1, 100 + 1<<32}, {100 + 1<<33, 2, 100}, {100 + 1<<33, 3, 100},
		{100 + 1<<33, 1 << 32, 100}, {100 + 1<<33, 1<<32 + 1, 100}, // 2^64 ns, and 2^64 + 2^32
		{100, 1, 100}, {99, 1, 99},
	} {
		if got := g.refund(c.tat, 100, c.n); got != c.want {
			t.Errorf("%d given back to %d, with the floor at 100: %d, want %d", c.n, c.tat, got, c.want)
		}
	}
}

// A debt that is dropped lets through as many requests as it has intervals, begun
// ones included.
func TestForgiven(t *testing.T) {
	g := newGCRA(Quota{Limit: 1, Period: 1000, Burst: 10})
	for debt, want := range map[int64]int64{-1001: 0, -1: 0, 0: 0, 1: 1, 999: 1, 1000: 1, 1001: 2, 2000: 2, 2001: 3} {
		if got := g.forgiven(debt); got != want {
			t.Errorf("a debt of %d ns at 1000 ns a request: %d, want %d", debt, got, want)
		}
	}
}
