package conformance

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/weirhq/weir"
)

// What sleeps is in queue.go. The rest shows on a clock that stands still.
var waiting = []check{
	{"Wait passes at once while something remains", waitAtOnce},
	{"Wait spends nothing when its context is done", waitDone},
	{"Wait refuses at once what its deadline cannot meet", waitDeadline},
	{"Wait refuses a cost that can never be admitted", waitCost},
	{"Wait for nothing passes and spends nothing", waitForNothing},
	{"Wait serves in the order of arrival, and never early", waitInOrder},
	{"Wait gives back what a context ends, if nobody is behind", waitGivesBack},
	{"Wait keeps what a context ends, if somebody is behind", waitKeeps},
	{"Wait and AllowN together stay within MaxIn", waitMaxIn},
}

// slowly are quotas under which no wait ends while the suite runs.
func slowly() []weir.Quota {
	return []weir.Quota{weir.PerHour(1), {Limit: 2, Period: 24 * time.Hour, Burst: 7}}
}

// atOnce is how long a call may take that does not sleep.
const atOnce = 10 * time.Second

// waits is Wait where that has no reason to sleep.
func (s *subject) waits(ctx context.Context, key string, n int64) error {
	s.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- s.l.Wait(ctx, key, n) }()
	select {
	case err := <-result:
		return err
	case <-time.After(atOnce):
		s.Fatalf("%v: Wait for %d has not returned after %v", s.terms, n, atOnce)
		return nil
	}
}

func waitAtOnce(e *env) {
	for _, q := range slowly() {
		s := e.standing(q)
		for n := range s.burst {
			if err := s.waits(s.ctx, "one by one", 1); err != nil {
				s.Fatalf("%v: Wait for number %d: %v", s.terms, n+1, err)
			}
			s.owes("after Wait", "one by one", s.cost(n+1))
		}
		if err := s.waits(s.ctx, "at once", s.burst); err != nil {
			s.Fatalf("%v: Wait for the burst: %v", s.terms, err)
		}
		s.owes("after Wait", "at once", s.tolerance)
	}
}

func waitDone(e *env) {
	canceled, cancel := context.WithCancel(e.ctx)
	cancel()
	late, cancelLate := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancelLate()
	for _, q := range slowly() {
		s := e.standing(q)
		for spent := int64(0); spent <= s.burst; spent++ {
			for _, n := range []int64{0, 1, s.burst} {
				if err := s.waits(canceled, "k", n); !errors.Is(err, context.Canceled) {
					s.Fatalf("%v: Wait for %d with a context that was canceled: %v", s.terms, n, err)
				}
				if err := s.waits(late, "k", n); !errors.Is(err, context.DeadlineExceeded) {
					s.Fatalf("%v: Wait for %d with a context whose deadline is over: %v", s.terms, n, err)
				}
				s.owes("after Wait with a context that is done", "k", s.cost(spent))
			}
			if spent < s.burst {
				s.spend("k", s.cost(spent), 1)
			}
		}
	}
}

func waitDeadline(e *env) {
	for _, q := range slowly() {
		s := e.standing(q)
		s.spend("k", 0, s.burst)
		for _, n := range s.costs() {
			s.tooLate(n, time.Minute)
			s.tooLate(n, s.cost(n)-time.Millisecond) // nearly enough
		}
	}
}

// tooLate wants Wait to refuse at once a cost of n of a key that has nothing left, with so much time left.
func (s *subject) tooLate(n int64, left time.Duration) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, left)
	defer cancel()
	err := s.waits(ctx, "k", n)
	var deadline *weir.DeadlineError
	if !errors.As(err, &deadline) || !errors.Is(err, context.DeadlineExceeded) {
		s.Fatalf("%v: Wait for %v with %v left: %v, want a *weir.DeadlineError", s.terms, s.cost(n), left, err)
	}
	if deadline.Wait != s.cost(n) || deadline.Left > left || deadline.Left < left-atOnce {
		s.Fatalf("%v: Wait for %v with %v left: %+v", s.terms, s.cost(n), left, *deadline)
	}
	s.owes("after Wait with a deadline too near", "k", s.tolerance)
}

func waitCost(e *env) {
	for _, q := range slowly() {
		s := e.standing(q)
		for _, spent := range []int64{0, s.burst} {
			if spent > 0 {
				s.spend("k", 0, spent)
			}
			for _, n := range []int64{s.burst + 1, math.MaxInt64, -1, math.MinInt64} {
				err := s.waits(s.ctx, "k", n)
				var cost *weir.CostError
				if !errors.As(err, &cost) || cost.Cost != n || cost.Burst != s.burst {
					s.Fatalf("%v: Wait for a cost of %d: %v, want a *weir.CostError", s.terms, n, err)
				}
				s.owes("after Wait with such a cost", "k", s.cost(spent))
			}
		}
	}
}

func waitForNothing(e *env) {
	for _, q := range slowly() {
		s := e.standing(q)
		for _, spent := range []int64{0, s.burst} {
			if spent > 0 {
				s.spend("k", 0, spent)
			}
			if err := s.waits(s.ctx, "k", 0); err != nil {
				s.Fatalf("%v: Wait for a cost of 0: %v", s.terms, err)
			}
			s.owes("after it", "k", s.cost(spent))
		}
	}
}
