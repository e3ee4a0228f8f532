package weirredis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// A probe writes, and leaves the key as it was: its debt, the price that it is counted
// in, and its expiry.
func TestProbeLeavesTheKeyAsItWas(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(5), WithRefusalCache(0))
	must(l.AllowN(ctx, "k", 5))(t)
	server.Advance(time.Minute)
	value, expiry := server.Do("GET", "weir:k"), server.Do("PEXPIRETIME", "weir:k")
	writes := func() string {
		return must(server.Info("stats"))(t)["total_writes_processed"] + must(server.Info("persistence"))(t)["rdb_changes_since_last_save"]
	}
	before := writes()
	for _, name := range []string{"weir:k", "weir:none"} {
		if answer, _ := l.server.call(ctx, probe(name), nil); answer.err != nil {
			t.Error(answer.err)
		}
	}
	if writes() == before {
		t.Error("it has written nothing")
	}
	if server.Do("GET", "weir:k") != value || server.Do("PEXPIRETIME", "weir:k") != expiry {
		t.Error("the key has changed")
	}
	if d := must(l.Allow(ctx, "k"))(t); d.RetryAfter != 11*time.Minute {
		t.Errorf("%+v", d)
	}
	if d := must(l.Peek(ctx, "none"))(t); d.Remaining != 5 {
		t.Errorf("%+v", d)
	}
	server.Advance(2 * time.Millisecond)
	if n := server.Do("EXISTS", "weir:none"); n != int64(0) {
		t.Error("the probe is still there")
	}
}

// A connection that breaks under many callers is one failure, not one for each. (The
// client has four connections, and may notice of each by itself.)
func TestOneCutIsOneFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	l, err := New(connect(t, proxy.Addr()), weir.PerHour(1000), WithTimeout(5*time.Second), WithBreaker(6, time.Hour), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(context.Background())
	must(l.Allow(context.Background(), "k"))(t)
	proxy.SetDelay(200 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() { l.Allow(context.Background(), fmt.Sprint("key ", i)) })
	}
	time.Sleep(100 * time.Millisecond) // all are under way
	proxy.Sever()
	wg.Wait()
	proxy.SetDelay(0)
	if s := l.Stats(); !s.Up() || s.Failures < 12 {
		t.Errorf("%+v", s)
	}
	for tries := 0; ; tries++ {
		if d, err := l.Allow(context.Background(), "k"); err == nil && d.Allowed {
			break
		} else if tries == 4 {
			t.Fatalf("%+v, %v", d, err)
		}
	}
}

// What counts as a failure of the server, and how often.
func TestFailuresThatCount(t *testing.T) {
	c := must(newConfig([]Option{WithBreaker(4, time.Hour)}))(t)
	s := newServer(idleClient{}, c)
	defer s.close(context.Background())
	b := &s.breakers[0]
	sent := func() *batch { return &batch{sent: s.now()} }
	counted := func(when string, want int64) {
		t.Helper()
		if n := b.failures.Load(); n != want {
			t.Errorf("%s: %d failures, want %d", when, n, want)
		}
	}
	cut := []*batch{sent(), sent(), sent()}
	for _, underWay := range cut {
		s.failed(b, underWay, "weir:k", errors.New("EOF"))
	}
	counted("a connection that breaks under three batches", 1)
	s.failed(b, sent(), "weir:k", errors.New("refused"))
	counted("a batch that was sent later", 2)
	late := sent()
	for range 10 {
		s.failed(b, late, "weir:k", context.DeadlineExceeded)
	}
	counted("a timeout of a batch of ten", 3)
	if !s.up(0) {
		t.Error("it is open already")
	}
	s.failed(b, sent(), "weir:k", context.DeadlineExceeded)
	if s.up(0) {
		t.Error("four in a row have not opened it")
	}
}

// One that the caller's context ends is no failure of the server, and is counted like
// any other: clients that hang up get nothing beside the quota.
func TestCancellationIsNotLookedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	l, err := New(connect(t, redistest.Start(t, redistest.Options{}).Addr()), weir.PerHour(50), WithTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	admitted := 0
	for range 200 {
		if must(l.Allow(cancelled, "k"))(t).Allowed {
			admitted++
		}
	}
	if s := l.Stats(); admitted != 50 || s.FellBack != 0 || s.Failures != 0 {
		t.Errorf("%d admitted, %+v", admitted, s)
	}
	// A deadline that is over is another matter: there is no time to ask.
	late, cancel := context.WithTimeout(context.Background(), -1)
	defer cancel()
	if d := must(l.Allow(late, "other"))(t); !d.Allowed || l.Stats().FellBack != 1 {
		t.Errorf("%+v, %+v", d, l.Stats())
	}
}

// A key that the server will not charge, because something else is in its place, keeps
// no other from being charged, and no breaker open.
func TestForeignValueKeepsNoBreakerOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l, err := New(connect(t, server.Addr()), weir.PerHour(20), WithTimeout(100*time.Millisecond), WithBreaker(1, 10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	server.Do("SET", "weir:bad", "hello")
	must(l.Allow(ctx, "good"))(t)
	server.Pause()
	for l.Stats().Up() {
		l.Allow(ctx, "good")
		l.Allow(ctx, "bad")
	}
	for range 5 {
		l.Allow(ctx, "good")
		l.Allow(ctx, "bad")
	}
	server.Resume()
	for start := time.Now(); !l.Stats().Up() || l.Stats().Charged == 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%+v", l.Stats())
		}
	}
	if s := l.Stats(); s.Charged < 5 || s.Uncharged < 5 {
		t.Errorf("%+v", s)
	}
}

// What time has paid for meanwhile is not charged.
func TestEarnedBackIsNotCharged(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l, err := New(connect(t, server.Addr()), weir.Quota{Limit: 1000, Period: time.Second, Burst: 10}, WithTimeout(time.Second), WithBreaker(1, 10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	server.Kill()
	for range 10 {
		must(l.Allow(ctx, "k"))(t)
	}
	if s := l.Stats(); s.Up() || s.FellBack != 10 || s.Admitted != 10 {
		t.Fatalf("%+v", s)
	}
	time.Sleep(20 * time.Millisecond) // twice as long as it takes to earn them
	server.Restart()
	for start := time.Now(); !l.Stats().Up(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%+v", l.Stats())
		}
	}
	if s := l.Stats(); s.Charged != 0 {
		t.Errorf("%+v", s)
	}
	if _, owed := l.local.owed.Load("k"); owed {
		t.Error("it is still to be charged")
	}
}

// A share that is smaller than the cost says when to ask again, not never.
func TestLocalShareSmallerThanTheCost(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l, err := New(connect(t, server.Addr()), weir.PerHour(100), WithTimeout(100*time.Millisecond), WithFallback(Local(10)), WithBreaker(1, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(ctx)
	server.Kill()
	l.Allow(ctx, "k")
	if d, err := l.AllowN(ctx, "k", 20); err != nil || d.Allowed || d.RetryAfter == weir.Never || d.RetryAfter <= 0 {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := l.AllowN(ctx, "k", 101); err != nil || d.RetryAfter != weir.Never {
		t.Errorf("%+v, %v", d, err)
	}
	var unavailable *UnavailableError
	if err := l.Wait(ctx, "k", 20); !errors.As(err, &unavailable) {
		t.Error(err)
	}
}
