package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// together lets callers decide at the same time, and tells the time between
// decisions of all of them in a window that begins when all are under way. Cores
// without a caller do nothing, but are kept busy with it: so nobody else is there,
// and neither takes a part of the caches and of the memory.
//
// It is not ok if any of them stood still for a tenth of the window: then it had no
// core to itself, and while it stood the others had nobody to contend with.
func together(loads []load, cores int, window time.Duration) (nanos float64, ok bool) {
	const (
		start = 200 * time.Microsecond
		batch = 50 // decisions between two looks at the clock, which costs half a nanosecond each
	)
	all := append(slices.Clone(loads), slices.Repeat([]load{idle}, max(0, cores-len(loads)))...)
	runtime.GOMAXPROCS(len(all))
	end, still := start+window, window/10
	var done sync.WaitGroup
	var decided atomic.Int64
	var stood atomic.Bool
	base := time.Now()
	for i, decide := range all {
		done.Go(func() {
			var mine int64
			before := time.Since(base)
			late := before > start
			for before < end {
				decide(batch)
				now := time.Since(base)
				late = late || now > start && now-before > still
				if before >= start && now < end {
					mine += batch
				}
				before = now
			}
			if i < len(loads) {
				decided.Add(mine)
			}
			if late {
				stood.Store(true)
			}
		})
	}
	done.Wait()
	return float64(window) / float64(max(decided.Load(), 1)), !stood.Load()
}

// idle is as long as a short decision and touches no memory.
func idle(n int) {
	x := uint64(n)
	for range 20 * n {
		x = x*3 + 1
	}
	runtime.KeepAlive(x)
}

// handover is how much longer a core takes to read and change a word when the
// other one has changed it since, and is busy with other things: the time in
// which one line moves. Two goroutines take turns by the clock, twice each: the
// first time they find the line away, the second time they do not. What they find
// tells whether that was so.
func handover() (nanos float64, ok bool) {
	const (
		turns  = 2000
		period = 700 * time.Nanosecond
		most   = float64(time.Microsecond) // longer is somebody else's doing
	)
	runtime.GOMAXPROCS(2)
	var word padded
	var done sync.WaitGroup
	var away, here mean
	base := time.Now()
	for caller := range 2 {
		done.Go(func() {
			last := int64(0)
			for turn := range turns {
				for due := 100*time.Microsecond + period*time.Duration(2*turn+caller)/2; time.Since(base) < due; {
				}
				for range 2 {
					before := time.Since(base)
					seen := word.Load()
					changed := word.CompareAndSwap(seen, seen+1)
					took := float64(time.Since(base) - before)
					if caller == 0 && changed && took < most {
						if seen != last {
							away.add(took)
						} else {
							here.add(took)
						}
					}
					last = seen + 1
				}
			}
		})
	}
	done.Wait()
	// On one core the two would relieve each other every few milliseconds only.
	return away.of() - here.of(), away.n > turns*8/10 && away.of() > here.of()
}

type mean struct{ sum, n float64 }

func (m *mean) add(x float64) { m.sum, m.n = m.sum+x, m.n+1 }
func (m *mean) of() float64   { return m.sum / m.n }

