package weirhttp

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/weirhq/weir"
)

func TestDebugLineIsACacheLine(t *testing.T) {
	if size := unsafe.Sizeof(debugLine{}); size != 64 {
		t.Errorf("%d bytes", size)
	}
}

// secondsOf is what counts show of all seconds in a map, in the window before a second.
func secondsOf(c *debugCounts, part weir.Partition, result int, before uint64) map[uint64]int64 {
	shown := map[uint64]int64{}
	n := min(before, historySeconds)
	for i, count := range c.last(part, result, before, int(n)) {
		if count != 0 {
			shown[before-n+uint64(i)] = count
		}
	}
	return shown
}

// inWindow drops what is not to be shown.
func inWindow(counts map[uint64]int64, before uint64) map[uint64]int64 {
	kept := maps.Clone(counts)
	maps.DeleteFunc(kept, func(second uint64, _ int64) bool {
		return second >= before || second+historySeconds < before
	})
	return kept
}

// Whoever comes when, in whatever stripe and however late, is shown in his second: a
// map that forgets nothing says the same. The gaps are around the lengths of
// window and ring.
func TestDebugCountsAgainstAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	gaps := []uint64{0, 0, 0, 0, 1, 1, 1, 2, 7, 211, 212, 213, 299, 300, 301, 511, 512, 513, 5000}
	c, model := new(debugCounts), map[uint64]int64{}
	carried, late := 0, 0
	now := uint64(0)
	const steps = 2000
	for step := range steps {
		now += gaps[r.IntN(len(gaps))]
		second := now
		if r.IntN(10) == 0 && now >= 211 { // his clock was read, then he slept
			second -= uint64(r.IntN(212)) // as late as the ring allows
			late++
		}
		reason := []weir.Reason{weir.Anonymous, weir.SourceMissing}[r.IntN(2)]
		stripe := r.IntN(3)
		before := c.stripes[stripe][reason].seconds[refusedRequests].word.Load()
		if held, n := unpackSecond(before); n > 0 && held != second {
			carried++
		}
		c.add(stripe, reason, refusedRequests, second)
		model[second]++
		if step%4 != 0 {
			continue // looking takes longest
		}
		for _, at := range []uint64{now, now + 1, now + 300, now + 301, now - min(now, 211)} { // the last one has slept
			if got, want := secondsOf(c, weir.IP, refusedRequests, at), inWindow(model, at); !maps.Equal(got, want) {
				t.Fatalf("before second %d: %v, want %v", at, got, want)
			}
		}
	}
	if carried < steps/4 || late < steps/20 {
		t.Errorf("%d words were carried and %d callers were late: the test tests little", carried, late)
	}
	if got := c.total(weir.Anonymous, refusedRequests) + c.total(weir.SourceMissing, refusedRequests); got != steps {
		t.Errorf("%d in all", got)
	}
	if other := secondsOf(c, weir.IP, admittedRequests, now); len(other) != 0 {
		t.Errorf("admitted: %v", other)
	}
	if other := secondsOf(c, weir.User, refusedRequests, now); len(other) != 0 {
		t.Errorf("user: %v", other)
	}
}

// Many count in two stripes while the seconds go on, faster than any clock, and
// somebody reads. In the end each second has what was counted in it, exactly; before,
// never more than that, and totals never go back.
func TestDebugCountsConcurrently(t *testing.T) {
	const callers, each = 8, 20_000
	c := new(debugCounts)
	var clock atomic.Uint64
	tallies := make([]map[uint64]int64, callers)
	readings := make(chan map[uint64]int64, 1<<16)
	done := make(chan struct{})
	var reader, writers sync.WaitGroup
	reader.Go(func() {
		last := int64(0)
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			if total := c.total(weir.ByUser, admittedRequests); total < last {
				t.Errorf("%d in all, after %d", total, last)
			} else {
				last = total
			}
			select {
			case readings <- secondsOf(c, weir.User, admittedRequests, clock.Load()+1):
			default:
			}
		}
	})
	for i := range callers {
		tallies[i] = map[uint64]int64{}
		writers.Go(func() {
			for n := range each {
				if n%800 == i {
					clock.Add(1) // 200 seconds in all, so that all can be shown
				}
				second := clock.Load()
				c.add(i%2, weir.ByUser, admittedRequests, second)
				tallies[i][second]++
			}
		})
	}
	writers.Wait()
	close(done)
	reader.Wait()

	model := map[uint64]int64{}
	for _, tally := range tallies {
		for second, n := range tally {
			model[second] += n
		}
	}
	if len(model) < 20 {
		t.Errorf("%d seconds: the test tests little", len(model))
	}
	if got := secondsOf(c, weir.User, admittedRequests, clock.Load()+1); !maps.Equal(got, model) {
		t.Errorf("%v, want %v", got, model)
	}
	if got := c.total(weir.ByUser, admittedRequests); got != callers*each {
		t.Errorf("%d in all", got)
	}
	close(readings)
	for reading := range readings {
		for second, n := range reading {
			if n > model[second] {
				t.Fatalf("%d were seen in second %d, in which %d came", n, second, model[second])
			}
		}
	}
}

// Seconds change all the time, and each request is handed on or left there under its
// own, once.
func TestSecondCountConcurrently(t *testing.T) {
	const callers, each, perSecond = 4, 50_000, 2
	var c secondCount
	var requests atomic.Uint64
	tallies := make([]map[uint64]uint64, callers)
	var wg sync.WaitGroup
	for i := range callers {
		tallies[i] = map[uint64]uint64{}
		wg.Go(func() {
			for range each {
				second, n := unpackSecond(c.add(packSecond((requests.Add(1)-1)/perSecond, 1)))
				tallies[i][second] += n
			}
		})
	}
	wg.Wait()
	all := map[uint64]uint64{}
	second, n := unpackSecond(c.word.Load())
	all[second] += n
	for _, tally := range tallies {
		for second, n := range tally {
			all[second] += n
		}
	}
	for second := range uint64(callers * each / perSecond) {
		if all[second] != perSecond {
			t.Fatalf("%d in second %d, want %d", all[second], second, perSecond)
		}
	}
}

// Goroutines that run at once have different stripes, nearly always; one has the
// same one again.
func TestOwnStripe(t *testing.T) {
	const goroutines = 64
	stripes := make([]int, goroutines)
	var all, wg sync.WaitGroup
	all.Add(goroutines)
	for i := range goroutines {
		wg.Go(func() {
			stripes[i] = ownStripe()
			all.Done()
			all.Wait() // so that all have stacks at once
			if again := ownStripe(); again != stripes[i] {
				t.Logf("stripe %d, then %d: the stack has moved", stripes[i], again)
			}
		})
	}
	wg.Wait()
	slices.Sort(stripes)
	if stripes[0] < 0 || stripes[goroutines-1] >= debugStripes {
		t.Errorf("from %d to %d", stripes[0], stripes[goroutines-1])
	}
	if distinct := len(slices.Compact(stripes)); distinct < 16 { // 41 if they were drawn at random
		t.Errorf("%d goroutines have %d stripes", goroutines, distinct)
	}
}
