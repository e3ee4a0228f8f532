package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

var hammerScenarios = []scenario{
	{"hammer-64", "one key hammered by 64 goroutines",
		"with a stopped clock it admits its burst exactly; at one instant all 64 were between their first call and their last, and the " +
			"key passed from one to another thousands of times; Stats count what the callers saw",
		hammer},
	{"hammer-64-running", "the same with the limiter's own clock",
		"at most MaxIn of the time that passed is admitted, and at least 95 % of it; all 64 overlapped",
		hammerRunning},
	{"churn", "40 keys under constant fire while single-use keys make every shard migrate again and again",
		"each of the 40 admits its burst exactly; every single-use key has its whole burst; there were hundreds of migrations",
		churn},
}

const crowd = 64

// A mob is goroutines that call at once, and the evidence that they did.
type mob struct {
	last     atomic.Int64 // who called last, as far as batches tell
	switches atomic.Int64 // how often it was another one than before
	lateBy   atomic.Int64 // when the last one began
	earlyBy  atomic.Int64 // when the first one ended
}

// batch is how many calls a goroutine makes before it lets others go on: with
// few processors, 64 goroutines would else come one after the other.
const batch = 64

// run lets n goroutines make calls calls each, of which there are more than a batch. It returns how long all took.
func (m *mob) run(n, calls int, call func(worker int)) time.Duration {
	m.last.Store(-1)
	m.lateBy.Store(0)
	m.earlyBy.Store(int64(1) << 62)
	began := time.Now()
	var begun sync.WaitGroup
	begun.Add(n)
	together(n, func(w int) {
		raiseTo(&m.lateBy, int64(time.Since(began)))
		for i := range calls {
			if i == batch {
				begun.Done()
				begun.Wait() // nobody is through before all have begun
			}
			if i%batch == 0 {
				if m.last.Swap(int64(w)) != int64(w) {
					m.switches.Add(1)
				}
				runtime.Gosched()
			}
			call(w)
		}
		ended := int64(time.Since(began))
		for old := m.earlyBy.Load(); ended < old && !m.earlyBy.CompareAndSwap(old, ended); old = m.earlyBy.Load() {
		}
	})
	return time.Since(began)
}

func raiseTo(a *atomic.Int64, v int64) {
	for old := a.Load(); v > old && !a.CompareAndSwap(old, v); old = a.Load() {
	}
}

// check demands that the goroutines overlapped.
func (m *mob) check(t *trial, n, calls int) {
	if n > 1 && (m.lateBy.Load() >= m.earlyBy.Load() || m.switches.Load() < int64(n*calls/batch/4)) {
		t.errorf("the goroutines came one after the other: the last began at %v, the first ended at %v, %d switches",
			time.Duration(m.lateBy.Load()), time.Duration(m.earlyBy.Load()), m.switches.Load())
	}
}

func hammer(t *trial) {
	calls := max(t.n(100_000), 4*batch)
	nanos, switches := hammerOnce(t, crowd, calls)
	own := make([]string, crowd)
	for w := range own {
		own[w] = fmt.Sprint("ordinary ", w)
	}
	l := t.limiter(hammerQuota(crowd*calls), newHand().option())
	var m mob
	took := m.run(crowd, calls, func(w int) { l.Allow(own[w]) })
	t.figuref("%s, of a key each; the key went from one goroutine to another %d times",
		ratio(nanos, perCall(took, crowd*calls)), switches)
}

// hammerQuota has a burst that is a quarter of the calls.
func hammerQuota(calls int) weir.Quota {
	return weir.Quota{Limit: int64(calls / 4), Period: time.Hour, Burst: int64(calls / 4)}
}

func perCall(took time.Duration, calls int) float64 {
	return float64(took) * float64(min(runtime.GOMAXPROCS(0), runtime.NumCPU())) / float64(calls)
}

