package weirredis_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

// hourly earns nothing while a test lasts.
var hourly = weir.Quota{Limit: 10, Period: time.Hour}

// What Local admits during an outage is its share, and is owed on return.
func TestFallbackLocalIsCharged(t *testing.T) {
	server := startServer(t, redistest.Options{Clock: true, Persist: true})
	for name, c := range map[string]struct {
		processes int
		before    int64 // requests
		during    int64 // requests
		local     int64 // of those, admitted
		remaining int64 // on the server at last
	}{
		"one process":               {1, 3, 4, 4, 3},
		"one of four":               {4, 3, 4, 2, 5}, // a burst of 10/4
		"one of more than a burst":  {40, 0, 4, 1, 9},
		"more than the server left": {1, 8, 12, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t, server.Addr())
			defer client.Close()
			health := &healthLog{}
			opts := []weirredis.Option{
				weirredis.WithPrefix(name + ":"), weirredis.WithTimeout(patience), weirredis.WithBreaker(1, faultRetry),
				weirredis.WithFallback(weirredis.Local(c.processes)), weirredis.WithOnHealth(func(h weirredis.Health) { health.add(h, 0) }),
			}
			l := newLimiter(t, client, hourly, opts...)
			defer l.Close(context.Background())
			if got := admit(t, l, "key", c.before); got != c.before {
				t.Fatalf("%d admitted by the server, want %d", got, c.before)
			}
			server.Kill()
			if got := admit(t, l, "key", c.during); got != c.local {
				t.Errorf("%d admitted during the outage, want %d", got, c.local)
			}
			if s := l.Stats(); s.FellBack != c.during || s.Up() {
				t.Errorf("Stats %+v, want %d decided by the fallback, and not up", s, c.during)
			}
			server.Restart()
			eventually(t, "the limiter is up", 5*time.Second, func() bool { return health.up() && l.Stats().Up() && health.downs() > 0 })
			if s := l.Stats(); s.Charged != c.local || s.Uncharged != 0 {
				t.Errorf("Stats %+v, want %d charged", s, c.local)
			}
			// Another process asks the server.
			other := newLimiter(t, client, hourly, weirredis.WithPrefix(name+":"), weirredis.WithFallback(weirredis.Closed()))
			var d weir.Decision
			eventually(t, "the server answers", 5*time.Second, func() (ok bool) {
				var err error
				d, err = other.Peek(context.Background(), "key") // on a connection that may be dead still
				return err == nil
			})
			if d.Remaining != c.remaining {
				t.Errorf("%+v on the server, want %d remaining", d, c.remaining)
			}
			// Beyond the burst, what is owed is owed still.
			if owed := time.Duration(c.before+c.local) * (hourly.Period / 10); d.ResetAfter != owed {
				t.Errorf("ResetAfter %v, want %v", d.ResetAfter, owed)
			}
			// What has been charged is not charged again after the next outage.
			server.Kill()
			again := admit(t, l, "key", 1)
			server.Restart()
			eventually(t, "the limiter is up again", 5*time.Second, func() bool { return health.downs() == 2 && health.up() && l.Stats().Up() })
			if s := l.Stats(); s.Charged != c.local+again {
				t.Errorf("Stats %+v after another outage, want %d charged", s, c.local+again)
			}
			health.check(t, name)
		})
	}
}

func admit(t *testing.T, l *weirredis.Limiter, key string, requests int64) (admitted int64) {
	t.Helper()
	for range requests {
		d, err := l.Allow(context.Background(), key)
		if err != nil {
			t.Error(err)
		}
		if d.Allowed {
			admitted++
		}
	}
	return admitted
}

