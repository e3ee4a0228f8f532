package weirredis_test

import (
	"cmp"
	"runtime"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
)

const (
	faultTimeout = 50 * time.Millisecond
	faultRetry   = 20 * time.Millisecond // to the first probe; the tenfold at most from one to the next
	slack        = 4                     // a call may take that many timeouts: tests run on busy machines
	recoverySoon = 2 * time.Second       // ten times the longest pause of the probes
	callersMany  = 2000                  // twice as many as the client's queue of a connection holds
)

// faultQuota is of each key. The interval is 10 ms, and a burst takes 2 s to earn: longer
// than most faults, so that what is forgotten meanwhile shows.
var faultQuota = weir.Quota{Limit: 100, Period: time.Second, Burst: 200}

const faultInterval = 10 * time.Millisecond

// A fault is what a test does to a server, and what it expects of two crowds of callers
// meanwhile: a few under Closed, and many under Local.
type fault struct {
	name    string
	addrs   []string              // that the clients connect to
	clock   func() time.Time      // of the server, which must be up
	timeout time.Duration         // of the callers; 0: faultTimeout
	opts    []weirredis.Option    // of the callers, too
	keys    [2]func(i int) string // of each crowd: names of its keys; nil: any
	many    int                   // callers under Local; 0: callersMany
	spread  int                   // keys of these; 0: 16
	do      func(s *scene)        // breaks, and mends
	after   func(s *scene)        // further checks, while the clients are still there

	notice notice
	loses  int64 // how often the server forgets everything
	maybe  bool  // that it does
}

// notice is whether the callers notice a fault.
type notice int

const (
	outage  notice = iota // the limiters stop to ask the server for a while
	errands               // the fallback decides for some at least
	perhaps
	never
)

func (f fault) patience() time.Duration { return cmp.Or(f.timeout, faultTimeout) }

// crowds are the numbers of callers.
func (f fault) crowds() [2]int { return [2]int{16, cmp.Or(f.many, callersMany)} }

// A scene is a fault that goes on.
type scene struct {
	*testing.T
	closed, local *crowd
	broken        time.Time // when it was
	mended        time.Time
	stall         time.Duration // the longest that a goroutine was kept waiting for a processor
}

// broke notes that it is broken now, and has all callers ask at once.
func (s *scene) broke() {
	s.broken = time.Now()
	s.closed.rush()
	s.local.rush()
}

// mend notes that it is mended now.
func (s *scene) mend() { s.mended = time.Now() }

// run has the callers ask before, while and after something is broken.
func (f fault) run(t *testing.T) {
	t.Helper()
	goroutines := runtime.NumGoroutine()
	s := &scene{T: t}
	stalled := watchStalls()
	s.closed = newCrowd(t, f, 0, weirredis.Closed())
	s.local = newCrowd(t, f, 1, weirredis.Local(1))
	before := f.clock()
	s.closed.start(f.crowds()[0], 2*time.Millisecond)
	s.local.start(f.crowds()[1], 250*time.Millisecond)
	time.Sleep(400 * time.Millisecond)
	f.do(s)
	if s.broken.IsZero() || s.mended.IsZero() {
		t.Fatalf("%s: it was not broken and mended", f.name)
	}
	recovery := [2]time.Duration{s.closed.recovered(s.mended), s.local.recovered(s.mended)}
	time.Sleep(300 * time.Millisecond)
	for _, c := range []*crowd{s.closed, s.local} {
		c.stop()
	}
	s.stall = stalled()
	elapsed := f.clock().Sub(before)
	for i, c := range []*crowd{s.closed, s.local} {
		o := c.outcome(f.name, elapsed, recovery[i])
		o.log(t)
		f.check(s, c, o)
	}
	if f.after != nil {
		f.after(s)
	}
	s.closed.close()
	s.local.close()
	settle(t, goroutines)
}

