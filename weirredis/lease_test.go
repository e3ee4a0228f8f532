package weirredis

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

func TestLease(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(1000), WithLeases(10, time.Minute))
	for i := range int64(41) {
		d := must(l.Allow(ctx, "k"))(t)
		if want := 999 - i; !d.Allowed || d.Remaining != want {
			t.Fatalf("request %d: %+v, want %d remaining", i, d, want)
		}
	}
	// The first by itself, then each tenth for ten; each script once more, whole.
	if n := scriptCalls(t, server); n != 5+2 {
		t.Errorf("%d calls", n)
	}
	if s := l.Stats(); s.Admitted != 41 || s.LeasedHere != 36 || s.Leases != 4 {
		t.Errorf("%+v", s)
	}
	if d := must(l.Peek(ctx, "k"))(t); d.Remaining != 959 || !d.Allowed {
		t.Errorf("%+v", d)
	}
}

// What is left of a lease goes back when it is too old, and on Close.
func TestLeaseGoesBack(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	plain := onServer(t, server, weir.PerHour(1000), WithRefusalCache(0))
	remains := func(key string) int64 { return must(plain.Peek(ctx, key))(t).Remaining }

	l := onServer(t, server, weir.PerHour(1000), WithLeases(100, 50*time.Millisecond))
	must(l.Allow(ctx, "old"))(t)
	must(l.Allow(ctx, "old"))(t)
	if n := remains("old"); n != 899 {
		t.Errorf("%d remain beside the lease", n)
	}
	for start := time.Now(); remains("old") != 998; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d remain", remains("old"))
		}
	}
	if s := l.Stats(); s.Returned != 99 {
		t.Errorf("%+v", s)
	}

	l = onServer(t, server, weir.PerHour(1000), WithLeases(100, time.Hour))
	must(l.Allow(ctx, "closed"))(t)
	must(l.Allow(ctx, "closed"))(t)
	if n := remains("closed"); n != 899 {
		t.Errorf("%d remain beside the lease", n)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := remains("closed"); n != 998 {
		t.Errorf("%d remain", n)
	}
}

// Time has paid for what was leased; who used it meanwhile keeps it. Without the bound
// of return.lua the key would admit 15 at one instant where 10 are allowed.
func TestLeaseReturnsNoMoreThanTimeHasLeft(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	q := weir.Quota{Limit: 10, Period: 10 * time.Second}
	l := onServer(t, server, q, WithLeases(6, time.Hour))
	other := onServer(t, server, q, WithRefusalCache(0))
	must(l.Allow(ctx, "k"))(t)
	must(l.Allow(ctx, "k"))(t) // with 4 more: half of the 8 that are left
	if n := must(other.Peek(ctx, "k"))(t).Remaining; n != 4 {
		t.Fatalf("%d remain beside the lease", n)
	}
	server.Advance(5 * time.Second) // one second's debt is left of it
	if d := must(other.AllowN(ctx, "k", 9))(t); !d.Allowed {
		t.Fatalf("%+v", d)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := must(other.Peek(ctx, "k"))(t).Remaining; n != 1 {
		t.Errorf("%d remain; one second was left of the lease", n)
	}
}

// Leases of several holders, taken and given back while the clock stands still: in the
// end exactly the burst has been admitted.
func TestLeasesAdmitTheBurst(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	q := weir.Quota{Limit: 2000, Period: 2000 * time.Hour}
	var admitted atomic.Int64
	var wg sync.WaitGroup
	var limiters []*Limiter
	for range 4 {
		l := onServer(t, server, q, WithLeases(50, 5*time.Millisecond))
		limiters = append(limiters, l)
		for range 8 {
			wg.Go(func() {
				for range 200 {
					if must(l.Allow(ctx, "k"))(t).Allowed {
						admitted.Add(1)
					}
				}
			})
		}
	}
	wg.Wait()
	leased := int64(0)
	for _, l := range limiters {
		if err := l.Close(ctx); err != nil {
			t.Fatal(err)
		}
		leased += l.Stats().LeasedHere
	}
	if leased == 0 {
		t.Error("no leases")
	}
	rest := onServer(t, server, q, WithRefusalCache(0))
	for must(rest.Allow(ctx, "k"))(t).Allowed {
		admitted.Add(1)
	}
	if n := admitted.Load(); n != 2000 {
		t.Errorf("%d admitted, of 2000; %d by lease", n, leased)
	}
}

// A batch may be anything; it is never more than what there is.
func TestLeaseLargerThanTheBurst(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	l := onServer(t, redistest.Start(t, redistest.Options{Clock: true}), weir.PerHour(200), WithLeases(math.MaxInt64, math.MaxInt64), WithRefusalCache(0))
	admitted := 0
	for range 300 {
		if must(l.Allow(ctx, "k"))(t).Allowed {
			admitted++
		}
	}
	if s := l.Stats(); admitted != 200 || s.LeasedHere == 0 {
		t.Errorf("%d admitted, %+v", admitted, s)
	}
}

// A lease that comes after its caller could not wait any more is used by others.
func TestLateLeaseIsHeld(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	proxy := redistest.StartProxy(t, server.Addr())
	l, err := New(connect(t, proxy.Addr()), weir.PerHour(1000), WithLeases(100, time.Hour), WithTimeout(10*time.Second), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	must(l.Allow(ctx, "k"))(t)
	proxy.SetDelay(100 * time.Millisecond)
	hasty, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if _, err := l.Allow(hasty, "k"); err == nil {
		t.Error("it waited")
	}
	for start := time.Now(); l.leased("k") == 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatal("the lease is lost")
		}
	}
	proxy.SetDelay(0)
	if n := l.leased("k"); n != 100 {
		t.Errorf("%d are held: the caller has used none", n)
	}
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := must(onServer(t, server, weir.PerHour(1000)).Peek(ctx, "k"))(t).Remaining; n != 999 {
		t.Errorf("%d remain", n)
	}
}