// While the debts are charged, requests go on to be decided here. The keys that have
// been charged already must not get a second burst.
func TestFallbackLocalAdmitsOneBurstAnOutage(t *testing.T) {
	server := startServer(t, redistest.Options{Persist: true})
	proxy := redistest.StartProxy(t, server.Addr())
	client := newClient(t, proxy.Addr())
	defer client.Close()
	health := &healthLog{}
	l := newLimiter(t, client, hourly, weirredis.WithTimeout(patience), weirredis.WithBreaker(1, faultRetry),
		weirredis.WithOnHealth(func(h weirredis.Health) { health.add(h, 0) }))
	defer l.Close(context.Background())
	proxy.Refuse()
	proxy.Sever()
	if d, err := l.Allow(context.Background(), "any"); err != nil || !d.Allowed || l.Stats().FellBack != 1 {
		t.Fatalf("%+v, %v, %+v; want the fallback to admit it", d, err, l.Stats())
	}
	const keys = 300
	var admitted [keys]atomic.Int64
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-ended:
					return
				default:
				}
				if d, err := l.Allow(context.Background(), keyOf(i%keys)); err != nil {
					t.Error(err)
				} else if d.Allowed {
					admitted[i%keys].Add(1)
				}
				if i%keys == 0 {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	time.Sleep(200 * time.Millisecond) // all have spent their burst
	proxy.Heal()
	eventually(t, "the limiter is up", 5*time.Second, func() bool { return health.up() && l.Stats().Up() })
	time.Sleep(100 * time.Millisecond)
	close(ended)
	wg.Wait()
	var over, most int64
	for i := range admitted {
		n := admitted[i].Load()
		over += max(n-hourly.Limit, 0)
		most = max(most, n)
	}
	if most != hourly.Limit {
		t.Errorf("up to %d of a key were admitted, %d too many in all, want %d of each: %+v", most, over, hourly.Limit, l.Stats())
	}
}

func keyOf(i int) string { return string(rune('A'+i/26)) + string(rune('a'+i%26)) }

// Open admits all and Closed none, while nobody can be asked; both without a word to
// the server.
func TestFallbackOpenAndClosed(t *testing.T) {
	server := startServer(t, redistest.Options{Persist: true})
	client := newClient(t, server.Addr())
	defer client.Close()
	ctx := context.Background()
	opts := []weirredis.Option{weirredis.WithTimeout(faultTimeout), weirredis.WithBreaker(1, time.Minute)}
	open := newLimiter(t, client, hourly, append(opts, weirredis.WithFallback(weirredis.Open()))...)
	defer open.Close(ctx)
	closed := newLimiter(t, client, hourly, append(opts, weirredis.WithFallback(weirredis.Closed()))...)
	defer closed.Close(ctx)
	admit(t, open, "key", 10)
	if n := admit(t, closed, "key", 1); n != 0 {
		t.Fatal("the burst is not spent")
	}
	server.Kill()
	for range 30 {
		if d, err := open.Allow(ctx, "key"); err != nil || !d.Allowed || d.Limit != hourly.Limit {
			t.Fatalf("open: %+v, %v, want it admitted", d, err)
		}
	}
	if d, err := open.Peek(ctx, "key"); err != nil || !d.Allowed {
		t.Errorf("open: Peek: %+v, %v, want it admitted", d, err)
	}
	if err := open.Wait(ctx, "key", 1); err != nil {
		t.Errorf("open: Wait: %v", err)
	}
	for name, ask := range map[string]func() (weir.Decision, error){
		"Allow": func() (weir.Decision, error) { return closed.Allow(ctx, "other") },
		"Peek":  func() (weir.Decision, error) { return closed.Peek(ctx, "other") },
	} {
		d, err := ask()
		var unavailable *weirredis.UnavailableError
		if !errors.As(err, &unavailable) || unavailable.RetryAfter <= 0 || unavailable.Err == nil || d.Allowed || d.RetryAfter <= 0 {
			t.Errorf("closed: %s: %+v, %v, want it refused with an UnavailableError and when to retry", name, d, err)
		}
	}
	for name, err := range map[string]error{
		"closed: Wait": closed.Wait(ctx, "other", 1), "closed: Refund": closed.Refund(ctx, "other", 1),
		"closed: Reset": closed.Reset(ctx, "other"), "open: Reset": open.Reset(ctx, "other"),
	} {
		if unavailable := (*weirredis.UnavailableError)(nil); !errors.As(err, &unavailable) {
			t.Errorf("%s: %v, want an UnavailableError", name, err)
		}
	}
	for _, l := range []*weirredis.Limiter{open, closed} {
		// One failure opened the breaker; since then nobody was asked.
		if s := l.Stats(); s.Failures != 1 || s.Up() {
			t.Errorf("Stats %+v, want one failure, and not up", s)
		}
	}
}