// watchStalls watches how late this machine runs what is due, by a goroutine that sleeps
// for a millisecond at a time, until the function that it returns is called.
func watchStalls() (longest func() time.Duration) {
	stop, told := make(chan struct{}), make(chan time.Duration)
	go func() {
		var most time.Duration
		for {
			began := time.Now()
			select {
			case <-stop:
				told <- most
				return
			case <-time.After(time.Millisecond):
				most = max(most, time.Since(began)-time.Millisecond)
			}
		}
	}()
	return func() time.Duration {
		close(stop)
		return <-told
	}
}

// check asserts what holds for every fault.
func (f fault) check(s *scene, c *crowd, o outcome) {
	t, stats := s.T, c.limiter.Stats()
	t.Helper()
	if stats.Admitted != o.admitted || stats.Admitted+stats.Refused != o.requests {
		t.Errorf("%s: Stats %+v, want %d admitted of %d", o, stats, o.admitted, o.requests)
	}
	if !stats.Up() || stats.Uncharged != 0 {
		t.Errorf("%s: Stats %+v, want Up and nothing uncharged", o, stats)
	}
	if limit := slack * (f.patience() + s.stall); o.longest > limit {
		t.Errorf("%s: a call took %v, want at most %v; the machine itself stalled for %v", o, o.longest, limit, s.stall)
	}
	if o.recovery > recoverySoon {
		t.Errorf("%s: %v to recover, want at most %v", o, o.recovery, recoverySoon)
	}
	c.health.check(t, o.String())
	downs := c.health.downs()
	if f.notice == never && (o.fellBack != 0 || downs != 0) {
		t.Errorf("%s: %d decisions by the fallback, %d outages, want none", o, o.fellBack, downs)
	}
	if f.notice <= errands && o.fellBack == 0 || f.notice == outage && downs == 0 {
		t.Errorf("%s: %d decisions by the fallback, %d outages, want some: nothing was broken", o, o.fellBack, downs)
	}
	c.checkAdmission(s, f, o)
}

// checkAdmission asserts how many were admitted. Each loss forgives each key its debt,
// which was at most a burst. Under Closed nothing else may pass; under Local what
// weirredis.Local promises may: MaxIn of the quota in each outage.
func (c *crowd) checkAdmission(s *scene, f fault, o outcome) {
	t := s.T
	t.Helper()
	keys := int64(len(c.keys))
	bound := f.loses * keys * faultQuota.Burst
	switch c.policy {
	case weirredis.Closed():
		if o.errors != o.fellBack {
			t.Errorf("%s: %d errors, want one for each decision by the fallback", o, o.errors)
		}
		if f.loses > 0 && !f.maybe && o.over == 0 {
			t.Errorf("%s: nothing was admitted a second time: was anything lost?", o)
		}
	case weirredis.Local(1):
		if o.errors != 0 {
			t.Errorf("%s: %d errors, want none", o, o.errors)
		}
		outages := max(c.health.downs(), 1)
		earned := int64(c.health.lastUp(s.mended).Sub(s.broken) / faultInterval)
		if o.fellBack > 0 {
			bound += keys * (outages*faultQuota.Burst + earned)
		}
	}
	if o.over > bound {
		t.Errorf("%s: %d over, want at most %d", o, o.over, bound)
	}
	if floor := o.allowed / 8; o.admitted < floor {
		t.Errorf("%s: admitted, want at least %d: there was no load", o, floor)
	}
}

// An outcome is what came of a fault for one crowd.
type outcome struct {
	fault, who                 string
	requests, errors, fellBack int64
	admitted, allowed, over    int64
	longest, recovery          time.Duration
}

func (o outcome) String() string { return o.fault + " (" + o.who + ")" }

func (o outcome) log(t *testing.T) {
	t.Helper()
	t.Logf("%-46s requests %6d | errors %5d | by the fallback %6d | admitted %6d | allowed by quota %6d | over-admission %5d | longest call %4d ms | time to recover %4d ms",
		o, o.requests, o.errors, o.fellBack, o.admitted, o.allowed, o.over, o.longest.Milliseconds(), o.recovery.Milliseconds())
}
