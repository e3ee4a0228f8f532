package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

var quotaScenarios = []scenario{
	{"set-quota", "SetQuota a thousand times a second, and quotas of single keys, under the fire of 8 goroutines",
		"the rate was at least 900 a second; after each SetQuota an unseen key answers by the new quota, and all tables have moved; with intervals that are " +
			"multiples of each other every key admits its burst exactly, however often its quota changed",
		func(t *trial) {
			nanos, still := setQuota(t, t.n(3000), 8, true), setQuota(t, 0, 8, false)
			t.figuref("%s, without a change", ratio(nanos, still))
		}},
}

const shiftingBurst = 20_000

// shifting are quotas of one burst whose intervals are multiples of each other: no
// rounding hides a debt that got lost.
var shifting = [3]weir.Quota{
	{Limit: shiftingBurst, Period: shiftingBurst * 1000, Burst: shiftingBurst},
	{Limit: shiftingBurst, Period: shiftingBurst * 4000, Burst: shiftingBurst},
	{Limit: shiftingBurst, Period: shiftingBurst * 2000, Burst: shiftingBurst},
}

// setQuota fires at a few keys through that many changes of quota, one each
// millisecond; for a second if there are none. It returns the time of an operation.
func setQuota(t *trial, changes, workers int, report bool) (nanos float64) {
	const hot = 40
	l := t.limiter(shifting[0], newHand().option(), weir.WithMaxKeys(1000)) // few shards: none is idle
	names := make([]string, hot)
	for k := range names {
		names[k] = fmt.Sprint("hot ", k)
	}
	var stop atomic.Bool
	var setter sync.WaitGroup
	var elapsed time.Duration
	setter.Go(func() {
		defer stop.Store(true)
		if changes == 0 {
			time.Sleep(time.Second / 2)
			return
		}
		elapsed = t.change(l, changes, names)
		// Elsewhere the load has more threads than there are processors, and the
		// rate is up to the system.
		if rate := float64(changes) / elapsed.Seconds(); rate < 900 && report && !raceEnabled {
			t.errorf("%.0f changes a second", rate)
		}
	})
	f := &fire{l: l, names: names, admitted: make([]atomic.Int64, hot)}
	began := time.Now()
	together(workers, func(w int) { f.until(&stop, w) })
	setter.Wait()
	ops := f.yes.Load() + f.no.Load()
	nanos = perCall(time.Since(began), int(max(ops, 1)))
	for k := range hot {
		for f.ask(k) {
		}
		if n := f.admitted[k].Load(); n != shiftingBurst {
			t.errorf("hot key %d: %d admitted through %d changes, the burst is %d", k, n, changes, shiftingBurst)
		}
	}
	s := t.wantCounts(l, f.yes.Load(), f.no.Load())
	if changes > 0 && s.Migrations < int64(changes) {
		t.errorf("%d changes, but %d migrations", changes, s.Migrations)
	}
	if report {
		t.figuref("%.0f changes a second, %.1f tables moved by each, %d operations meanwhile: %s",
			float64(changes)/elapsed.Seconds(), float64(s.Migrations)/float64(changes), ops, f.watch.percentiles())
	}
	return nanos
}

// A fire is what hot keys are under.
type fire struct {
	l        *weir.Limiter
	names    []string
	admitted []atomic.Int64 // of each
	yes, no  atomic.Int64

	mu    sync.Mutex
	watch stopwatch
}

func (f *fire) ask(k int) bool {
	if f.l.Allow(f.names[k]).Allowed {
		f.admitted[k].Add(1)
		f.yes.Add(1)
		return true
	}
	f.no.Add(1)
	return false
}

// until asks for keys at random until it is stopped, and times some calls.
func (f *fire) until(stop *atomic.Bool, worker int) {
	r := rand.New(rand.NewPCG(uint64(worker), 6))
	var took []int32
	var no int64 // added at the end: refusals are what most calls are
	for i := 0; !stop.Load(); i++ {
		if i%batch == 0 {
			runtime.Gosched() // or the one who sets the quota waits for a processor, not for the limiter
		}
		k := r.IntN(len(f.names))
		timed := i%batch == 0 && len(took) < 1<<20
		var single time.Time
		if timed {
			single = time.Now()
		}
		allowed := f.l.Allow(f.names[k]).Allowed
		if timed {
			took = append(took, int32(min(time.Since(single), math.MaxInt32)))
		}
		if allowed {
			f.admitted[k].Add(1)
			f.yes.Add(1)
		} else {
			no++
		}
	}
	f.no.Add(no)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watch.took = append(f.watch.took, took...)
}

// change sets quotas, one a millisecond, of all keys and of a single one by turns
// too. Who is late catches up. It returns how long it took.
func (t *trial) change(l *weir.Limiter, changes int, names []string) time.Duration {
	began := time.Now()
	for i := range changes {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Millisecond)))
		q := shifting[(i+1)%len(shifting)]
		if err := l.SetQuota(q); err != nil {
			t.errorf("SetQuota: %v", err)
		}
		if d := l.Peek("unseen"); d.Remaining != shiftingBurst || l.Quota() != q {
			t.errorf("after SetQuota(%v): %+v, %v", q, d, l.Quota())
		}
		key := names[i%len(names)]
		switch i / len(names) % 3 {
		case 0:
			_ = l.SetKeyQuota(key, shifting[1])
		case 1:
			_ = l.SetKeyQuota(key, shifting[2])
		case 2:
			l.ClearKeyQuota(key)
		}
	}
	return time.Since(began)
}
