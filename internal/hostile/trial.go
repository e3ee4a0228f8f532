package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// A trial is one run of a scenario. Its methods may be called by many goroutines.
type trial struct {
	quick bool
	soak  time.Duration

	mu       sync.Mutex
	figures  []string
	problems []string
}

// maxProblems are kept: what goes wrong once goes wrong a million times.
const maxProblems = 5

// errorf notes that a check failed.
func (t *trial) errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.problems) < maxProblems {
		t.problems = append(t.problems, fmt.Sprintf(format, args...))
	}
}

// figuref adds to the scenario's figure.
func (t *trial) figuref(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.figures = append(t.figures, fmt.Sprintf(format, args...))
}

// n is a size of a load: less of it with -quick, and under the race detector.
func (t *trial) n(full int) int {
	switch {
	case raceEnabled:
		return full / 25
	case t.quick:
		return full / 5
	}
	return full
}

// limiter makes one, whose arguments are right.
func (t *trial) limiter(q weir.Quota, opts ...weir.Option) *weir.Limiter {
	l, err := weir.New(q, opts...)
	if err != nil {
		panic(err)
	}
	return l
}

// wantCounts compares Stats with what the callers saw.
func (t *trial) wantCounts(l *weir.Limiter, admitted, refused int64) weir.Stats {
	s := l.Stats()
	if s.Admitted != admitted || s.Refused != refused {
		t.errorf("Stats count %d admitted and %d refused, the callers %d and %d", s.Admitted, s.Refused, admitted, refused)
	}
	return s
}

// An outcome is what came of a trial.
type outcome struct {
	scenario
	figure   string
	problems []string
	took     time.Duration
}

func play(s scenario, quick bool, soak time.Duration) outcome {
	t := &trial{quick: quick, soak: soak}
	runtime.GC() // what the one before left is not this one's
	began := time.Now()
	s.run(t)
	if len(t.figures) == 0 {
		t.errorf("no figure")
	}
	return outcome{s, strings.Join(t.figures, "; "), t.problems, time.Since(began)}
}

func (o outcome) String() string {
	verdict := "ok  "
	if len(o.problems) > 0 {
		verdict = "FAIL"
	}
	s := fmt.Sprintf("%s %-18s %5.1f s  %s", verdict, o.name, o.took.Seconds(), o.figure)
	for _, p := range o.problems {
		s += "\n\t" + p
	}
	return s
}

// A hand is a clock that stands still until it is moved.
type hand struct{ nanos atomic.Int64 }

// newHand is not at 0 at first, so that a forgotten shift by the origin shows.
func newHand() *hand {
	h := new(hand)
	h.nanos.Store(-77 * int64(time.Hour))
	return h
}

func (h *hand) now() time.Duration      { return time.Duration(h.nanos.Load()) }
func (h *hand) advance(d time.Duration) { h.nanos.Add(int64(d)) }
func (h *hand) option() weir.Option     { return weir.WithClock(h.now) }

// together runs f in n goroutines that start at once, and waits for all.
func together(n int, f func(worker int)) {
	var start, end sync.WaitGroup
	start.Add(1)
	for i := range n {
		end.Go(func() {
			start.Wait()
			f(i)
		})
	}
	start.Done()
	end.Wait()
}

// against measures a hostile load and the same of an ordinary one, each in so many
// rounds by turns, so that the machine's drift favours neither. Both return how
// many operations they did. The results are medians, in nanoseconds an operation.
func against(rounds int, hostile, ordinary func() int) (hostileNanos, ordinaryNanos float64) {
	nanos := [2][]float64{}
	for range rounds {
		for i, load := range []func() int{hostile, ordinary} {
			began := time.Now()
			ops := load()
			nanos[i] = append(nanos[i], float64(time.Since(began))/float64(max(ops, 1)))
		}
	}
	return median(nanos[0]), median(nanos[1])
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}

// ratio writes a comparison.
func ratio(hostile, ordinary float64) string {
	return fmt.Sprintf("%.0f ns an operation, ordinary load %.0f ns (×%.2f)", hostile, ordinary, hostile/ordinary)
}

// heap is what lives in the heap now.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// A stopwatch keeps how long single operations took.
type stopwatch struct{ took []int32 }

// percentiles writes the typical, the rare and the worst.
func (w *stopwatch) percentiles() string {
	if len(w.took) == 0 {
		return "no operation"
	}
	slices.Sort(w.took)
	at := func(share float64) time.Duration {
		return time.Duration(w.took[min(int(share*float64(len(w.took))), len(w.took)-1)])
	}
	return fmt.Sprintf("single ones p50 %v, p99.9 %v, worst %v", at(0.5), at(0.999), at(1))
}
