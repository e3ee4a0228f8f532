package telemetry

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
)

// A gate is a clock that counts its readings, of which a look takes one for each
// limiter, and holds them up while it is shut. Stats has counted the decisions
// before it reads the clock.
type gate struct {
	mu     sync.Mutex
	passed int
	shut   chan struct{} // nil while open
	broken bool          // panics once
}

const noon = 12 * time.Hour

func (g *gate) now() time.Duration {
	g.mu.Lock()
	shut := g.shut
	g.passed++
	broken := g.broken
	g.broken = false
	g.mu.Unlock()
	if broken {
		panic("no clock")
	}
	if shut != nil {
		<-shut
	}
	return noon
}

func (g *gate) close() { g.mu.Lock(); defer g.mu.Unlock(); g.shut = make(chan struct{}) }
func (g *gate) open()  { g.mu.Lock(); defer g.mu.Unlock(); close(g.shut); g.shut = nil }

// looks is how many looks have begun since the limiter was made, as long as all
// decisions are those of refuse.
func (g *gate) looks() int { g.mu.Lock(); defer g.mu.Unlock(); return g.passed }

func newGated(t *testing.T, maxAge time.Duration) (*Survey, *weir.Limiter, *gate) {
	t.Helper()
	g := new(gate)
	limiter, err := weir.New(weir.PerMinute(1000), weir.WithClock(g.now))
	if err != nil {
		t.Fatal(err)
	}
	g.passed = 0 // by New
	return NewSurvey([]Source{{"p", "p", limiter}}, maxAge), limiter, g
}

// refuse is a decision that is counted and does not read the clock.
func refuse(limiter *weir.Limiter) { limiter.AllowAt(noon, "k", -1) }

// refusedBy reads the survey once.
func refusedBy(t *testing.T, s *Survey) int64 {
	t.Helper()
	readings, err := s.Read(t.Context())
	if err != nil || len(readings) != 1 {
		t.Errorf("%d readings, error %v", len(readings), err)
		return -1
	}
	return readings[0].Refused
}

// Without company, each read looks for itself: what it tells is never old.
func TestReadsAreFresh(t *testing.T) {
	s, limiter, clock := newGated(t, 0)
	for i := range int64(5) {
		if got := refusedBy(t, s); got != i {
			t.Errorf("told %d refusals, there are %d", got, i)
		}
		refuse(limiter)
	}
	if got := clock.looks(); got != 5 {
		t.Errorf("%d looks for 5 reads", got)
	}
}

// However many ask while somebody looks, one more look serves them, and tells each
// of them what had been decided when it asked.
func TestManyShareTheNextLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, limiter, clock := newGated(t, 0)
		clock.close()
		first, later := make(chan int64, 1), make(chan int64, 100)
		go func() { first <- refusedBy(t, s) }()
		synctest.Wait() // it has counted no decision, and waits for the clock
		refuse(limiter)
		for range cap(later) {
			go func() { later <- refusedBy(t, s) }()
		}
		synctest.Wait()
		if got := clock.looks(); got != 1 {
			t.Errorf("%d looks at a time", got)
		}
		clock.open()
		if got := <-first; got != 0 {
			t.Errorf("the first was told %d refusals: it has not waited for the clock after it counted", got)
		}
		for range cap(later) {
			if got := <-later; got != 1 {
				t.Errorf("one who asked after a decision was told %d refusals", got)
			}
		}
		if got := clock.looks(); got != 2 {
			t.Errorf("%d looks for %d who asked at once", got, 1+cap(later))
		}
	})
}

// With a greatest age, a look serves until it is so old, and no longer.
func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, limiter, clock := newGated(t, time.Second)
		for _, step := range []struct {
			pass    time.Duration
			refused int64
			looks   int
		}{
			{0, 0, 1},
			{0, 0, 1},
			{time.Second - 1, 0, 1},
			{1, 3, 2},
			{time.Second, 4, 3},
		} {
			time.Sleep(step.pass)
			if got := refusedBy(t, s); got != step.refused {
				t.Errorf("after %v: told %d refusals, want %d", step.pass, got, step.refused)
			}
			if got := clock.looks(); got != step.looks {
				t.Errorf("after %v: %d looks, want %d", step.pass, got, step.looks)
			}
			refuse(limiter)
		}
	})
}

// Whose context ends stops waiting, and nobody else notices.
func TestReadHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, clock := newGated(t, 0)
		clock.close()
		looking := make(chan int64, 1)
		go func() { looking <- refusedBy(t, s) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if readings, err := s.Read(ctx); readings != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("readings %v, error %v", readings, err)
		}
		clock.open()
		if got := <-looking; got != 0 {
			t.Errorf("told %d refusals", got)
		}
		if refusedBy(t, s); clock.looks() != 2 {
			t.Errorf("%d looks", clock.looks())
		}
	})
}

// A look that a clock of the program's own has broken off leaves no half of it, and
// nobody waiting.
func TestReadAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which notices if all wait for ever
		s, limiter, clock := newGated(t, time.Hour)
		refuse(limiter)
		clock.broken = true
		func() {
			defer func() {
				if got := recover(); got != "no clock" {
					t.Errorf("recovered %v", got)
				}
			}()
			s.Read(t.Context())
		}()
		if got := refusedBy(t, s); got != 1 {
			t.Errorf("told %d refusals, there is 1", got)
		}
	})
}
