package conformance

import (
	"fmt"
	"time"

	"github.com/weirhq/weir"
)

// terms are a quota as a backend enforces it: the arithmetic of the contract, in
// the plainest form. They are what all checks compare with, and share nothing with
// package weir but its types.
type terms struct {
	quota     weir.Quota
	burst     int64
	interval  time.Duration // T
	tolerance time.Duration // T·burst
}

// newTerms rounds T up to a whole resolution.
func newTerms(q weir.Quota, resolution time.Duration) terms {
	interval := over(time.Duration(over(int64(q.Period), q.Limit)), resolution) * resolution
	burst := q.Burst
	if burst == 0 {
		burst = q.Limit
	}
	return terms{q, burst, interval, interval * time.Duration(burst)}
}

// over is a / b, rounded up; a ≥ 0 and b > 0.
func over[N ~int64](a, b N) N {
	if a%b != 0 {
		return a/b + 1
	}
	return a / b
}

func (t terms) String() string { return fmt.Sprintf("under %v, T = %v", t.quota, t.interval) }

// cost is what n requests add to a debt; n is at most the burst, or what some
// other quota's burst has left.
func (t terms) cost(n int64) time.Duration { return t.interval * time.Duration(n) }

// decide is the Decision about a request of cost n of a key that owes debt ≥ 0,
// the time until it is as if never seen. With n = 0 it is Peek's.
func (t terms) decide(debt time.Duration, n int64) weir.Decision {
	d := weir.Decision{Limit: t.quota.Limit}
	switch wait := debt + t.cost(max(n, 1)) - t.tolerance; {
	case n < 0 || n > t.burst:
		d.RetryAfter = weir.Never
	case wait > 0:
		d.RetryAfter = wait
	default:
		d.Allowed = true
		debt += t.cost(n)
	}
	d.ResetAfter = debt
	d.Remaining = int64(max(t.tolerance-debt, 0) / t.interval)
	return d
}

// maxIn is the most that is admitted in a window, both ends included.
func (t terms) maxIn(window time.Duration) int64 { return t.burst + int64(window/t.interval) }

// costs are some from 1 to the burst, each once, its ends among them.
func (t terms) costs() []int64 {
	var costs []int64
	for _, n := range []int64{1, 2, t.burst / 2, t.burst - 1, t.burst} {
		if n >= 1 && n <= t.burst && (len(costs) == 0 || n > costs[len(costs)-1]) {
			costs = append(costs, n)
		}
	}
	return costs
}

// some are quotas of every kind: the usual ones, a T that is not whole, one that is
// a single Resolution, bursts of one, and periods of a month.
func some(resolution time.Duration) []weir.Quota {
	return []weir.Quota{
		weir.PerSecond(10),
		weir.PerMinute(300),
		weir.PerHour(1),
		{Limit: 7, Period: time.Second, Burst: 3},
		{Limit: 1, Period: 1500 * time.Millisecond, Burst: 12},
		{Limit: 1000, Period: 24 * time.Hour, Burst: 20},
		{Limit: 3, Period: 10 * resolution, Burst: 4},
		{Limit: 1, Period: resolution, Burst: 5},
		{Limit: 3, Period: 4 * resolution, Burst: 2},
		{Limit: 5, Period: 720 * time.Hour, Burst: 2},
	}
}

// usual are quotas that services have, with intervals that are not multiples of
// each other.
func usual() []weir.Quota {
	return []weir.Quota{
		weir.PerMinute(300),
		weir.PerSecond(7),
		{Limit: 100, Period: time.Minute, Burst: 3},
		weir.PerHour(11),
		{Limit: 1, Period: time.Second, Burst: 40},
	}
}

// fine are quotas whose T is a few Resolutions, so that all that is rounded shows.
func fine(resolution time.Duration) []weir.Quota {
	return []weir.Quota{
		{Limit: 3, Period: 10 * resolution, Burst: 4},
		{Limit: 1, Period: resolution, Burst: 9},
		{Limit: 1, Period: 7 * resolution, Burst: 3},
		{Limit: 5, Period: 13 * resolution, Burst: 6},
	}
}
