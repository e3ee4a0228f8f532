package linear

import (
	"math/rand/v2"
	"time"

	"github.com/weirhq/weir"
)

// A plan is what each caller of a history will do. It follows from a seed alone; what comes of it, also from scheduling.
type plan struct {
	seed    uint64
	mode    Mode
	quota   weir.Quota
	keys    int
	clock   []int64
	callers [][]action
	yields  uint64 // which readings of the clock let others go first: bit i, of reading i modulo 64
}

// An action is an operation, or one of these, which bring histories about and are no part of them.
type action struct {
	Input
	chore chore
}

type chore uint8

const (
	none    chore = iota
	filler        // a new key comes and is forgotten: it claims a slot, so that tables are replaced all the time
	lasting       // a new key comes and stays: tables grow
	tick          // the clock moves on to its next value
	look          // Stats
	giveWay
)

// draw is a source of choices.
type draw struct{ *rand.Rand }

func (r draw) one(in int) bool          { return r.IntN(in) == 0 }
func (r draw) from(least, most int) int { return least + r.IntN(most-least+1) }

// quotas are such that an interval never divides another one, bursts are used up within a history, and a request more or
// less is never lost in rounding.
func (r draw) quotaFrom() weir.Quota {
	q := weir.Quota{Limit: int64(r.from(1, 9)), Period: time.Duration(r.from(1, 5_000_000)), Burst: int64(r.from(0, 6))}
	if r.one(4) {
		q.Period = time.Duration(r.from(1, 60)) // T of a few nanoseconds: rounding shows
	}
	return q
}

// start is the limiter's first reading. Not 0, so that times before it exist.
const start = 1_000_000_000

// newPlan draws a plan. A third of the histories have a moving clock.
func newPlan(seed uint64) *plan {
	r := draw{rand.New(rand.NewPCG(seed, 0x76657269667900))}
	p := &plan{seed: seed, quota: r.quotaFrom(), keys: r.from(1, 3), clock: []int64{start}, yields: r.Uint64()}
	if r.one(2) {
		p.yields &= r.Uint64() & r.Uint64()
	}
	callers, each := 2, r.from(5, 9)
	switch r.IntN(4) {
	case 0:
		callers, each = r.from(4, mostClients), r.from(2, 4)
	case 1, 2:
		callers, each = 3, r.from(4, 8)
	}
	switch r.IntN(6) {
	case 0:
		p.mode = Forward
	case 1:
		p.mode = Astray
	}
	setters := r.one(2) // half of the histories change quotas
	p.callers = make([][]action, callers)
	for c := range p.callers {
		for range each {
			for r.one(2) {
				p.callers[c] = append(p.callers[c], p.drawChore(r))
			}
			a := p.drawOperation(r, setters)
			a.Client = c
			p.callers[c] = append(p.callers[c], a)
		}
	}
	return p
}

// span is some time of the order of a few intervals, of either sign.
func (p *plan) span(r draw) int64 {
	q := rulesOf(p.quota)
	if r.one(3) {
		return int64(r.from(-3, 3)) * q.interval
	}
	return r.Int64N(6*q.interval+1) - 3*q.interval
}

func (p *plan) drawChore(r draw) (a action) {
	a.chore = filler
	switch r.IntN(12) {
	case 0:
		a.chore = lasting
	case 1:
		a.chore = look
	case 2, 3:
		a.chore = giveWay
	case 4, 5, 6:
		const mostTicks = 5 // so that few readings are possible for an operation
		if p.mode == Stopped || len(p.clock) > mostTicks {
			break
		}
		a.chore = tick
		last, span := p.clock[len(p.clock)-1], p.span(r)
		if p.mode == Forward {
			span = max(span, -span, 1)
		}
		p.clock = append(p.clock, max(last+span, start))
	}
	return a
}

func (p *plan) drawOperation(r draw, setters bool) (a action) {
	a.Key, a.N = r.IntN(p.keys), int64(r.from(1, 3))
	if setters && r.one(6) {
		a.Quota = r.quotaFrom()
		a.Kind = []Kind{SetQuota, SetQuota, SetKeyQuota, ClearKeyQuota}[r.IntN(4)]
		return a
	}
	switch r.IntN(16) {
	case 0, 1, 2:
		a.Kind = AllowAt
		a.At = p.clock[r.IntN(len(p.clock))] + p.span(r)
		if r.one(8) {
			a.N = int64(r.from(-1, 0))
		}
	case 3, 4:
		a.Kind = Peek
	case 5, 6:
		a.Kind = Refund
	case 7:
		a.Kind = Reset
	case 8, 9:
		a.Kind = Place
	case 10:
		a.Kind, a.N = Allow, int64(r.from(-1, 9))
	default:
		a.Kind, a.N = Allow, 1
	}
	return a
}
