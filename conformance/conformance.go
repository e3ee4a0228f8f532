// Package conformance tests that a limiter keeps the contract of
// [github.com/weirhq/weir.Limiter], wherever it keeps its keys: in this process,
// on a server, or in a database. One suite for all of them means that a service
// may exchange one for another and rely on the same decisions.
//
// The author of a backend gives [Run] two ways to make a limiter, one whose clock
// the suite moves and one that lives in real time:
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, conformance.Backend{
//			New: func(tb testing.TB, q weir.Quota) (conformance.Limiter, conformance.Clock) {
//				server := startWithClock(tb)
//				return newLimiter(tb, server, q), server
//			},
//			NewLive: func(tb testing.TB, q weir.Quota) conformance.Limiter {
//				return newLimiter(tb, start(tb), q)
//			},
//			Resolution: time.Microsecond,
//		})
//	}
//
// # What is tested
//
// Each property of package weir that shows through [Limiter], in six groups of
// subtests:
//
//   - deciding: the burst, RetryAfter to the last Resolution, Remaining,
//     ResetAfter, costs that are 0, negative or above the burst, and MaxIn;
//   - spending back: Refund, Reset, and that keys are kept apart;
//   - quotas: what SetQuota keeps;
//   - waiting: places, deadlines, and contexts that end;
//   - contention: many callers at once, counted exactly;
//   - model: random operations, each Decision compared with a model of the
//     contract, field by field.
//
// What does not show through the interface is not tested: the bound on memory,
// clocks that step back, servers that fail. Nothing here tells how fast a
// limiter is.
//
// # Rounding
//
// A backend may count time more coarsely than in nanoseconds. Its interval T is
// then Period / Limit, rounded up to a whole [Backend.Resolution]; everything else
// follows from T exactly. A debt that SetQuota has converted may be up to two
// Resolutions more than its exact value, never less.
//
// # Seeds
//
// The random tests log their seed. WEIR_CONFORMANCE_SEED sets it, to repeat a
// failure, and WEIR_CONFORMANCE_STEPS the number of operations that each of the two
// checks by the model does in all, 10,000 by default.
package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// A Limiter limits keys to a quota, as [weir.Limiter] does. The methods mean what
// those of the same name mean there, and may be called by any number of goroutines
// at once. An error says that the backend could not do what it was asked for, and
// fails the test; only the errors of Wait, and of SetQuota for a quota that is not
// valid, are part of the contract.
type Limiter interface {
	// AllowN decides a request of cost n and spends it if it is admitted.
	AllowN(ctx context.Context, key string, n int64) (weir.Decision, error)
	// Peek tells whether a request of cost 1 would pass, and spends nothing.
	Peek(ctx context.Context, key string) (weir.Decision, error)
	// Refund gives back n requests already spent.
	Refund(ctx context.Context, key string, n int64) error
	// Reset forgets what the key has consumed.
	Reset(ctx context.Context, key string) error
	// Wait takes the next place and sleeps until it is reached. Its errors are
	// those of [weir.Limiter.Wait], [weir.CostError] and [weir.DeadlineError]
	// among them.
	Wait(ctx context.Context, key string, n int64) error
	// SetQuota changes the quota, and keeps what was consumed.
	SetQuota(q weir.Quota) error
}

// A Clock stands still until it is told to go on.
type Clock interface {
	// Advance moves the clock of one limiter forward by d, a multiple of the
	// Resolution, 0 included. It returns once every later decision sees the new
	// time. The suite moves no clock by more than 15 years in all.
	Advance(d time.Duration)
}

// A Backend is how the suite makes the limiters that it tests. New, NewLive and
// Resolution must be set.
type Backend struct {
	// New makes a limiter on whose keys nobody has called before, and its clock,
	// which stands still. What has to be taken down again is registered with
	// tb.Cleanup; an error is reported by tb.Fatal. It is called some
	// 330 times by one Run.
	New func(tb testing.TB, q weir.Quota) (Limiter, Clock)

	// NewLive makes a limiter like New's that lives in real time. It is for what
	// sleeps, and for counting against a clock that nobody holds.
	NewLive func(tb testing.TB, q weir.Quota) Limiter

	// Resolution is the unit in which the backend counts time, and of which each
	// of its durations is a multiple: 1 ns for weir.Limiter. It is at most 1 ms. No
	// quota of the suite is of more than one request a Resolution, which a backend may
	// refuse.
	Resolution time.Duration

	// LateQuota weakens what is asked of SetQuota, for a backend that has no list
	// of its keys: a debt may be converted to a new quota when its key is next
	// asked for, and the time between the last write to the key and that may be
	// counted at the old rate or the new one. The suite then writes to a key just
	// before it changes the quota, and asks for it just after.
	LateQuota bool
}

// Run tests a backend, each property in a subtest of its own. It takes some 2
// seconds of real time for what sleeps, and otherwise some 55,000 operations and
// 12,000 moves of a clock, nearly all one after the other.
func Run(t *testing.T, b Backend) {
	t.Helper()
	switch {
	case b.New == nil:
		t.Fatal("conformance: Backend.New is nil; it must make a limiter whose clock stands still")
	case b.NewLive == nil:
		t.Fatal("conformance: Backend.NewLive is nil; it must make a limiter that lives in real time")
	case b.Resolution <= 0 || b.Resolution > time.Millisecond:
		t.Fatalf("conformance: Backend.Resolution is %v; it must be above 0 and at most 1ms", b.Resolution)
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, c := range g.checks {
				t.Run(c.name, func(t *testing.T) {
					c.run(&env{reporter: t, ctx: t.Context(), tb: t, backend: b})
				})
			}
		})
	}
}

// Local is a [weir.Limiter] as a Limiter of this package. Its errors are nil, but
// for those of Wait and SetQuota. The context matters to Wait only: the other
// methods wait for nothing. It costs nothing beyond the call of an interface.
func Local(l *weir.Limiter) Limiter { return local{l} }

type local struct{ l *weir.Limiter }

func (a local) AllowN(_ context.Context, key string, n int64) (weir.Decision, error) {
	return a.l.AllowN(key, n), nil
}

func (a local) Peek(_ context.Context, key string) (weir.Decision, error) {
	return a.l.Peek(key), nil
}

func (a local) Refund(_ context.Context, key string, n int64) error {
	a.l.Refund(key, n)
	return nil
}

func (a local) Reset(_ context.Context, key string) error {
	a.l.Reset(key)
	return nil
}

func (a local) Wait(ctx context.Context, key string, n int64) error {
	return a.l.Wait(ctx, key, n)
}

func (a local) SetQuota(q weir.Quota) error { return a.l.SetQuota(q) }
