package weirredis

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// scriptCalls is how many scripts the server has run.
func scriptCalls(tb testing.TB, server *redistest.Server) (n int64) {
	tb.Helper()
	stats := must(server.Info("commandstats"))(tb)
	for _, name := range []string{"cmdstat_evalsha", "cmdstat_eval"} {
		var calls int64
		fmt.Sscanf(stats[name], "calls=%d", &calls)
		n += calls
	}
	return n
}

func TestRefusalsStayHome(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l := onServer(t, server, weir.Quota{Limit: 10, Period: 5 * time.Second})
	for range 10 {
		if d := must(l.Allow(ctx, "k"))(t); !d.Allowed {
			t.Fatalf("%+v", d)
		}
	}
	first := must(l.Allow(ctx, "k"))(t)
	before := scriptCalls(t, server)
	last := first
	for range 1000 {
		d := must(l.Allow(ctx, "k"))(t)
		if d.Allowed || d.RetryAfter > last.RetryAfter || d.RetryAfter <= 0 || d.Remaining != 0 || d.Limit != 10 {
			t.Fatalf("%+v after %+v", d, last)
		}
		last = d
	}
	if n := scriptCalls(t, server) - before; n != 0 {
		t.Errorf("%d calls", n)
	}
	if s := l.Stats(); s.RefusedHere != 1000 || s.Refused != 1001 || s.Admitted != 10 {
		t.Errorf("%+v", s)
	}
	// Who waits for as long as the last refusal said is admitted.
	time.Sleep(last.RetryAfter)
	if d := must(l.Allow(ctx, "k"))(t); !d.Allowed {
		t.Errorf("%+v, after waiting for %v", d, last.RetryAfter)
	}
}

// A cost that can never be paid is asked for once, to tell what remains.
func TestNeverStaysHome(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l := onServer(t, server, weir.PerHour(10))
	must(l.AllowN(ctx, "k", 4))(t)
	must(l.AllowN(ctx, "k", 11))(t)
	before := scriptCalls(t, server)
	for _, n := range []int64{11, -1, 1 << 60} {
		if d := must(l.AllowN(ctx, "k", n))(t); d.Allowed || d.RetryAfter != weir.Never || d.Remaining != 6 || d.Limit != 10 {
			t.Errorf("%d: %+v", n, d)
		}
	}
	if n := scriptCalls(t, server) - before; n != 0 || l.Stats().RefusedHere != 3 {
		t.Errorf("%d calls, %+v", n, l.Stats())
	}
	if d := must(l.AllowN(ctx, "k", 6))(t); !d.Allowed {
		t.Errorf("what can be paid: %+v", d)
	}
}

// What a cheaper request may have, a refusal of a dearer one does not forbid.
func TestRefusalIsOfACost(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	l := onServer(t, redistest.Start(t, redistest.Options{}), weir.PerHour(10))
	must(l.AllowN(ctx, "k", 7))(t)
	for range 2 {
		if d := must(l.AllowN(ctx, "k", 5))(t); d.Allowed || d.Remaining != 3 {
			t.Fatalf("%+v", d)
		}
	}
	if d := must(l.AllowN(ctx, "k", 3))(t); !d.Allowed {
		t.Errorf("%+v", d)
	}
	if s := l.Stats(); s.RefusedHere != 1 {
		t.Errorf("%+v", s)
	}
}