// hammerOnce checks the closed form: a quarter of all calls is admitted.
func hammerOnce(t *trial, n, calls int) (nanos float64, switches int64) {
	q := hammerQuota(n * calls)
	l := t.limiter(q, newHand().option())
	var m mob
	admitted := make([]struct {
		n int64
		_ [56]byte // a cache line each
	}, n)
	took := m.run(n, calls, func(w int) {
		if l.Allow("hot").Allowed {
			admitted[w].n++
		}
	})
	m.check(t, n, calls)
	total := int64(0)
	for i := range admitted {
		total += admitted[i].n
	}
	if total != q.Burst {
		t.errorf("%d goroutines: %d admitted, the burst is %d", n, total, q.Burst)
	}
	t.wantCounts(l, total, int64(n*calls)-total)
	return perCall(took, n*calls), m.switches.Load()
}

func hammerRunning(t *trial) {
	calls := max(t.n(100_000), 4*batch)
	// The burst is earned in a second, so that a shorter pause loses nothing.
	q := weir.PerSecond(int64(crowd * calls / 8))
	l := t.limiter(q)
	var m mob
	var admitted, refused atomic.Int64
	ask := func(int) {
		if l.Allow("hot").Allowed {
			admitted.Add(1)
		} else {
			refused.Add(1)
		}
	}
	from := l.Now()
	took := m.run(crowd, calls, ask)
	for no := refused.Load(); refused.Load() == no; {
		ask(0) // what was earned while the last ones ended
	}
	most := q.MaxIn(l.Now() - from)
	m.check(t, crowd, calls)
	n := admitted.Load()
	if n > most || n < most*95/100 {
		t.errorf("%d admitted in %v, MaxIn is %d", n, took, most)
	}
	t.wantCounts(l, n, refused.Load())
	t.figuref("%.0f ns an operation; %d of %d admitted, MaxIn of the time that passed is %d", perCall(took, crowd*calls), n, crowd*calls, most)
}

func churn(t *trial) {
	nanos, migrations := churnOnce(t, 8, max(t.n(2_000_000), fewestOthers))
	t.figuref("%.0f ns an operation, %d migrations", nanos, migrations)
}

// fewestOthers make every shard migrate, even if there are so many shards as 64
// processors want.
const fewestOthers = 150_000

// churnOnce fires at a few keys while others make the tables grow.
func churnOnce(t *trial, workers, others int) (nanos float64, migrations int64) {
	const hot, burst = 40, 500
	l := t.limiter(weir.Quota{Limit: burst, Period: time.Hour}, newHand().option(), weir.WithMaxKeys(2*others))
	var admitted, refused [hot]atomic.Int64
	names := make([]string, hot)
	for k := range names {
		names[k] = fmt.Sprint("hot ", k)
	}
	ask := func(k int) {
		if l.Allow(names[k]).Allowed {
			admitted[k].Add(1)
		} else {
			refused[k].Add(1)
		}
	}
	each := others / workers
	calls := atomic.Int64{}
	began := time.Now()
	together(workers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), 4))
		for i := range each {
			if d := l.Allow(fmt.Sprint("other ", w, " ", i)); !d.Allowed || d.Remaining != burst-1 {
				t.errorf("a key never seen: %+v", d)
			}
			ask(r.IntN(hot))
			ask(r.IntN(hot))
		}
		calls.Add(int64(3 * each))
	})
	took := time.Since(began)
	total, no := int64(workers*each), int64(0)
	for k := range hot {
		for range burst { // whatever chance left over
			ask(k)
		}
		if n := admitted[k].Load(); n != burst {
			t.errorf("hot key %d: %d admitted, the burst is %d", k, n, burst)
		}
		total += admitted[k].Load()
		no += refused[k].Load()
	}
	s := t.wantCounts(l, total, no)
	if s.Migrations < 100 || s.Keys != int64(workers*each+hot) {
		t.errorf("%+v: the tables hardly migrated", s)
	}
	return perCall(took, int(calls.Load())), s.Migrations
}