// The hook is told each change once, and in the order in which they came about, also
// when they come about faster than it listens.
func TestHealthIsToldInOrder(t *testing.T) {
	server := startServer(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	client := newClient(t, proxy.Addr())
	defer client.Close()
	health := &healthLog{}
	l := newLimiter(t, client, faultQuota, weirredis.WithBreaker(1, 500*time.Microsecond), weirredis.WithTimeout(faultTimeout),
		weirredis.WithRefusalCache(0), weirredis.WithOnHealth(func(h weirredis.Health) {
			health.add(h, 0)
			time.Sleep(100 * time.Microsecond)
		}))
	var wg sync.WaitGroup
	ended := make(chan struct{})
	for range 64 {
		wg.Go(func() {
			for {
				select {
				case <-ended:
					return
				case <-time.After(200 * time.Microsecond):
					l.Allow(context.Background(), "key")
				}
			}
		})
	}
	eventually(t, "50 outages", 20*time.Second, func() bool {
		proxy.CutMidReply()
		time.Sleep(rand.N(10 * time.Millisecond))
		return health.downs() >= 50
	})
	close(ended)
	wg.Wait()
	proxy.Heal()
	eventually(t, "the limiter is up, and that is told", 5*time.Second, func() bool { return l.Stats().Up() && health.up() })
	health.check(t, "flapping")
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// While the server is gone it is asked by probes only, and when it is back it is asked
// no more often than there are requests.
func TestNoStampede(t *testing.T) {
	server := startServer(t, redistest.Options{Persist: true})
	f := fault{name: "stampede", addrs: []string{server.Addr()}, clock: clockOf(server)}
	c := newCrowd(t, f, 1, weirredis.Local(1))
	c.start(callersMany, 250*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	server.Kill()
	killed := time.Now()
	c.rush()
	eventually(t, "the limiter is down", time.Second, func() bool { return c.health.downs() == 1 })
	time.Sleep(faultTimeout) // calls under way have ended
	before := c.limiter.Stats()
	time.Sleep(time.Second)
	asked, probes := c.limiter.Stats().FellBack-before.FellBack, c.limiter.Stats().Calls-before.Calls
	// Pauses of 20, 40, 80, 160 and then 200 ms, each at least half of that.
	if limit := int64(4 + time.Since(killed)/(10*faultRetry/2)); probes < 1 || probes > limit {
		t.Errorf("%d calls in the second of outage, want 1 to %d", probes, limit)
	}

	server.Restart()
	// Its account begins anew: all that it is asked for is since its return.
	for !c.limiter.Stats().Up() {
		time.Sleep(time.Millisecond)
	}
	requests := c.requests.Load()
	time.Sleep(100 * time.Millisecond)
	scripts, unknown := scriptCalls(t, server), errorReplies(t, server, "NOSCRIPT")
	requests = c.requests.Load() - requests
	// A probe, the charges of the keys, and then at most a call for a request.
	limit := requests + 2 + 2*int64(len(c.keys))
	t.Logf("2000 callers: %d calls in the outage for %d requests; in the first 100 ms after return %d calls (%d of unknown scripts) for %d requests", probes, asked, scripts, unknown, requests)
	if scripts-unknown > limit || unknown > limit/2 {
		t.Errorf("the server was asked for %d scripts, %d of them unknown, in the first 100 ms, want at most %d", scripts, unknown, limit)
	}
	if asked < 1000 || requests < 100 {
		t.Errorf("%d requests in the outage and %d after: there was no load", asked, requests)
	}
	c.stop()
	c.close()
}

// A caller waits no longer because others have waited: neither for the lease that
// another one is fetching, nor for his own after that.
func TestLeaseWaitsOneTimeout(t *testing.T) {
	server := startServer(t, redistest.Options{})
	client := newClient(t, server.Addr())
	defer client.Close()
	const timeout = 400 * time.Millisecond
	l := newLimiter(t, client, faultQuota, weirredis.WithTimeout(timeout), weirredis.WithBreaker(100, faultRetry),
		weirredis.WithRefusalCache(0), weirredis.WithLeases(2, 10*time.Second))
	admit(t, l, "key", 4) // it is hot
	server.Pause()
	defer server.Resume()
	var longest atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		time.Sleep(timeout / 20) // the second waits for the first, who asks
		wg.Go(func() {
			began := time.Now()
			if _, err := l.AllowN(context.Background(), "key", 2); err != nil {
				t.Error(err)
			}
			storeMax(&longest, int64(time.Since(began)))
		})
	}
	wg.Wait()
	if took := time.Duration(longest.Load()); took > timeout*3/2 {
		t.Errorf("a call took %v with a timeout of %v", took, timeout)
	}
	server.Resume()
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
