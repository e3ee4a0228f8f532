package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// A check tests one property. Its name says which, and is the name of its subtest.
type check struct {
	name string
	run  func(e *env)
}

var groups = []struct {
	name   string
	checks []check
}{
	{"deciding", deciding},
	{"spending back", spendingBack},
	{"quotas", quotas},
	{"waiting", waiting},
	{"contention", contention},
	{"model", modelled},
}

// A reporter is the part of testing.TB that checks report to, so that a test of the
// checks can catch what they report. Fatalf does not return.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// An env is what a check runs in.
type env struct {
	reporter
	ctx     context.Context
	tb      testing.TB // for the backend only
	backend Backend
}

// standing makes a limiter whose clock stands still.
func (e *env) standing(q weir.Quota) *subject {
	l, clock := e.backend.New(e.tb, q)
	return &subject{env: e, terms: newTerms(q, e.backend.Resolution), l: l, clock: clock}
}

// live makes a limiter that lives in real time.
func (e *env) live(q weir.Quota) *subject {
	return &subject{env: e, terms: newTerms(q, e.backend.Resolution), l: e.backend.NewLive(e.tb, q)}
}

// random logs the seed of what it returns.
func (e *env) random() *rand.Rand {
	e.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("WEIR_CONFORMANCE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 0, 64); err != nil {
			e.Fatalf("WEIR_CONFORMANCE_SEED is %q; it must be a whole number from 0 to 18446744073709551615", s)
		}
	}
	e.Logf("WEIR_CONFORMANCE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, seed))
}

// A subject is a limiter under test. Its methods fail the test at an error.
type subject struct {
	*env
	terms
	l     Limiter
	clock Clock // nil if it is live
}

func (s *subject) allow(key string, n int64) weir.Decision {
	s.Helper()
	d, err := s.l.AllowN(s.ctx, key, n)
	if err != nil {
		s.Fatalf("AllowN(%s, %d): %v", name(key), n, err)
	}
	return d
}

func (s *subject) peek(key string) weir.Decision {
	s.Helper()
	d, err := s.l.Peek(s.ctx, key)
	if err != nil {
		s.Fatalf("Peek(%s): %v", name(key), err)
	}
	return d
}

func (s *subject) refund(key string, n int64) {
	s.Helper()
	if err := s.l.Refund(s.ctx, key, n); err != nil {
		s.Fatalf("Refund(%s, %d): %v", name(key), n, err)
	}
}

func (s *subject) reset(key string) {
	s.Helper()
	if err := s.l.Reset(s.ctx, key); err != nil {
		s.Fatalf("Reset(%s): %v", name(key), err)
	}
}

func (s *subject) setQuota(q weir.Quota) {
	s.Helper()
	if err := s.l.SetQuota(q); err != nil {
		s.Fatalf("SetQuota(%v): %v", q, err)
	}
	s.terms = newTerms(q, s.backend.Resolution)
}

func (s *subject) advance(d time.Duration) { s.clock.Advance(d) }

// spend wants a cost to be admitted to a key that owes debt, to the last field of
// the Decision.
func (s *subject) spend(key string, debt time.Duration, n int64) {
	s.Helper()
	want := s.decide(debt, n)
	if !want.Allowed {
		s.Fatalf("the suite is wrong: %v a cost of %d on a debt of %v is refused", s.terms, n, debt)
	}
	s.want(fmt.Sprintf("a cost of %d on a debt of %v", n, debt), s.allow(key, n), want)
}

// owes wants Peek to tell what it should of a key that owes debt.
func (s *subject) owes(what, key string, debt time.Duration) {
	s.Helper()
	s.want(what, s.peek(key), s.decide(debt, 0))
}

// want compares a Decision with the one that is right.
func (s *subject) want(what string, got, want weir.Decision) {
	s.Helper()
	if got != want {
		s.Fatalf("%v: %s: the decision is\n\t%+v\nwant\t%+v", s.terms, what, got, want)
	}
}

// name is a key for a message: a long one cut short.
func name(key string) string {
	if len(key) > 40 {
		return fmt.Sprintf("%q… (%d bytes)", key[:30], len(key))
	}
	return strconv.Quote(key)
}
