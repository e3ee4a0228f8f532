// Package workload measures a subject under one kind of load at a time.
//
// Every workload knows how many requests its quota may admit and must admit,
// and says so beside what was admitted: a limiter that is fast because it does
// not limit is shown as one. Every workload times the floor too, in turn with
// the subject, so that a ratio is of one process and one moment.
package workload

import (
	"fmt"
	"regexp"
	"runtime"
	"time"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/subject"
)

// Setup is how large and how long workloads are.
type Setup struct {
	Scale  int           `json:"scale"`  // sizes are divided by it
	Budget time.Duration `json:"budget"` // of the subject's own time, where the number of requests is not fixed
	Period time.Duration `json:"period"` // of the quota under the paced flood, which lasts three and leaves three of calm
	Seed   uint64        `json:"seed"`   // of all that is drawn
}

// Full is what is published.
func Full() Setup {
	return Setup{Scale: 1, Budget: time.Second, Period: 2 * time.Second, Seed: 1}
}

// Quick fits into some minutes for all subjects and workloads together.
func Quick() Setup {
	return Setup{Scale: 5, Budget: 60 * time.Millisecond, Period: 200 * time.Millisecond, Seed: 1}
}

// Tiny is for tests and benchmarks: too small to compare anybody.
func Tiny() Setup {
	return Setup{Scale: 1000, Budget: time.Millisecond, Period: 20 * time.Millisecond, Seed: 1}
}

// A Workload is one kind of load.
type Workload struct {
	Name  string
	What  string // in a sentence
	Procs int    // callers at the same time; 0 means one on each core
	Big   bool   // left out of quick runs
	keyed bool   // has more than one key
	bad   bool   // has requests that must be refused

	config func(Setup) subject.Config
	run    func(*run)
}

// Callers is how many goroutines call the limiter at the same time.
func (w Workload) Callers() int {
	if w.Procs == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return w.Procs
}

// Misfit says why the workload makes no sense for the subject, or "".
func (w Workload) Misfit(s subject.Subject) string {
	switch {
	case s.Keeps == subject.OneKey && w.keyed:
		return "has one budget for all keys"
	case s.Keeps == subject.OneKey && w.bad:
		return "never refuses"
	case s.Name == peers.Floor.Name && w.Callers() > 1:
		return "several callers contend for its one word; it is measured beside the subjects with a word for each"
	}
	return ""
}

// Run measures a fresh limiter of the subject.
func (w Workload) Run(s subject.Subject, setup Setup) (Result, error) {
	r := &run{Setup: setup, config: w.config(setup), callers: w.Callers(), reference: s.Reference()}
	r.result = Result{Subject: s.Name, Workload: w.Name}
	for range r.callers {
		floor, err := peers.Floor.New(r.config)
		if err != nil {
			return Result{}, err
		}
		r.floors = append(r.floors, floor)
	}
	r.heapBefore = heapInUse()
	limiter, err := s.New(r.config)
	if err != nil {
		return Result{}, fmt.Errorf("%s, %s: %w", s.Name, w.Name, err)
	}
	defer limiter.Close()
	r.limiter, r.made = limiter, time.Now()
	r.atStart = memStats()
	w.run(r)
	r.finishGC()
	return r.result, nil
}

// A run is a workload that is under way.
type run struct {
	Setup
	config     subject.Config
	callers    int
	reference  bool
	limiter    subject.Limiter
	floors     []subject.Limiter // one for each caller, so that none contends
	made       time.Time         // when the limiter was
	heapBefore int64             // before it was
	atStart    *runtime.MemStats // nil once the collector's work has been noted
	result     Result
}

// sized is n, or less in smaller setups.
func (r *run) sized(n int) int { return sized(n, r.Setup) }

func sized(n int, s Setup) int { return max(n/s.Scale, 100) }

// check notes how many requests were admitted, and how many had to be. The most
// that may be admitted is given for each key by how often it was asked for.
func (r *run) check(what string, admitted int64, limit bounds) {
	if r.reference {
		return
	}
	r.result.Checks = append(r.result.Checks, Check{
		What: what, Asked: limit.asked, Admitted: admitted, Min: limit.min, Max: limit.max,
	})
}

// bounds add up what a quota admits to many keys.
type bounds struct{ asked, min, max int64 }

// add counts a key that was asked for that often since span ago, having already
// spent some of its quota before.
func (b *bounds) add(c subject.Config, asked, spent int64, span time.Duration) {
	b.asked += asked
	b.min += min(asked, max(c.Limit-spent, 0))
	b.max += min(asked, max(c.MaxIn(span)-spent, 0))
}

// Matching are the workloads whose names match, in the order of the report.
func Matching(name *regexp.Regexp) []Workload {
	var some []Workload
	for _, w := range All() {
		if name.MatchString(w.Name) {
			some = append(some, w)
		}
	}
	return some
}
