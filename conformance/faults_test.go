package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
)

// A fault is a limiter that is wrong on purpose, and the checks that must say so.
// The faults are in the files named after the groups of checks.
type fault struct {
	what   string
	spoil  func(w *wrong)
	checks []string
}

// wrong is a right limiter, but for the fields that a fault sets.
type wrong struct {
	l    *weir.Limiter
	q    weir.Quota
	opts []weir.Option
	live bool

	quota    func(q weir.Quota) weir.Quota              // of New and SetQuota
	decision func(d *weir.Decision)                     // of AllowN and Peek
	allow    func(key string, n int64) weir.Decision    // AllowN, and Peek if n is 0
	refund   func(key string, n int64)                  // Refund
	reset    func(key string)                           // Reset
	key      func(key string) string                    // what all methods make of a key
	setQuota func(q weir.Quota) error                   // SetQuota
	wait     func(context.Context, string, int64) error // Wait
	err      func() error                               // of every method

	mu   sync.Mutex
	seen map[string]bool // keys asked for, for faults of SetQuota
}

func (w *wrong) AllowN(_ context.Context, key string, n int64) (d weir.Decision, err error) {
	key = w.note(key)
	if w.err != nil {
		if err := w.err(); err != nil {
			return d, err
		}
	}
	if w.allow != nil {
		d = w.allow(key, n)
	} else {
		d = w.l.AllowN(key, n)
	}
	if w.decision != nil {
		w.decision(&d)
	}
	return d, nil
}

func (w *wrong) Peek(_ context.Context, key string) (weir.Decision, error) {
	d := w.l.Peek(w.note(key))
	if w.decision != nil {
		w.decision(&d)
	}
	return d, nil
}

func (w *wrong) Refund(_ context.Context, key string, n int64) error {
	key = w.note(key)
	if w.refund != nil {
		w.refund(key, n)
	} else {
		w.l.Refund(key, n)
	}
	return nil
}

func (w *wrong) Reset(_ context.Context, key string) error {
	key = w.note(key)
	if w.reset != nil {
		w.reset(key)
	} else {
		w.l.Reset(key)
	}
	return nil
}

func (w *wrong) Wait(ctx context.Context, key string, n int64) error {
	key = w.note(key)
	if w.wait != nil {
		return w.wait(ctx, key, n)
	}
	return w.l.Wait(ctx, key, n)
}

func (w *wrong) SetQuota(q weir.Quota) error {
	if w.setQuota != nil {
		return w.setQuota(q)
	}
	if w.quota != nil {
		q = w.quota(q)
	}
	return w.l.SetQuota(q)
}

func (w *wrong) note(key string) string {
	if w.key != nil {
		key = w.key(key)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[key] = true
	return key
}

// each calls f with every key asked for so far.
func (w *wrong) each(f func(key string)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.seen {
		f(key)
	}
}

// force spends n whether it is admitted or not.
func (w *wrong) force(key string, n int64) weir.Decision {
	d := w.l.AllowN(key, n)
	if !d.Allowed && d.RetryAfter != weir.Never {
		return w.l.AllowAt(w.l.Now()+d.RetryAfter, key, n)
	}
	return d
}

// backend makes limiters with the fault.
func (f fault) backend() Backend {
	make := func(tb testing.TB, q weir.Quota, opts ...weir.Option) *wrong {
		w := &wrong{seen: map[string]bool{}, q: q, opts: opts, live: opts == nil}
		f.spoil(w)
		if w.quota != nil {
			q = w.quota(q)
		}
		w.l = newWeir(tb, q, w.opts...)
		return w
	}
	return Backend{
		New: func(tb testing.TB, q weir.Quota) (Limiter, Clock) {
			c := new(handClock)
			return make(tb, q, weir.WithClock(c.now)), c
		},
		NewLive:    func(tb testing.TB, q weir.Quota) Limiter { return make(tb, q) },
		Resolution: 1,
	}
}

// A recorder catches what a check reports.
type recorder struct {
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// failures runs a check and returns what it reports.
func failures(t *testing.T, c check, b Backend) []string {
	r := new(recorder)
	run := func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.run(&env{reporter: r, ctx: t.Context(), tb: t, backend: b})
		}()
		<-done
	}
	if c.name == realTimeName {
		run(t)
	} else { // what sleeps takes no time there
		synctest.Test(t, func(t *testing.T) {
			run(t)
			time.Sleep(time.Hour) // until those that a fault has left asleep are through
		})
	}
	return r.failures
}

