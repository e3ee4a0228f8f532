package weir

import (
	"math/big"
	"testing"
	"time"
)

// FuzzLimiter plays its input as a trial: a limiter, its quotas, and operations on it, each compared with the reference.
func FuzzLimiter(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		tr := newTrial(t, &tape{data: data})
		for step := 0; !tr.in.done(); step++ {
			if diff := tr.step(); diff != "" {
				t.Fatalf("step %d, quotas %v: %s", step, tr.quotas, diff)
			}
		}
		if diff := tr.finish(); diff != "" {
			t.Fatal(diff)
		}
	})
}

// FuzzGCRA compares every function of gcra.go with the same in integers of any size.
func FuzzGCRA(f *testing.F) {
	const century = int64(100 * 8766 * time.Hour)
	f.Add(int64(300), int64(time.Minute), int64(0), int64(1), int64(time.Second), int64(1), int64(1), int64(1))
	f.Add(int64(300), int64(time.Minute), int64(50), int64(10), int64(1), century+int64(time.Second), century, int64(50))
	f.Add(int64(7), int64(time.Second), int64(3), int64(3), int64(time.Second), int64(2e9), int64(1e9), int64(4))
	f.Add(int64(1), int64(1)<<61, int64(1), int64(1), int64(1), int64(maxTAT), int64(maxReading), int64(1))
	f.Add(int64(1), int64(1), int64(1)<<61, int64(1), int64(1)<<61, int64(maxTAT), int64(1), int64(1)<<61)
	f.Fuzz(func(t *testing.T, limit, period, burst, limit2, period2, tat, now, n int64) {
		q, to := Quota{limit, time.Duration(period), burst}, Quota{limit2, time.Duration(period2), 1}
		if q.Validate() != nil || to.Validate() != nil || tat < 1 || tat > maxTAT || now < 1 || now > maxReading || n < 1 {
			return
		}
		g := newGCRA(q)
		m := newReference(q, 1)
		k := m.key("key")
		k.tat = big.NewInt(tat)
		checkSpend(t, &g, m, tat, now, n)
		checkMoves(t, &g, m, tat, now, n)

		other := newGCRA(to)
		m.setNow(nil, time.Duration(now), 0)
		k.tat.SetInt64(tat)
		m.rescale(k, m.quota.interval, newRefQuota(to).interval)
		if got := g.rescale(tat, &other, now); got != k.tat.Int64() {
			t.Fatalf("rescale of %d from %v to %v around %d: %d, want %v", tat, q, to, now, got, k.tat)
		}
	})
}

// checkSpend compares decisions, and holds refusals to what they say.
func checkSpend(t *testing.T, g *gcra, m *reference, tat, now, n int64) {
	after, v := spend(g, tat, now, n)
	d := v.decision()
	if want := m.judge(time.Duration(now), 0, "key", n); d != want {
		t.Fatalf("cost %d at %d standing at %d under %+v:\n got %+v\nwant %+v", n, now, tat, g, d, want)
	}
	switch {
	case d.Allowed && after != m.after.Int64(), !d.Allowed && after != tat:
		t.Fatalf("cost %d at %d standing at %d under %+v: then stands at %d", n, now, tat, g, after)
	case !d.Allowed && d.RetryAfter <= maxReading-time.Duration(now):
		if _, v := spend(g, tat, now+v.retryAfter, n); !v.allowed() {
			t.Fatalf("cost %d at %d standing at %d under %+v: refused after RetryAfter too", n, now, tat, g)
		}
		if _, v := spend(g, tat, now+v.retryAfter-1, n); v.allowed() {
			t.Fatalf("cost %d at %d standing at %d under %+v: admitted before RetryAfter", n, now, tat, g)
		}
	}
	d = g.peek(tat, now).decision()
	if want := m.Peek(time.Duration(now), 0, "key"); d != want {
		t.Fatalf("peek at %d standing at %d under %+v:\n got %+v\nwant %+v", now, tat, g, d, want)
	}
}

// checkMoves compares what gives back and what reserves.
func checkMoves(t *testing.T, g *gcra, m *reference, tat, now, n int64) {
	floor := big.NewInt(min(tat, now))
	cost := new(big.Int).Mul(big.NewInt(n), m.quota.interval)
	want := new(big.Int).Sub(big.NewInt(tat), cost)
	if want.Cmp(floor) < 0 {
		want = floor
	}
	if got := g.refund(tat, floor.Int64(), n); got != want.Int64() {
		t.Fatalf("refund of %d to %d, not below %v, under %+v: %d, want %v", n, tat, floor, g, got, want)
	}
	want.Add(big.NewInt(max(tat, now)), cost)
	possible := cost.Cmp(m.quota.tolerance) <= 0 && want.Cmp(big.NewInt(maxTAT)) <= 0
	after, ready, ok := g.reserve(tat, now, n)
	if ok != possible || ok && (after != want.Int64() || ready != after-g.tolerance) || !ok && after != tat {
		t.Fatalf("reserve %d at %d standing at %d under %+v: %d, %d, %v; want %v, %v",
			n, now, tat, g, after, ready, ok, want, possible)
	}
}

// FuzzParseQuota demands of every text: an error that leaves the receiver as it was, or a valid quota that survives its own
// text forms.
func FuzzParseQuota(f *testing.F) {
	for _, s := range []string{
		"300/1m", "300/60s", "300/1m burst 50", "1/87660h", "9223372036854775807/1ns burst 1", "7/1h2m3.000000004s burst 1",
		"", "/", "300", "300/", "/1m", "+300/1m", "-1/1m", "300/-1m", "300/0s", "0/1m", "300/1m burst", "300/1m burst 0",
		"300/1m burst -1", "300/1m  burst 5", "300/1m burst 5 burst 6", "1/1ns burst 2305843009213693953", "٣/1m", "1e2/1m",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		before := Quota{Limit: 1, Period: 2, Burst: 3}
		unmarshaled := before
		q, err := ParseQuota(s)
		if unmarshalErr := unmarshaled.UnmarshalText([]byte(s)); (err == nil) != (unmarshalErr == nil) {
			t.Fatalf("%q: ParseQuota: %v, UnmarshalText: %v", s, err, unmarshalErr)
		}
		if err != nil {
			if unmarshaled != before || q != (Quota{}) {
				t.Fatalf("%q: refused with %v, but wrote %+v and returned %+v", s, err, unmarshaled, q)
			}
			return
		}
		if unmarshaled != q || q.Validate() != nil {
			t.Fatalf("%q: parsed as %+v, unmarshaled as %+v, valid: %v", s, q, unmarshaled, q.Validate())
		}
		if again, err := ParseQuota(q.String()); err != nil || again != q {
			t.Fatalf("%q: %+v is written %q, which is read as %+v, %v", s, q, q, again, err)
		}
		if text, err := q.MarshalText(); err != nil || string(text) != q.String() {
			t.Fatalf("%q: MarshalText: %q, %v; String: %q", s, text, err, q)
		}
	})
}
