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
	interval  int64 // T, nanoseconds a request earns; ≥ 1
	tolerance int64 // τ = T·burst, nanoseconds; ≤ maxTolerance
	limit     int64 // Quota.Limit, reported in every Decision
}

// newGCRA wants a valid quota.
func newGCRA(q Quota) gcra {
	t := q.interval()
	return gcra{interval: t, tolerance: t * q.burst(), limit: q.Limit}
}

// cost is n·T, and whether it is within the tolerance; where it is not, no
// state of the key could admit it. It wants n ≥ 0.
func (g *gcra) cost(n int64) (nanos int64, possible bool) {
	hi, lo := bits.Mul64(uint64(n), uint64(g.interval))
	return int64(lo), hi == 0 && lo <= uint64(g.tolerance)
}

// A verdict is a [Decision] in four words, which is the most that the compiler
// keeps in registers: a fifth would send every decision through memory, several
// times (18 ns of 60, measured).
type verdict struct {
	retryAfter int64 // nanoseconds; 0 means admitted
	remaining  int64
	resetAfter int64 // nanoseconds
	limit      int64
}

func (v verdict) allowed() bool { return v.retryAfter == 0 }

// into writes the Decision where it is to be returned. A composite literal
// would be written to a temporary first, and copied in other pieces than it was
// written in, which stalls (another 10 ns).
func (v verdict) into(d *Decision) {
	d.Allowed = v.retryAfter == 0
	d.Limit = v.limit
	d.Remaining = v.remaining
	d.RetryAfter = time.Duration(v.retryAfter)
	d.ResetAfter = time.Duration(v.resetAfter)
}

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
// stands at tat. It returns where the key stands afterwards: at tat itself
// when refused.
func (g *gcra) spend(tat, now, n int64) (after int64, v verdict) {
	nanos, possible := g.cost(n)
	stands := max(tat, now)
	room := now + g.tolerance - stands
	v.limit = g.limit
	switch {
	case !possible:
		v.retryAfter = int64(Never)
	case nanos > room:
		v.retryAfter = nanos - room
	default:
		tat = stands + nanos
		stands = tat
		room -= nanos
	}
	v.remaining = g.whole(room)
	v.resetAfter = stands - now
	return tat, v
}

// whole is how many requests fit into room, which is below 0 where a debt is
// left from before the burst was lowered.
func (g *gcra) whole(room int64) int64 {
	if room <= 0 {
		return 0
	}
	return int64(uint64(room) / uint64(g.interval))
}

// peek answers for a request of cost 1 without spending it: what remains, and
// until when, is as it stands.
func (g *gcra) peek(tat, now int64) (v verdict) {
	stands := max(tat, now)
	room := now + g.tolerance - stands
	return verdict{
		retryAfter: max(g.interval-room, 0),
		remaining:  g.whole(room),
		resetAfter: stands - now,
		limit:      g.limit,
	}
}

// reserve takes the next place of cost n behind all that is already spent,
// however far in the future. It returns the instant at which the place is
// reached (at most now if at once), and whether there is such a place: not
// beyond the burst, and not beyond the end of time.
func (g *gcra) reserve(tat, now, n int64) (after, ready int64, ok bool) {
	nanos, possible := g.cost(n)
	stands := max(tat, now)
	if !possible || stands > maxTAT-nanos {
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
	return (debt-1)/g.interval + 1
}
