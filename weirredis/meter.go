package weirredis

import (
	"strconv"
	"time"

	"github.com/weirhq/weir"
)

// Everything on the server is counted in whole microseconds: its clock shows no
// less, and Lua's numbers are exact up to 2^53.
const (
	maxTolerance = 1 << 51 // µs; 71 years. See lua/read.lua for the sums it is in
	longestDebt  = 1 << 52 // µs; longest in lua/read.lua
)

// A meter is a quota made ready for deciding: the arithmetic of GCRA over a debt,
// which is how far a key's theoretical arrival time is ahead of the clock. The
// server keeps the debts; what they mean is worked out here. It never changes.
type meter struct {
	quota     weir.Quota
	interval  int64 // µs that a request costs
	tolerance int64 // µs; interval times burst
	burst     int64

	// The arguments of the scripts, written out once.
	intervalArg, toleranceArg string
}

// newMeter wants a quota that the scripts can keep. The interval is rounded up to
// whole microseconds, so never more is admitted than the quota says, and less by at
// most a millionth of a second a request. A quota of more than a million a second
// would lose most of itself, and is an error.
func newMeter(q weir.Quota) (*meter, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	m := &meter{quota: q, burst: q.Burst}
	if m.burst == 0 {
		m.burst = q.Limit
	}
	micros := (int64(q.Period)-1)/int64(time.Microsecond) + 1
	if q.Limit > micros || int64(q.Period)/q.Limit < int64(time.Microsecond) {
		return nil, &ConfigError{"quota", q.String(), "at most one request a microsecond, which is as fine as the server's clock shows"}
	}
	// ⌈Period/Limit⌉ in µs is ⌈⌈Period⌉/Limit⌉: rounding up twice is rounding up once.
	m.interval = (micros-1)/q.Limit + 1
	if m.burst > maxTolerance/m.interval {
		return nil, &ConfigError{"quota", q.String(), "a burst that is earned in at most 2^51 µs, which is 71 years"}
	}
	m.tolerance = m.interval * m.burst
	m.intervalArg = strconv.FormatInt(m.interval, 10)
	m.toleranceArg = strconv.FormatInt(m.tolerance, 10)
	return m, nil
}

// cost is what n requests cost. It wants n ≥ 0; more than the burst is no cost that
// could ever be paid.
func (m *meter) cost(n int64) (micros int64, payable bool) {
	if n > m.burst {
		return 0, false
	}
	return n * m.interval, true
}

// admitted is the Decision for a request that brought the debt there.
func (m *meter) admitted(debt int64) weir.Decision {
	return weir.Decision{Allowed: true, Limit: m.quota.Limit, Remaining: m.whole(debt), ResetAfter: micros(debt)}
}

// refused is the Decision for a request of that cost, at a debt with which it does
// not fit.
func (m *meter) refused(debt, cost int64) weir.Decision {
	return weir.Decision{Limit: m.quota.Limit, Remaining: m.whole(debt), RetryAfter: micros(debt + cost - m.tolerance), ResetAfter: micros(debt)}
}

// refusedNanos is refused at a debt that this process knows to the nanosecond.
func (m *meter) refusedNanos(debtNanos, costMicros int64) weir.Decision {
	d := m.refused(microsUp(time.Duration(debtNanos)), costMicros)
	d.RetryAfter = time.Duration(debtNanos) + micros(costMicros-m.tolerance)
	d.ResetAfter = time.Duration(debtNanos)
	return d
}

// peeked answers for a request of cost 1 without spending it.
func (m *meter) peeked(debt int64) weir.Decision {
	if debt+m.interval > m.tolerance {
		return m.refused(debt, m.interval)
	}
	return m.admitted(debt)
}

// whole is how many requests fit beside a debt.
func (m *meter) whole(debt int64) int64 { return max(m.tolerance-debt, 0) / m.interval }

// micros is at most longestDebt + maxTolerance, of which a Duration holds the
// nanoseconds: 2^52 + 2^51 of them are 213 years.
func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// microsUp is a time in whole microseconds, rounded up.
func microsUp(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return (int64(d)-1)/int64(time.Microsecond) + 1
}
