package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// procScenarios run what contends under other numbers of processors.
func procScenarios() []scenario {
	var all []scenario
	for _, procs := range []int{1, 2, 8, 64} {
		all = append(all, scenario{fmt.Sprint("procs-", procs),
			fmt.Sprintf("hammer-64, churn and set-quota, smaller, with GOMAXPROCS=%d", procs),
			"what each of them checks",
			func(t *trial) {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
				contend(t)
			}})
	}
	return all
}

var gcScenarios = []scenario{
	{"gc-forced", "the same while the collector runs all the time, with a target of 1 %",
		"what each of them checks; the collector ran at least 20 times, and more than once in a tenth of a second",
		gcForced},
}

// contend runs the contended scenarios once more, and notes what each cost.
func contend(t *trial) {
	hot, _ := hammerOnce(t, crowd, max(t.n(20_000), 4*batch))
	grow, migrations := churnOnce(t, 8, max(t.n(400_000), fewestOthers))
	set := setQuota(t, max(t.n(500), 40), 8, false)
	t.figuref("hammer %.0f ns an operation, churn %.0f ns with %d migrations, set-quota %.0f ns", hot, grow, migrations, set)
}

func gcForced(t *trial) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var stop atomic.Bool
	var collector sync.WaitGroup
	collector.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	began := now()
	contend(t)
	took := now() - began
	stop.Store(true)
	collector.Wait()
	runtime.ReadMemStats(&after)
	n := after.NumGC - before.NumGC
	if rate := float64(n) / took.Seconds(); n < 20 || rate < 10 && !raceEnabled {
		t.errorf("%d collections in %v", n, took)
	}
	t.figuref("%d collections in %.1f s", n, took.Seconds())
}
