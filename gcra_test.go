package weir

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// randomQuota draws from the whole range of valid quotas, extremes included.
func randomQuota(r *rand.Rand) Quota {
	for {
		q := Quota{
			Limit:  1 + r.Int64N(math.MaxInt64)>>r.IntN(63),
			Period: time.Duration(1 + r.Int64N(math.MaxInt64)>>r.IntN(63)),
			Burst:  r.Int64N(math.MaxInt64) >> r.IntN(63),
		}
		if q.Validate() == nil {
			return q
		}
	}
}

// spend decides and tells, as the limiter does.
func spend(g *gcra, tat, now, n int64) (after int64, v verdict) {
	after, retryAfter := g.spend(tat, now, n)
	return after, g.tell(after, now, retryAfter)
}

func randomInstant(r *rand.Rand) int64 { return 1 + r.Int64N(maxReading)>>r.IntN(62) }

// Property 1, for any state and any cost, extremes included: repeated after
// RetryAfter a refused request is admitted, one nanosecond sooner refused.
func TestRetryAfterIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	refused, admitted := 0, 0
	for range 300_000 {
		g := newGCRA(randomQuota(r))
		now := randomInstant(r)
		tat := min(now+r.Int64N(2*g.tolerance), maxTAT)
		n := 1 + r.Int64N(g.tolerance/g.interval)
		after, v := spend(&g, tat, now, n)
		if v.allowed() {
			admitted++
			if after < tat || after-now > g.tolerance || after != max(tat, now)+n*g.interval {
				t.Fatalf("%+v: %d of %d admitted at %d to %d", g, n, tat, now, after)
			}
			continue
		}
		refused++
		if after != tat {
			t.Fatalf("%+v: a refusal moved %d to %d", g, tat, after)
		}
		if at := now + v.retryAfter; at <= maxReading {
			if _, v := spend(&g, tat, at, n); !v.allowed() {
				t.Fatalf("%+v: %d of %d refused after RetryAfter", g, n, tat)
			}
			if _, v := spend(&g, tat, at-1, n); v.allowed() {
				t.Fatalf("%+v: %d of %d admitted a nanosecond before RetryAfter", g, n, tat)
			}
		}
	}
	if refused < 1000 || admitted < 1000 {
		t.Fatalf("%d refused, %d admitted: one side is not tested", refused, admitted)
	}
}

func TestCostBeyondBurst(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 100_000 {
		g := newGCRA(randomQuota(r))
		burst, now := g.tolerance/g.interval, randomInstant(r)
		if _, v := spend(&g, unwritten, now, burst); !v.allowed() {
			t.Fatalf("%+v: an unseen key was refused its burst", g)
		}
		for _, n := range []int64{burst + 1, math.MaxInt64, burst + 1 + r.Int64N(math.MaxInt64-burst)} {
			if after, v := spend(&g, resetTAT, now, n); v.retryAfter != int64(Never) || after != resetTAT || v.remaining != burst {
				t.Fatalf("%+v: cost %d: %+v, moved to %d", g, n, v, after)
			}
		}
	}
}

// What remains is what is admitted when it is asked for, one by one or at once,
// and never one more.
func TestRemaining(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 100_000 {
		g := newGCRA(randomQuota(r))
		now := randomInstant(r)
		tat := min(now+r.Int64N(g.tolerance+g.tolerance/2+1)-g.tolerance/4, maxTAT)
		v := g.peek(tat, now)
		if _, one := spend(&g, tat, now, 1); one.allowed() != v.allowed() || one.retryAfter != v.retryAfter {
			t.Fatalf("%+v: Peek says %+v, a request %+v", g, v, one)
		}
		if v.allowed() != (v.remaining > 0) || v.resetAfter != max(tat-now, 0) {
			t.Fatalf("%+v at %d of %d: %+v", g, tat, now, v)
		}
		if v.remaining > 0 {
			if _, all := spend(&g, tat, now, v.remaining); !all.allowed() || all.remaining != 0 {
				t.Fatalf("%+v: all %d remaining: %+v", g, v.remaining, all)
			}
		}
		if _, more := spend(&g, tat, now, v.remaining+1); more.allowed() {
			t.Fatalf("%+v: %d remain, but one more passes", g, v.remaining)
		}
	}
}

