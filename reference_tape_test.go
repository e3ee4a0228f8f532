package weir

import (
	"math"
	"math/rand/v2"
	"time"
)

// A tape is where a trial's choices come from: random bytes without end, or the input of a fuzz target.
type tape struct {
	data []byte
	rng  *rand.Rand // nil: the tape ends with data, and then reads 0
}

func newTape(seed uint64) *tape { return &tape{rng: rand.New(rand.NewPCG(seed, 0x7765697200000000))} }

func (in *tape) done() bool { return in.rng == nil && len(in.data) == 0 }

// upTo is a number in [0, n), of which a fuzzed tape gives the low byte only where n ≤ 256.
func (in *tape) upTo(n uint64) uint64 {
	if in.rng != nil {
		return in.rng.Uint64N(n)
	}
	v := uint64(0)
	for limit := n - 1; limit > 0 && len(in.data) > 0; limit >>= 8 {
		v = v<<8 | uint64(in.data[0])
		in.data = in.data[1:]
	}
	return v % n
}

func (in *tape) one(of int) bool { return in.upTo(uint64(of)) == 0 }

// scaled is a number in [1, most] whose length in bits is uniform: every order of magnitude is as likely as another.
func (in *tape) scaled(most int64) int64 {
	v := int64(1)<<in.upTo(62) | 1
	return min(v+int64(in.upTo(uint64(v))), most)
}

// quota is any valid quota, from one a nanosecond to one in ten years; T·burst may reach its bound exactly.
func (in *tape) quota() Quota {
	const tenYears = 10 * 8766 * int64(time.Hour)
	var q Quota
	switch in.upTo(4) {
	case 0:
		q = Quota{Limit: 1 + int64(in.upTo(10)), Period: time.Second}
	case 1:
		q = Quota{Limit: 300, Period: time.Minute}
	default:
		q = Quota{Limit: in.scaled(1 << 62), Period: time.Duration(in.scaled(tenYears))}
	}
	switch in.upTo(4) {
	case 0:
		q.Burst = 1 + int64(in.upTo(8))
	case 1:
		q.Burst = in.scaled(1 << 62)
	}
	most := int64(1<<61) / intervalOf(q)
	if q.Burst > most || q.Burst == 0 && q.Limit > most {
		q.Burst = most
	}
	return q
}

func intervalOf(q Quota) int64 { return (int64(q.Period)-1)/q.Limit + 1 }

func burstOf(q Quota) int64 {
	if q.Burst == 0 {
		return q.Limit
	}
	return q.Burst
}

// span is a time that matters to the quota: nothing, an interval, the tolerance, both more or less one nanosecond; or any.
func (in *tape) span(q Quota) time.Duration {
	const longest = 1 << 58
	interval := intervalOf(q)
	tolerance := interval * burstOf(q)
	var d int64
	switch in.upTo(8) {
	case 0:
	case 1:
		d = 1
	case 2:
		d = interval + int64(in.upTo(3)) - 1
	case 3:
		d = tolerance + int64(in.upTo(3)) - 1
	case 4:
		d = int64(in.upTo(uint64(interval)))
	case 5:
		d = int64(in.upTo(uint64(tolerance)))
	case 6:
		d = min(interval, longest>>8) * int64(in.upTo(256))
	case 7:
		d = in.scaled(longest)
	}
	return time.Duration(min(max(d, 0), longest))
}

// cost is a number of requests that matters to the quota, most often 1.
func (in *tape) cost(q Quota) int64 {
	burst := burstOf(q)
	switch in.upTo(12) {
	case 0:
		return 0
	case 1:
		return burst
	case 2:
		return burst + 1
	case 3:
		return int64(in.upTo(uint64(burst))) + 1
	case 4:
		return burst/2 + 1
	case 5:
		return [...]int64{-1, math.MinInt64, math.MaxInt64, math.MaxInt64/intervalOf(q) + 1}[in.upTo(4)]
	case 6, 7:
		return 1 + int64(in.upTo(4))
	default:
		return 1
	}
}
