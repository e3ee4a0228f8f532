package weirredis

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// What Wait has in common with that of weir.Limiter is tested by package conformance.

// A place that comes after its caller could not wait any more is given back.
func TestLatePlaceIsGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	proxy := redistest.StartProxy(t, server.Addr())
	l, err := New(connect(t, proxy.Addr()), weir.PerHour(10), WithTimeout(10*time.Second), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	must(l.Allow(ctx, "k"))(t)
	proxy.SetDelay(100 * time.Millisecond)
	hasty, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	if err := l.Wait(hasty, "k", 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	other := onServer(t, server, weir.PerHour(10))
	taken := false
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		n := must(other.Peek(ctx, "k"))(t).Remaining
		taken = taken || n == 6
		if taken && n == 9 {
			break
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d remain, taken: %v", n, taken)
		}
	}
}

// Who leaves makes room at once, also for those whom this process has refused.
func TestLeavingIsNoticed(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	l := onServer(t, redistest.Start(t, redistest.Options{}), weir.PerHour(3))
	must(l.AllowN(ctx, "k", 2))(t)
	waiting, cancel := context.WithCancel(ctx)
	left := make(chan error)
	go func() { left <- l.Wait(waiting, "k", 3) }()
	for must(l.Peek(ctx, "k"))(t).Allowed {
		time.Sleep(time.Millisecond)
	}
	if d := must(l.Allow(ctx, "k"))(t); d.Allowed {
		t.Errorf("%+v", d)
	}
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if d := must(l.Allow(ctx, "k"))(t); !d.Allowed {
		t.Errorf("%+v", d)
	}
}

// After a Reset a key may come to stand where a place had left it, with others behind:
// so such a place is not given back.
func TestPlaceFromBeforeResetIsNotGivenBack(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true}) // so it stands at the very same microsecond
	l := onServer(t, server, weir.PerHour(3), WithRefusalCache(0))
	must(l.AllowN(ctx, "k", 3))(t)
	waiting, cancel := context.WithCancel(ctx)
	left := make(chan error)
	go func() { left <- l.Wait(waiting, "k", 1) }()
	for must(l.Peek(ctx, "k"))(t).ResetAfter != 80*time.Minute {
		time.Sleep(time.Millisecond)
	}
	if err := l.Reset(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	must(l.AllowN(ctx, "k", 3))(t)
	behind, stop := context.WithCancel(ctx)
	go func() { left <- l.Wait(behind, "k", 1) }()
	for must(l.Peek(ctx, "k"))(t).ResetAfter != 80*time.Minute {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-left
	if d := must(l.Peek(ctx, "k"))(t); d.ResetAfter != 80*time.Minute {
		t.Errorf("%+v", d)
	}
	stop()
	<-left
}
