package weirredis_test

import (
	"context"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

// A clock that stands still shows what each step is worth, to the request. A step back
// forgives nothing and makes nobody wait longer; a step forward is time like any other.
func TestFaultClockSteps(t *testing.T) {
	server := startServer(t, redistest.Options{Clock: true})
	client := newClient(t, server.Addr())
	defer client.Close()
	l := newLimiter(t, client, faultQuota, weirredis.WithRefusalCache(0), weirredis.WithFallback(weirredis.Closed()), weirredis.WithTimeout(patience))
	defer l.Close(context.Background())
	for _, step := range []struct {
		by   time.Duration
		want int64
	}{
		{0, faultQuota.Burst},
		{-time.Hour, 0},
		{faultInterval, 1},
		{7*faultInterval + faultInterval/2, 7},
		{-time.Microsecond, 0},
		{faultInterval / 2, 1}, // the half that was left; the microsecond was not lost
		{-365 * 24 * time.Hour, 0},
		{time.Hour, faultQuota.Burst},
		{24 * time.Hour, faultQuota.Burst},
		{-25 * time.Hour, 0},
		{faultInterval - time.Microsecond, 0},
		{time.Microsecond, 1},
	} {
		server.Advance(step.by)
		if got := drain(t, l, "key"); got != step.want {
			t.Errorf("%d admitted after a step of %v, want %d", got, step.by, step.want)
		}
	}
}

// drain admits what it can, and returns how many requests that was.
func drain(t *testing.T, l *weirredis.Limiter, key string) (n int64) {
	t.Helper()
	for {
		d, err := l.Allow(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		if !d.Allowed {
			return n
		}
		n++
	}
}

// Under load, with leases: over a step back nothing more passes than by a clock that
// does not step, and a step forward forgives at most a burst.
func TestFaultClockStepsUnderLoad(t *testing.T) {
	for _, step := range []struct {
		name  string
		by    time.Duration
		loses int64
		opts  []weirredis.Option
	}{
		{"clock steps back 1 h", -time.Hour, 0, nil},
		{"clock steps forward 1 h", time.Hour, 1, nil},
		{"clock steps back 1 h, leases", -time.Hour, 0, []weirredis.Option{weirredis.WithLeases(20, 100*time.Millisecond)}},
		{"clock steps forward 1 h, leases", time.Hour, 1, []weirredis.Option{weirredis.WithLeases(20, 100*time.Millisecond)}},
	} {
		t.Run(step.name, func(t *testing.T) {
			server := startServer(t, redistest.Options{Clock: true})
			server.RunClock(0)
			fault{
				name: step.name, addrs: []string{server.Addr()}, clock: time.Now, opts: step.opts,
				timeout: patience, notice: never, loses: step.loses,
				do: func(s *scene) {
					server.Advance(step.by)
					s.broke()
					time.Sleep(300 * time.Millisecond)
					s.mend()
				},
			}.run(t)
		})
	}
}

// A lease is paid for by time. Where the server's clock shows less of it than its
// holder's, as after a step back, the holder's counts: those who were admitted from the
// lease meanwhile may be more than the server knows.
func TestFaultClockStepsBackUnderLease(t *testing.T) {
	server := startServer(t, redistest.Options{Clock: true})
	client := newClient(t, server.Addr())
	defer client.Close()
	const slept = 200 * time.Millisecond
	for _, c := range []struct {
		name        string
		interval    time.Duration
		least, most int64 // to be given back, of the 18 that are left
	}{
		{"paid for", time.Millisecond, 0, 0},
		{"paid for in part", 20 * time.Millisecond, 1, 11}, // 21 are owed, 10 of them are paid for
		{"not paid for", time.Hour, 18, 18},
	} {
		t.Run(c.name, func(t *testing.T) {
			quota := weir.Quota{Limit: 1, Period: c.interval, Burst: 100}
			parent := newParent(t, server, quota)
			l := newLimiter(t, client, quota, weirredis.WithLeases(20, time.Minute), weirredis.WithTimeout(patience))
			if got := admit(t, l, c.name, 3); got != 3 || l.Stats().Leases != 1 {
				t.Fatalf("%d admitted, %+v, want 3 and a lease", got, l.Stats())
			}
			before := remaining(t, parent, c.name)
			server.Advance(-time.Hour)
			time.Sleep(slept)
			if err := l.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
			if got := remaining(t, parent, c.name) - before; got < c.least || got > c.most {
				t.Errorf("%d were given back, want %d to %d", got, c.least, c.most)
			}
		})
	}
}

func remaining(t *testing.T, l *weirredis.Limiter, key string) int64 {
	t.Helper()
	d, err := l.Peek(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	return d.Remaining
}