const realTimeName = "many callers in real time are admitted what the quota allows"

func byName(t *testing.T, name string) check {
	t.Helper()
	for _, g := range groups {
		for _, c := range g.checks {
			if c.name == name {
				return c
			}
		}
	}
	t.Fatalf("there is no check %q", name)
	return check{}
}

var faults = [][]fault{decidingFaults, backFaults, quotaFaults, waitingFaults, contentionFaults}

// Every fault is found by the checks that are meant for it.
func TestFaultsAreFound(t *testing.T) {
	for _, group := range faults {
		for _, f := range group {
			t.Run(f.what, func(t *testing.T) {
				for _, name := range f.checks {
					found := failures(t, byName(t, name), f.backend())
					if len(found) == 0 {
						t.Errorf("not found by %q", name)
					} else {
						t.Logf("%s: %s", name, found[0])
					}
				}
			})
		}
	}
}

// Every check finds some fault, and finds none where there is none, in a bubble either.
func TestEveryCheckFindsAFault(t *testing.T) {
	finds := map[string]bool{}
	for _, group := range faults {
		for _, f := range group {
			for _, name := range f.checks {
				finds[name] = true
			}
		}
	}
	right := fault{spoil: func(*wrong) {}}.backend()
	for _, g := range groups {
		for _, c := range g.checks {
			if !finds[c.name] {
				t.Errorf("%s: %q finds no fault", g.name, c.name)
			}
			if found := failures(t, c, right); len(found) > 0 {
				t.Errorf("%s: %q finds a fault where there is none: %s", g.name, c.name, found)
			}
		}
	}
}

// An error that is not part of the contract fails the check, and is in its message.
func TestErrorsAreReported(t *testing.T) {
	var calls atomic.Int64
	f := fault{spoil: func(w *wrong) {
		w.err = func() error {
			if calls.Add(1) > 20 {
				return errors.New("the server has gone away")
			}
			return nil
		}
	}}
	for _, name := range []string{"a fresh key admits exactly the burst", "many callers are admitted exactly the burst"} {
		calls.Store(0)
		if found := failures(t, byName(t, name), f.backend()); len(found) == 0 || !strings.Contains(found[0], "the server has gone away") {
			t.Errorf("%q reports %q", name, found)
		}
	}
}

// A backend that counts coarsely rounds debts up, and says when it converts them late.
func TestCoarseFaultsAreFound(t *testing.T) {
	roundsDown := coarseBackend(func(c *coarse) { c.roundsDown = true })
	if found := failures(t, byName(t, "a random sequence with changes of quota agrees with the model"), roundsDown); len(found) == 0 {
		t.Error("debts that are rounded down are not found")
	}
	unsaid := coarseBackend(nil)
	unsaid.LateQuota = false
	for _, name := range []string{"time is earned at the rate of its day", "a random sequence with changes of quota agrees with the model"} {
		if found := failures(t, byName(t, name), unsaid); len(found) == 0 {
			t.Errorf("%q does not find debts that are converted late", name)
		}
	}
	finer := coarseBackend(nil)
	finer.Resolution = time.Nanosecond
	if found := failures(t, byName(t, "RetryAfter is exact"), finer); len(found) == 0 {
		t.Error("a Resolution that is not the backend's is not found")
	}
}