func TestRefusalsAreForgotten(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	const age = 300 * time.Millisecond
	exhausted := func(t *testing.T, key string) *Limiter {
		l := onServer(t, server, weir.PerHour(3), WithRefusalCache(age))
		for range 5 {
			must(l.Allow(ctx, key))(t)
		}
		if s := l.Stats(); s.Admitted != 3 || s.RefusedHere != 1 {
			t.Fatalf("%+v", s)
		}
		return l
	}
	admits := func(t *testing.T, l *Limiter, key string) {
		t.Helper()
		if d := must(l.Allow(ctx, key))(t); !d.Allowed {
			t.Errorf("%+v", d)
		}
	}
	t.Run("own Reset", func(t *testing.T) {
		l := exhausted(t, "a")
		if err := l.Reset(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		admits(t, l, "a")
	})
	t.Run("own Refund", func(t *testing.T) {
		l := exhausted(t, "b")
		if err := l.Refund(ctx, "b", 1); err != nil {
			t.Fatal(err)
		}
		admits(t, l, "b")
	})
	t.Run("own SetQuota", func(t *testing.T) {
		l := exhausted(t, "c")
		if err := l.SetQuota(weir.PerHour(4)); err != nil {
			t.Fatal(err)
		}
		admits(t, l, "c")
	})
	t.Run("Reset elsewhere", func(t *testing.T) {
		l := exhausted(t, "d")
		other := onServer(t, server, weir.PerHour(3))
		if err := other.Reset(ctx, "d"); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for !must(l.Allow(ctx, "d"))(t).Allowed {
			if time.Since(start) > age+time.Second {
				t.Fatal("not noticed")
			}
			time.Sleep(time.Millisecond)
		}
		if s := l.Stats(); s.RefusedHere < 2 {
			t.Errorf("it was not kept at all: %+v", s)
		}
	})
}

// A refusal that was on its way when the key was forgotten is not kept.
func TestForgetOvertakesRefusal(t *testing.T) {
	n := newNear(10)
	r := &refusal{until: time.Hour}
	asked := n.epoch("k").Load()
	n.forget("k")
	n.refused("k", r, asked, 0)
	if k, ok := n.keys.Load("k"); ok && k.refusal.Load() != nil {
		t.Error("kept")
	}
	n.refused("k", r, n.epoch("k").Load(), 0)
	if k, ok := n.keys.Load("k"); !ok || k.refusal.Load() != r {
		t.Error("not kept")
	}
	n.forget("k")
	if k, _ := n.keys.Load("k"); k.refusal.Load() != nil {
		t.Error("not forgotten")
	}
}

// The server decided between sent and received. What is refused here it would refuse
// too, however early it decided; what is told is enough, however late.
func TestRefusalCountsFromBothEnds(t *testing.T) {
	m := must(newMeter(weir.PerSecond(10)))(t) // 100 ms each, 1 s in all
	r := &refusal{meter: m, debtNanos: int64(time.Second), sent: 5 * time.Millisecond, received: 9 * time.Millisecond, until: time.Hour}
	for _, c := range []struct {
		now  time.Duration
		cost int64
		left time.Duration
		yes  bool
	}{
		{9 * time.Millisecond, 100_000, time.Second, true},
		{105*time.Millisecond - 1, 100_000, 904*time.Millisecond + 1, true},
		{105 * time.Millisecond, 100_000, 0, false},
		{105 * time.Millisecond, 200_000, 904 * time.Millisecond, true},
		{time.Hour - 1, 1_000_000, 0, false},
	} {
		left, yes := r.refuses(m, c.now, c.cost)
		if yes != c.yes || yes && time.Duration(left) != c.left {
			t.Errorf("at %v, cost %d: %v, %v; want %v, %v", c.now, c.cost, time.Duration(left), yes, c.left, c.yes)
		}
	}
	r.until = 50 * time.Millisecond
	if _, yes := r.refuses(m, r.until, 100_000); yes {
		t.Error("believed for too long")
	}
	if _, yes := r.refuses(must(newMeter(weir.PerSecond(10)))(t), 9*time.Millisecond, 100_000); yes {
		t.Error("believed under another quota")
	}
	if _, yes := (*refusal)(nil).refuses(m, 0, 1); yes {
		t.Error("nothing refuses")
	}
}

func TestNearIsBounded(t *testing.T) {
	n := newNear(2000)
	keep := func(i int, now, until time.Duration) {
		key := fmt.Sprint("key ", i)
		n.refused(key, &refusal{until: until}, n.epoch(key).Load(), now)
	}
	for i := range 5000 {
		keep(i, 1, time.Second)
	}
	if size := n.keys.Size(); size != 2000 {
		t.Fatalf("%d keys", size)
	}
	// Full of what still holds: the next sweep is due after a tenth of a second, and
	// finds nothing before a second.
	keep(6000, 500*time.Millisecond, time.Minute)
	if _, ok := n.keys.Load("key 6000"); ok {
		t.Error("there was no room")
	}
	keep(6001, 2*time.Second, time.Minute)
	if _, ok := n.keys.Load("key 6001"); !ok || n.keys.Size() != 1 {
		t.Errorf("%d keys", n.keys.Size())
	}
	long := string(make([]byte, maxNearKey+1))
	n.refused(long, &refusal{until: time.Hour}, n.epoch(long).Load(), 0)
	if _, ok := n.keys.Load(long); ok {
		t.Error("a long key was kept")
	}
}

// A flood of refused keys leaves no more than twice those that still hold.
func TestNearShrinks(t *testing.T) {
	n := newNear(1 << 16)
	for i := range 200_000 {
		now := time.Duration(i) * time.Millisecond
		key := fmt.Sprint(i)
		n.refused(key, &refusal{until: now + time.Second}, n.epoch(key).Load(), now)
	}
	if size := n.keys.Size(); size > 2001 {
		t.Errorf("%d keys, of which 1,000 hold", size)
	}
}

// A key may be a part of something large, which is not to be kept for it.
func TestNearKeepsNoMoreThanTheKey(t *testing.T) {
	n := newNear(10)
	key := string(make([]byte, 1<<16))[:8]
	n.refused(key, &refusal{until: time.Hour}, n.epoch(key).Load(), 0)
	n.keys.Range(func(kept string, _ *known) bool {
		if unsafe.StringData(kept) == unsafe.StringData(key) {
			t.Error("the caller's string is kept")
		}
		return true
	})
}

// Keys are kept, read, forgotten and swept by many at once.
func TestNearAtOnce(t *testing.T) {
	n, m := newNear(1000), must(newMeter(weir.PerSecond(1)))(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 20_000 {
				now := time.Duration(i) * time.Millisecond
				key := fmt.Sprint(i % 3000)
				switch i % 3 {
				case 0:
					n.forget(key)
				default:
					n.refused(key, &refusal{meter: m, until: now + time.Second}, n.epoch(key).Load(), now)
				}
				if k, ok := n.keys.Load(key); ok {
					k.refusal.Load().refuses(m, now, 1)
				}
			}
		})
	}
	wg.Wait()
	if size := n.keys.Size(); size > 1000+4 {
		t.Errorf("%d keys", size)
	}
}
