package weirredis

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// Processes that decide by different quotas count the same requests.
func TestQuotasCountTheSameRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	old := onServer(t, server, weir.PerMinute(300))
	raised := onServer(t, server, weir.PerMinute(600))
	strict := onServer(t, server, weir.Quota{Limit: 300, Period: time.Minute, Burst: 50})
	must(old.AllowN(ctx, "k", 100))(t)
	if n := must(raised.Peek(ctx, "k"))(t).Remaining; n != 500 {
		t.Errorf("%d of 600 remain after 100", n)
	}
	if n := must(old.Peek(ctx, "k"))(t).Remaining; n != 200 {
		t.Errorf("%d of 300 remain after 100", n)
	}
	// 50 more than its burst are owed: they are kept, and earned back before it admits.
	if d := must(strict.Allow(ctx, "k"))(t); d.Allowed || d.RetryAfter != 51*200*time.Millisecond {
		t.Errorf("%+v", d)
	}
	must(raised.AllowN(ctx, "k", 500))(t)
	if d := must(old.Allow(ctx, "k"))(t); d.Allowed || d.RetryAfter != 301*200*time.Millisecond {
		t.Errorf("%+v", d)
	}
}

// The proof: let c be the debt in requests. Time lowers it by no more than the fastest
// quota earns, recounting never does, and a request of cost n passes only where c + n is
// at most some quota's burst. So in no window can more pass than the largest burst and
// what the fastest earns in it.
func TestQuotasTogetherAdmitNoMoreThanTheMostGenerous(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	quotas := []weir.Quota{
		{Limit: 7, Period: time.Second, Burst: 5},
		{Limit: 100, Period: time.Second, Burst: 2},
		{Limit: 3, Period: time.Second, Burst: 20},
	}
	const largest, fastest = 20, 10 * time.Millisecond
	var limiters []*Limiter
	for _, q := range quotas {
		limiters = append(limiters, onServer(t, server, q, WithRefusalCache(0)))
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 2))
	type admission struct {
		at time.Duration
		n  int64
	}
	var admitted []admission
	by := make([]int, len(quotas))
	var now time.Duration
	for op := range 3000 {
		if i, n := random.IntN(len(limiters)), 1+random.Int64N(3); must(limiters[i].AllowN(ctx, "k", n))(t).Allowed {
			admitted = append(admitted, admission{now, n})
			by[i]++
		}
		d := time.Duration(random.Int64N(15_000)) * time.Microsecond
		if op%50 == 0 {
			d += 8 * time.Second // all is earned back: for the one of the smallest burst
		}
		server.Advance(d)
		now += d
	}
	for i, n := range by {
		if n == 0 {
			t.Errorf("quota %d admitted nothing", i)
		}
	}
	for i := range admitted {
		var sum int64
		for _, a := range admitted[i:] {
			sum += a.n
			if window := a.at - admitted[i].at; sum > largest+int64(window/fastest) {
				t.Fatalf("seed %d: %d in %v", seed, sum, window)
			}
		}
	}
}

// What a key owes survives a clock that steps back, and falls from there as time goes.
func TestServerClockStepsBack(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.Quota{Limit: 10, Period: 10 * time.Second}, WithRefusalCache(0))
	must(l.AllowN(ctx, "k", 10))(t)
	server.Advance(2 * time.Second)
	server.SetTime(server.Now().Add(-time.Hour))
	// Of the time since the last write nobody can tell any more; nothing is forgiven.
	if d := must(l.Allow(ctx, "k"))(t); d.Allowed || d.RetryAfter != time.Second || d.ResetAfter != 10*time.Second {
		t.Errorf("%+v", d)
	}
	server.Advance(time.Second - time.Microsecond)
	if d := must(l.Allow(ctx, "k"))(t); d.Allowed || d.RetryAfter != time.Microsecond {
		t.Errorf("%+v", d)
	}
	server.Advance(time.Microsecond)
	if d := must(l.Allow(ctx, "k"))(t); !d.Allowed {
		t.Errorf("%+v", d)
	}
	// A place that was taken before the clock stepped back is not given back, since
	// nobody can tell who is behind it.
	m := l.meter.Load()
	r := ask(l, reserveScript, "weir:k", m.intervalArg, m.toleranceArg, digits(m.interval), digits(longestDebt))
	server.SetTime(server.Now().Add(-time.Hour))
	if left := ask(l, leaveScript, "weir:k", m.intervalArg, digits(m.interval), digits(r.more[1]+r.more[2])); left.n != 0 {
		t.Error("given back")
	}
}
