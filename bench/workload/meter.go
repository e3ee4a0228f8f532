package workload

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/bench/subject"
)

// A pair times a slice of requests to the subject, and as many of the floor.
type pair struct {
	prepare    func(n int) // not timed; may be nil
	own, floor func(n int) time.Duration
	allocates  int64 // objects of 16 bytes that prepare makes for each request
}

// alternate runs slices of n requests to each caller in turn with the floor,
// until the subject's own slices have taken the budget, and takes medians.
func (r *run) alternate(n int, p pair) {
	var own, floor, ratio []float64
	var spent time.Duration
	before := memStats()
	for spent < r.Budget || len(own) < 3 {
		if p.prepare != nil {
			p.prepare(n)
		}
		a, b := p.own(n), p.floor(n)
		spent += a
		each := float64(n * r.callers)
		own = append(own, float64(a)/each)
		floor = append(floor, float64(b)/each)
		ratio = append(ratio, float64(a)/float64(b))
	}
	after := memStats()
	ops := int64(n * r.callers * len(own))
	r.result.Ops += ops
	r.result.NsPerOp, r.result.FloorNsPerOp, r.result.Floors = Median(own), Median(floor), Median(ratio)
	r.result.AllocsPerOp = perOp(after.Mallocs-before.Mallocs, p.allocates, ops)
	r.result.BytesPerOp = perOp(after.TotalAlloc-before.TotalAlloc, 16*p.allocates, ops)
}

// perOp is what is left of a count for each request once the workload's own
// share is taken off, and 0 if that is less than one in a hundred requests: the
// runtime's own.
func perOp(count uint64, own, ops int64) float64 {
	each := float64(int64(count)-own*ops) / float64(ops)
	if each < 0.01 {
		return 0
	}
	return each
}

// sliceOf is how many requests a caller makes in about two milliseconds: short
// beside the machine's drift, long beside a goroutine's start.
func sliceOf(try func(n int) time.Duration) int {
	n := 64
	for n < 1<<17 {
		if took := try(n); took > 500*time.Microsecond {
			break
		}
		n *= 2
	}
	return n * 2
}

// together calls f once for each caller, all at the same time, and tells how long
// it took from the moment when all were there. They wait for each other without
// giving up their processors: goroutines that yield may well end up on one, and
// then run one after the other.
func together(callers int, f func(caller int)) time.Duration {
	if callers == 1 {
		start := time.Now()
		f(0)
		return time.Since(start)
	}
	var done sync.WaitGroup
	var there atomic.Int64
	var start time.Time
	for c := range callers {
		done.Go(func() {
			if there.Add(1) == int64(callers) {
				start = time.Now()
				there.Add(1)
			}
			for there.Load() <= int64(callers) {
			}
			f(c)
		})
	}
	done.Wait()
	return time.Since(start)
}

// timed sends one request for each key, notes how long each took, and tells how
// many were admitted and how long all took. It reads the clock once a request,
// so that nothing lies between two readings but a decision.
func timed(l subject.Limiter, keys []string, took []int64) (admitted int64, all time.Duration) {
	base := time.Now()
	var before time.Duration
	for i, key := range keys {
		if l.Allow(key) {
			admitted++
		}
		after := time.Since(base)
		took[i] = int64(after - before)
		before = after
	}
	return admitted, before
}

// idle decides nothing: timed with it is what timing itself costs.
type idle struct{}

func (idle) Allow(string) bool { return true }
func (idle) Close()            {}

// A count is a caller's own, on a cache line of its own.
type count struct {
	n int64
	_ [56]byte
}

func total(counts []count) int64 {
	var sum int64
	for i := range counts {
		sum += counts[i].n
	}
	return sum
}
