package weir

import (
	"math"
	"math/bits"
	"time"
)

// This file is the arithmetic of the generic cell rate algorithm (ITU-T I.371,
// annex A; the "virtual scheduling" form) and nothing else: no clock, no
// atomics, no table.
//
// A key's whole state is one number, its theoretical arrival time (TAT): the
// instant at which everything it consumed will have been earned. A request of
// cost n at the instant now moves it from tat to max(tat, now) + n·T, and is
// admitted if that stays within now + τ, where τ = T·burst.
//
//	         now                tat                 now + τ
//	──────────┼──────────────────┼─────────────────────┼──────▶ time
//	          ├──── debt ────────┼────── room ─────────┤
//	          T T T T T consumed   T T T T T T admissible
//
// All instants are readings of a clock in nanoseconds, in [1, maxReading]. The
// bounds below keep every sum inside an int64:
//
//	now + τ            ≤ 2^62 + 2^61            = maxTAT
//	tat                ≤ maxTAT
//	maxTAT + nT        is never computed: room is compared with nT instead
const (
	maxTolerance = 1 << 61              // τ; 73 years
	maxReading   = 1 << 62              // now; 146 years
	maxTAT       = 1<<62 + maxTolerance // tat
)

// Never is the RetryAfter of a request that can never be admitted, because its
// cost exceeds the burst or is negative.
const Never = time.Duration(math.MaxInt64)

// gcra is a quota made ready for deciding.
type gcra struct {
	interval  int64  // T, nanoseconds a request earns; ≥ 1
	tolerance int64  // τ = T·burst, nanoseconds; ≤ maxTolerance
	limit     int64  // Quota.Limit, reported in every Decision
	perNano   uint64 // ⌊(2^64 − 1) / T⌋: a division of the decision made into a multiplication
}

// newGCRA wants a valid quota.
func newGCRA(q Quota) gcra {
	t := q.interval()
	return gcra{interval: t, tolerance: t * q.burst(), limit: q.Limit, perNano: math.MaxUint64 / uint64(t)}
}

// price is what a request of cost n ≥ 0 raises a TAT by, and the latest TAT, or
// instant if that is later, from which it is admitted at the instant now. It is
// below 0 where no state of the key could admit it.
func (g *gcra) price(now, n int64) (nanos, latest int64) {
	hi, lo := bits.Mul64(uint64(n), uint64(g.interval))
	nanos = int64(lo)
	if hi != 0 || lo > uint64(g.tolerance) {
		return nanos, -1
	}
	return nanos, now + g.tolerance - nanos
}

// A verdict is what a decision says, in four words: that is the most that the
// compiler keeps in registers.
type verdict struct {
	retryAfter int64 // nanoseconds; 0 means admitted
	limit      int64
	remaining  int64
	resetAfter int64 // nanoseconds
}

func (v verdict) allowed() bool { return v.retryAfter == 0 }

// late adds the time by which the instant of the decision lies after the one
// that the caller counts from. What is due at once is due at once then too.
func (v verdict) late(nanos int64) verdict {
	if nanos != 0 {
		v.retryAfter = addLate(v.retryAfter, nanos)
		v.resetAfter = addLate(v.resetAfter, nanos)
	}
	return v
}

func addLate(after, nanos int64) int64 {
	const longest = int64(Never) - 1
	if after == 0 || after == int64(Never) {
		return after
	}
	return min(after, longest-nanos) + nanos
}

// spend decides a request of cost n ≥ 1 at the instant now, of a key that
// stands at tat. It returns where the key stands afterwards, at tat itself when
// refused, and the time after which it would be admitted, 0 when it is.
func (g *gcra) spend(tat, now, n int64) (after, retryAfter int64) {
	nanos, latest := g.price(now, n)
	stands := max(tat, now)
	if stands <= latest {
		return stands + nanos, 0
	}
	return tat, wait(stands, latest)
}

// wait is the RetryAfter of a key that stands later than it should.
func wait(stands, latest int64) int64 {
	if latest < 0 {
		return int64(Never)
	}
	return stands - latest
}

// tell completes what spend decided: what remains to a key that stands at tat.
// There may be less than no room: a debt from before the burst was lowered.
func (g *gcra) tell(tat, now, retryAfter int64) verdict {
	stands := max(tat, now)
	room := now + g.tolerance - stands
	return verdict{retryAfter, g.limit, g.whole(max(room, 0)), stands - now}
}

// whole is ⌊room / T⌋ for room ≥ 0. By the reciprocal it is 2 ns faster than
// the division, and at most one too small: room·perNano / 2^64 is less than
// room / T by less than (room / 2^64)·(1 + 1/T) < 1.
func (g *gcra) whole(room int64) int64 {
	if room < g.interval {
		return 0 // so it is after most refusals, and known at once
	}
	q, _ := bits.Mul64(uint64(room), g.perNano)
	n := int64(q)
	if room-n*g.interval >= g.interval {
		n++
	}
	return n
}

// peek answers for a request of cost 1 without spending it: what remains, and
// until when, is as it stands.
func (g *gcra) peek(tat, now int64) verdict {
	_, retryAfter := g.spend(tat, now, 1)
	return g.tell(tat, now, retryAfter)
}

// reserve takes the next place of cost n behind all that is already spent,
// however far in the future. It returns the instant at which the place is
// reached (at most now if at once), and whether there is such a place: not
// beyond the burst, and not beyond the end of time.
func (g *gcra) reserve(tat, now, n int64) (after, ready int64, ok bool) {
	nanos, latest := g.price(now, n)
	stands := max(tat, now)
	if latest < 0 || stands > maxTAT-nanos {
		return tat, 0, false
	}
	after = stands + nanos
	return after, after - g.tolerance, true
}

// refund gives back n ≥ 1 spent requests, but never more than would leave the
// key where an unseen one stands, at floor.
func (g *gcra) refund(tat, floor, n int64) int64 {
	if tat <= floor {
		return tat
	}
	hi, lo := bits.Mul64(uint64(n), uint64(g.interval))
	if hi != 0 || lo >= uint64(tat-floor) {
		return floor
	}
	return tat - int64(lo)
}

// rescale turns a TAT under g into the TAT of the same debt under to, around
// the instant at: what was consumed stays consumed, in requests, whatever a
// request now costs. It rounds the debt up, so that no sequence of rescalings
// forgives anything, and saturates at maxTAT. What is not after at is no debt and
// stays as it is.
func (g *gcra) rescale(tat int64, to *gcra, at int64) int64 {
	if tat <= at || g.interval == to.interval {
		return tat
	}
	hi, lo := bits.Mul64(uint64(tat-at), uint64(to.interval))
	if hi >= uint64(g.interval) {
		return maxTAT
	}
	debt, rest := bits.Div64(hi, lo, uint64(g.interval))
	if rest != 0 {
		debt++
	}
	if debt > uint64(maxTAT-at) {
		return maxTAT
	}
	return at + int64(debt)
}

// forgiven is how many requests more a key may make when a debt of that many
// nanoseconds is dropped: ⌈debt / T⌉, 0 where there is none.
func (g *gcra) forgiven(debt int64) int64 {
	if debt <= 0 {
		return 0
	}
	return g.whole(debt-1) + 1
}
