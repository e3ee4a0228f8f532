//go:build weirsched

package weir

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strconv"
	"strings"
)

// A scheduler runs some workers, one at a time: whoever runs goes on until its next
// atomic step, where choose says who takes the next one. So a run is determined by
// the choices, and every interleaving of the atomic steps is a run.
type scheduler struct {
	choose   func(s *scheduler, self int) int
	running  int // the worker that runs
	alive    []bool
	left     int // how many are alive
	wake     []chan struct{}
	over     chan struct{}
	steps    int // taken in this run
	switches []handover
	broken   string // a worker's panic
}

// A handover says that at a step another worker went on. What a run was is printed,
// and can be replayed, as the list of them.
type handover struct{ step, to int }

// mostSteps is far more than any run takes in which everybody gets on: the longest
// have some thousand.
const mostSteps = 100_000

// run lets the workers run until all have ended, or one does not end.
func (s *scheduler) run(workers []func()) {
	n := len(workers)
	s.alive, s.left, s.wake, s.over = make([]bool, n), n, make([]chan struct{}, n), make(chan struct{}, 1)
	s.steps, s.switches = 0, s.switches[:0]
	for i, work := range workers {
		s.alive[i], s.wake[i] = true, make(chan struct{}, 1)
		go func() {
			<-s.wake[i]
			if s.broken = attempt(work); s.broken != "" {
				s.over <- struct{}{}
				return
			}
			s.ended(i)
		}()
	}
	yield = s.yield
	s.hand(s.choose(s, -1))
	<-s.over
	s.alone()
}

// alone is for what comes before and after a run, in one goroutine: that must end as
// well, by itself.
func (s *scheduler) alone() {
	left := mostSteps
	yield = func() {
		if left--; left < 0 {
			panic("does not end")
		}
	}
}

// attempt tells what f has panicked with, if it has.
func attempt(f func()) (broken string) {
	defer func() {
		if p := recover(); p != nil {
			broken = fmt.Sprintf("%v\n%s", p, debug.Stack())
		}
	}()
	f()
	return ""
}

// yield is what every atomic step does first.
func (s *scheduler) yield() {
	if s.steps++; s.steps > mostSteps {
		panic("an operation does not end")
	}
	self := s.running
	if next := s.choose(s, self); next != self {
		s.hand(next)
		<-s.wake[self]
	}
}

func (s *scheduler) ended(worker int) {
	s.alive[worker] = false
	if s.left--; s.left == 0 {
		s.over <- struct{}{}
		return
	}
	s.hand(s.choose(s, -1))
}

func (s *scheduler) hand(to int) {
	s.switches = append(s.switches, handover{s.steps, to})
	s.running = to
	s.wake[to] <- struct{}{}
}

// schedule is the run so far, as replay reads it.
func (s *scheduler) schedule() string {
	words := make([]string, len(s.switches))
	for i, h := range s.switches {
		words[i] = fmt.Sprintf("%d:%d", h.step, h.to)
	}
	return strings.Join(words, ",")
}

// options are who may take the next step: self first, so that option 0 is to go on.
func (s *scheduler) options(self int) []int {
	options := make([]int, 0, 4)
	if self >= 0 {
		options = append(options, self)
	}
	for i, alive := range s.alive {
		if alive && i != self {
			options = append(options, i)
		}
	}
	return options
}

// A search goes through all schedules that take the next step away from a worker
// who could have gone on at most bound times: depth first, by replaying the choices
// so far and changing the last one that has an alternative left. Most faults of
// concurrent code need no more than two such preemptions (Musuvathi and Qadeer,
// "Iterative context bounding for systematic testing of multithreaded programs",
// PLDI 2007).
type search struct {
	bound       int
	path        []branch
	depth       int
	preemptions int
}

type branch struct{ taken, of int }

func (d *search) choose(s *scheduler, self int) int {
	if self >= 0 && d.preemptions == d.bound {
		return self
	}
	options := s.options(self)
	if len(options) == 1 {
		return options[0]
	}
	if d.depth == len(d.path) {
		d.path = append(d.path, branch{0, len(options)})
	}
	taken := d.path[d.depth].taken
	d.depth++
	if self >= 0 && taken != 0 {
		d.preemptions++
	}
	return options[taken]
}

// next prepares the next schedule; false when there is none.
func (d *search) next() bool {
	d.depth, d.preemptions = 0, 0
	for len(d.path) > 0 {
		last := &d.path[len(d.path)-1]
		if last.taken++; last.taken < last.of {
			return true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}

// chance gives way with a chance of one in every, to anybody.
func chance(seed uint64, every int) func(s *scheduler, self int) int {
	r := rand.New(rand.NewPCG(seed, 0x5ced))
	return func(s *scheduler, self int) int {
		if self >= 0 && r.IntN(every) != 0 {
			return self
		}
		options := s.options(self)
		return options[r.IntN(len(options))]
	}
}

// replay repeats what schedule has printed.
func replay(schedule string) (func(s *scheduler, self int) int, error) {
	at := map[int][]int{}
	for _, word := range strings.Split(schedule, ",") {
		step, to, _ := strings.Cut(word, ":")
		n, err := strconv.Atoi(step)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", schedule, err)
		}
		w, err := strconv.Atoi(to)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", schedule, err)
		}
		at[n] = append(at[n], w)
	}
	return func(s *scheduler, self int) int {
		if next := at[s.steps]; len(next) > 0 {
			at[s.steps] = next[1:]
			return next[0]
		}
		return s.options(self)[0]
	}, nil
}
