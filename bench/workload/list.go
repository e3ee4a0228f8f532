package workload

import (
	"math"
	"runtime"
	"time"

	"github.com/weirhq/weir/bench/subject"
)

const million = 1_000_000

// Quotas. Where a quota earns one request an hour, nothing is earned while a
// workload runs, so what must be admitted is known exactly. The first one's
// interval is a nanosecond and its burst an hour of that: nobody is refused.
func always(Setup) subject.Config { return quota(3_600e9, time.Hour, 1<<10) }
func once(Setup) subject.Config   { return quota(1, 24*time.Hour, 1<<10) }

func quota(limit int64, period time.Duration, maxKeys int) subject.Config {
	return subject.Config{Limit: limit, Period: period, MaxKeys: maxKeys}
}

// hourly admits 300 and then one an hour, to that many keys and some more.
func hourly(keys int) func(Setup) subject.Config {
	return func(s Setup) subject.Config { return quota(300, 300*time.Hour, sized(keys, s)+1<<10) }
}

// All are the workloads in the order of the report.
func All() []Workload {
	all := []Workload{
		{Name: "hot-admitted-1", What: "one key, one caller, all admitted", Procs: 1, config: always, run: hot},
		{Name: "hot-admitted-2", What: "one key, two callers, all admitted", Procs: 2, config: always, run: hot},
		{Name: "hot-admitted-all", What: "one key, a caller on each core, all admitted", config: always, run: hot},
		{Name: "hot-refused-1", What: "one key, one caller, all but the first refused", Procs: 1, bad: true, config: once, run: hot},
		{Name: "hot-refused-2", What: "one key, two callers, all but the first refused", Procs: 2, bad: true, config: once, run: hot},
		{Name: "hot-refused-all", What: "one key, a caller on each core, all but the first refused", bad: true, config: once, run: hot},
		{Name: "uniform", What: "1 M live keys at random, all admitted", Procs: 1, keyed: true,
			config: hourly(million), run: uniform(million)},
		{Name: "zipf", What: "1 M live keys, the k-th most frequent one k^-1.1 as often as the first, which is mostly refused", Procs: 1,
			keyed: true, bad: true, config: hourly(million), run: zipf(million)},
		{Name: "mix", What: "a caller on each core: 75 % from 100,000 clients (Zipf), 15 % from 8 abusers, 10 % never-seen keys",
			keyed: true, bad: true, config: hourly(3 * million), run: mix},
		{Name: "grow-1M", What: "1 M new keys, from nothing", Procs: 1, keyed: true, config: hourly(million), run: grow(million)},
		{Name: "grow-10M", What: "10 M new keys, from nothing", Procs: 1, keyed: true, Big: true,
			config: hourly(10 * million), run: grow(10 * million)},
		{Name: "flood", What: "2 M never-seen keys as fast as possible, 20 times as many as MaxKeys; then 100 keys come back that had spent their burst",
			Procs: 1, keyed: true, bad: true, config: minutely, run: flood},
		{Name: "hot-under-flood", What: "one hot key that is refused, while another caller sends never-seen keys",
			Procs: 1, keyed: true, bad: true, config: underFlood, run: hotUnderFlood},
		{Name: "flood-memory", What: "250,000 never-seen keys a second for three periods of the quota, then 1,000 a second for three more",
			Procs: 1, keyed: true, config: paced, run: pacedFlood},
	}
	for _, length := range []int{8, 16, 36, 256} {
		all = append(all, Workload{Name: "keys-" + itoa(length), What: "1,024 live keys of " + itoa(length) + " bytes", Procs: 1,
			keyed: true, config: wide, run: keyLength(length)})
	}
	all = append(all, Workload{Name: "addresses", What: "1,024 live netip.Addr, every fourth of them IPv6", Procs: 1,
		keyed: true, config: wide, run: addresses})
	return distinct(all)
}

// distinct leaves out what is the same on this machine: all cores, if they are
// two or one, and two, if there is one.
func distinct(all []Workload) []Workload {
	cores := runtime.GOMAXPROCS(0)
	var some []Workload
	for _, w := range all {
		isHot := w.Name == "hot-admitted-all" || w.Name == "hot-refused-all"
		if isHot && cores <= 2 || w.Procs > cores {
			continue
		}
		some = append(some, w)
	}
	return some
}

// wide never refuses, and its keys stay alive.
func wide(Setup) subject.Config { return quota(math.MaxInt32, math.MaxInt32*time.Second, 1<<12) }