func TestRefund(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for range 100_000 {
		g := newGCRA(randomQuota(r))
		floor := randomInstant(r)
		tat := min(floor+r.Int64N(g.tolerance+1), maxTAT)
		n := 1 + r.Int64N(math.MaxInt64)>>r.IntN(63)
		want := new(big.Int).Sub(big.NewInt(tat), new(big.Int).Mul(big.NewInt(n), big.NewInt(g.interval)))
		if want.Cmp(big.NewInt(floor)) < 0 {
			want.SetInt64(floor)
		}
		if got := g.refund(tat, floor, n); got != want.Int64() {
			t.Fatalf("%+v: %d back from %d over %d: %d, want %d", g, n, tat, floor, got, want)
		}
	}
	g := newGCRA(PerSecond(1))
	if got := g.refund(3, 7, 1); got != 3 {
		t.Fatalf("a refund raised a TAT from 3 to %d", got)
	}
}

func TestRescale(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	saturated := 0
	for range 300_000 {
		from, to := newGCRA(randomQuota(r)), newGCRA(randomQuota(r))
		at := randomInstant(r)
		tat := min(at+r.Int64N(from.tolerance+1)-from.tolerance/8, maxTAT)
		got := from.rescale(tat, &to, at)
		if tat <= at || from.interval == to.interval {
			if got != tat {
				t.Fatalf("%d at %d became %d", tat, at, got)
			}
			continue
		}
		want := new(big.Int).Mul(big.NewInt(tat-at), big.NewInt(to.interval))
		want.Add(want, big.NewInt(from.interval-1)).Quo(want, big.NewInt(from.interval)) // ⌈ ⌉
		if want.Add(want, big.NewInt(at)).Cmp(big.NewInt(maxTAT)) > 0 {
			want.SetInt64(maxTAT)
			saturated++
		}
		if got != want.Int64() {
			t.Fatalf("%d at %d from %d to %d ns: %d, want %d", tat, at, from.interval, to.interval, got, want)
		}
		if back := to.rescale(got, &from, at); got < maxTAT && back < tat {
			t.Fatalf("there and back forgave %d ns", tat-back)
		}
	}
	if saturated == 0 {
		t.Fatal("no rescaling saturated")
	}
}

func TestReserve(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	beyond := 0
	for range 100_000 {
		g := newGCRA(randomQuota(r))
		now := randomInstant(r)
		tat := min(now+r.Int64N(math.MaxInt64-now), maxTAT)
		n := 1 + r.Int64N(g.tolerance/g.interval)
		after, ready, ok := g.reserve(tat, now, n)
		if !ok {
			if beyond++; tat <= maxTAT-n*g.interval {
				t.Fatalf("%+v: no place for %d behind %d", g, n, tat)
			}
			continue
		}
		if after > maxTAT || after != max(tat, now)+n*g.interval {
			t.Fatalf("%+v: %d behind %d is %d", g, n, tat, after)
		}
		// The place is reached when the same request would be admitted.
		if _, v := spend(&g, tat, now, n); max(ready-now, 0) != v.retryAfter {
			t.Fatalf("%+v: ready in %d, RetryAfter %d", g, ready-now, v.retryAfter)
		}
	}
	if beyond == 0 {
		t.Fatal("no place was beyond the end of time")
	}
}

func TestRetryAfterSeconds(t *testing.T) {
	for _, c := range []struct {
		d    Decision
		want int64
	}{
		{Decision{Allowed: true}, 0},
		{Decision{}, 1},
		{Decision{RetryAfter: 1}, 1},
		{Decision{RetryAfter: time.Second}, 1},
		{Decision{RetryAfter: time.Second + 1}, 2},
		{Decision{RetryAfter: 17 * time.Second}, 17},
		{Decision{RetryAfter: Never}, math.MaxInt64/1_000_000_000 + 1},
	} {
		if got := c.d.RetryAfterSeconds(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.d, got, c.want)
		}
	}
}

func TestLateSaturates(t *testing.T) {
	v := verdict{retryAfter: math.MaxInt64 - 10, resetAfter: 0}.late(1 << 62)
	if v.retryAfter != int64(Never)-1 || v.resetAfter != 0 {
		t.Fatalf("%+v", v)
	}
	if v := (verdict{retryAfter: int64(Never), resetAfter: 5}).late(7); v.retryAfter != int64(Never) || v.resetAfter != 12 {
		t.Fatalf("%+v", v)
	}
}