// pingPong is the time from one core's change of a word to the other's, when
// both do nothing but wait for their turn to change it.
func pingPong() float64 {
	const rounds, each = 20, 200
	runtime.GOMAXPROCS(2)
	var word padded
	var done sync.WaitGroup
	var took []float64
	for caller := range int64(2) {
		done.Go(func() {
			before := time.Now()
			for i := range int64(rounds * each) {
				for !word.CompareAndSwap(2*i+caller, 2*i+caller+1) {
				}
				if caller == 0 && i%each == each-1 {
					now := time.Now()
					took = append(took, float64(now.Sub(before))/(2*each))
					before = now
				}
			}
		})
	}
	done.Wait()
	return median(took)
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile is the value below which a part p of the values lies, or a mean of two.
func quantile(values []float64, p float64) float64 {
	v := slices.Sorted(slices.Values(values))
	at := p * float64(len(v)-1)
	i := int(at)
	if i+1 == len(v) {
		return v[i]
	}
	return v[i] + (at-float64(i))*(v[i+1]-v[i])
}

// A round is one measurement of everything; what could not be measured
// undisturbed is missing.
type round struct {
	handover, pingPong, retry float64
	swept                     float64
	alone, hammered           float64                    // an addition to a word, by one caller, and by two
	rows                      map[string]map[int]float64 // by name and callers
}

// A meter measures rounds.
type meter struct {
	world   *world
	callers []int // in ascending order
	cores   int

	windows, thrown int // that were tried, and that were disturbed
	dropped         int // rounds
}

// measure takes rounds for so long, and returns those that are good.
func (m *meter) measure(long time.Duration) (good []round) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a cycle takes a core from the callers
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	started := time.Now()
	for time.Since(started) < long {
		r, ok := m.round()
		if !ok {
			m.dropped++
			continue
		}
		good = append(good, r)
		fmt.Fprintf(os.Stderr, "\r%.0f s of %.0f: %d rounds, %d dropped, a line moves in %.0f ns   ",
			time.Since(started).Seconds(), long.Seconds(), len(good), m.dropped, r.handover)
		runtime.GC()
	}
	fmt.Fprintln(os.Stderr)
	return good
}

// round is not ok if no two callers had a core each, or if they have been moved
// farther apart or nearer together meanwhile, which happens to virtual machines.
func (m *meter) round() (r round, ok bool) {
	before, ok := handover()
	if !ok {
		return r, false
	}
	r = round{pingPong: pingPong(), rows: map[string]map[int]float64{}}
	var word padded
	add := func(n int) {
		for range n {
			word.Add(1)
		}
	}
	// Refund is what is left of a decision that is made again: all but the clock
	// and the count. It hashes, which a decision does not do again.
	refund := func(n int) {
		for range n {
			m.world.admits.Refund(hotKey, 1)
		}
	}
	r.alone, _ = m.steady([]load{add}, short)
	r.hammered, _ = m.steady([]load{add, add}, short)
	r.retry, _ = m.steady([]load{refund}, short)
	m.world.refresh()
	calm := m.world.bounded.Stats()
	for i := range rows {
		r.rows[rows[i].name] = m.row(&rows[i])
	}
	r.swept = m.world.swept(calm, m.world.bounded.Stats())
	after, ok := handover()
	r.handover = (before + after) / 2
	const jitter = 5 // nanoseconds
	return r, ok && r.alone > 0 && r.hammered > 0 && r.retry > 0 && max(before, after) < 1.5*min(before, after)+jitter
}

// Windows: short ones are more often undisturbed, but too short for what does not
// fit into the nearest caches, and for more callers than cores, which the system
// runs in turn for milliseconds each.
const (
	short   = time.Millisecond
	longer  = 5 * time.Millisecond
	longest = 20 * time.Millisecond
)

func (m *meter) row(row *row) map[int]float64 {
	loads := func(callers int) (all []load) {
		for c := range callers {
			all = append(all, row.load(m.world, c))
		}
		return all
	}
	if row.long { // what others have pushed out of the caches comes back
		together(loads(m.cores), m.cores, 100*time.Millisecond)
	}
	measured := map[int]float64{}
	for _, callers := range m.callers {
		if callers > m.cores && !row.over {
			continue
		}
		loads := loads(callers)
		var nanos float64
		ok := true
		switch {
		case callers > m.cores || row.model == nil:
			nanos, _ = together(loads, m.cores, longest)
		case row.long:
			nanos, ok = m.steady(loads, longer)
		default:
			nanos, ok = m.steady(loads, short)
		}
		if ok {
			measured[callers] = nanos
		}
	}
	return measured
}

// steady measures until a window is not disturbed, for a hundred of them at most;
// 0 if none is.
func (m *meter) steady(loads []load, window time.Duration) (nanos float64, ok bool) {
	for started := time.Now(); time.Since(started) < 100*window; {
		m.windows++
		if nanos, ok = together(loads, m.cores, window); ok {
			return nanos, true
		}
		m.thrown++
	}
	return 0, false
}