// Many callers of one key and no room for a lease, or no time to keep it: nobody waits
// for another one's until his time is over.
func TestLeasesDoNotQueueCallers(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	l, err := New(connect(t, proxy.Addr()), weir.PerHour(50), WithLeases(10, time.Millisecond), WithRefusalCache(0), WithTimeout(2*time.Second), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	proxy.SetDelay(20 * time.Millisecond) // 2 s for a hundred, one after the other
	var wg sync.WaitGroup
	for range 300 {
		wg.Go(func() {
			for range 2 {
				if _, err := l.Allow(context.Background(), "k"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s.FellBack != 0 {
		t.Errorf("%+v", s)
	}
}

// What a Reset has forgiven is not given back as well.
func TestLeaseIsNotReturnedAfterReset(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(100), WithLeases(40, time.Hour))
	other := onServer(t, server, weir.PerHour(100))
	must(l.Allow(ctx, "k"))(t)
	must(l.Allow(ctx, "k"))(t)
	if err := l.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	must(other.AllowN(ctx, "k", 100))(t)
	if err := l.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if n := must(other.Peek(ctx, "k"))(t).Remaining; n != 0 {
		t.Errorf("%d remain", n)
	}
}

func TestHot(t *testing.T) {
	ls := newLeases(2, 10*time.Millisecond)
	at := func(d time.Duration) time.Duration { return d * time.Millisecond }
	if ls.hot("a", at(0)) || ls.hot("a", at(20)) {
		t.Error("not asked for lately")
	}
	if !ls.hot("a", at(25)) || !ls.hot("a", at(26)) || ls.hot("b", at(26)) {
		t.Error("asked for lately")
	}
	// A busy slot holds the key that came last.
	hot := 0
	for i := range 10_000 {
		if ls.hot(fmt.Sprint("key ", i), at(30)) {
			hot++
		}
	}
	if hot != 0 {
		t.Errorf("%d keys that nobody had asked for", hot)
	}
}

func TestDecisionUnderLeaseDoesNotAllocate(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	l := onServer(t, redistest.Start(t, redistest.Options{}), weir.Quota{Limit: 1_000_000, Period: time.Second}, WithLeases(100_000, time.Hour))
	must(l.Allow(ctx, "k"))(t)
	must(l.Allow(ctx, "k"))(t)
	before := l.Stats().LeasedHere
	if n := testing.AllocsPerRun(1000, func() { l.Allow(ctx, "k") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := l.Stats().LeasedHere - before; n != 1001 {
		t.Errorf("%d of 1001 by lease", n)
	}
}
