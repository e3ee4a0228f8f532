//go:build weirsched

package weir

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// This file is what a key should do, one operation at a time, and whether what it
// did at once can be put in such an order (linearizability: Herlihy and Wing, 1990).

// A terms is a quota as the arithmetic sees it.
type terms struct{ limit, interval, burst int64 }

func termsOf(q Quota) terms { return terms{q.Limit, intervalOf(q), burstOf(q)} }

// A seqKey is all there is to a key: where it stands, 0 if never seen, and what
// decides for it.
type seqKey struct {
	tat    int64
	quota  terms
	own    terms
	hasOwn bool
}

func (k *seqKey) terms() terms {
	if k.hasOwn {
		return k.own
	}
	return k.quota
}

type opKind string

const (
	opAllow    opKind = "Allow"
	opPeek     opKind = "Peek"
	opRefund   opKind = "Refund"
	opReset    opKind = "Reset"
	opSetQuota opKind = "SetQuota"
	opSetKey   opKind = "SetKeyQuota"
	opClearKey opKind = "ClearKeyQuota"
	opTake     opKind = "take a place"
	opGive     opKind = "give it back"
)

// An event is one operation as it was seen: what was asked and answered, when it
// was called and when it returned.
type event struct {
	kind   opKind
	worker int
	key    string // "" for SetQuota, which is an operation on every key
	n      int64
	quota  Quota
	asked  int64 // the worker's reading of the clock

	answer    Decision // of Allow and Peek
	place     place    // of taking and giving back
	from, end int      // in order of time
}

func (e *event) String() string {
	what := fmt.Sprintf("worker %d, %3d to %3d: %s", e.worker, e.from, e.end, e.kind)
	switch e.kind {
	case opSetQuota:
		return fmt.Sprintf("%s %v", what, e.quota)
	case opSetKey:
		return fmt.Sprintf("%s of %q, %v", what, e.key, e.quota)
	case opAllow, opPeek:
		return fmt.Sprintf("%s %d of %q at %d: %+v", what, e.n, e.key, e.asked, e.answer)
	case opTake, opGive:
		return fmt.Sprintf("%s of %q: until %d, reached at %d", what, e.key, e.place.after, e.place.ready)
	}
	return fmt.Sprintf("%s %d of %q", what, e.n, e.key)
}

// decide is GCRA by the book, in numbers far from any bound.
func (k *seqKey) decide(n, now, asked int64) (Decision, int64) {
	q := k.terms()
	tolerance := q.interval * q.burst
	stands := max(k.tat, now)
	after := stands + n*q.interval
	d := Decision{Limit: q.limit}
	switch {
	case n*q.interval > tolerance:
		d.RetryAfter, after = Never, stands
	case after <= now+tolerance:
		d.Allowed = true
	default:
		d.RetryAfter, after = dur(after-tolerance-asked), stands
	}
	d.Remaining = max(now+tolerance-after, 0) / q.interval
	if after > now {
		d.ResetAfter = dur(after - asked)
	}
	if !d.Allowed {
		after = k.tat
	}
	return d, after
}

// rescaled keeps the debt at an instant, counted in requests and rounded up.
func rescaled(tat, at int64, from, to terms) int64 {
	if tat <= at || from.interval == to.interval {
		return tat
	}
	debt := (tat - at) * to.interval
	return at + (debt+from.interval-1)/from.interval
}

// after lists where the key may stand once e has happened; none if e cannot have
// answered as it did. clocks are all readings that anybody has. An operation is
// decided at its reading, or at the birth of a table, which is the reading of
// somebody else; and it is for nobody to say of whom. With a stopped clock there is
// one reading, and one answer.
func (k seqKey) after(e *event, clocks []int64) []seqKey {
	var next []seqKey
	add := func(k seqKey) {
		if !slices.Contains(next, k) {
			next = append(next, k)
		}
	}
	for _, now := range clocks {
		// A change of quota takes place at the reading of whoever meets it first.
		change := e.kind == opSetQuota || e.kind == opSetKey || e.kind == opClearKey
		if now < e.asked && !change {
			continue
		}
		m := k
		switch e.kind {
		case opAllow, opPeek:
			d, tat := k.decide(e.n, now, e.asked)
			if e.kind == opPeek {
				free, _ := k.decide(math.MaxInt32, now, e.asked) // what stands
				d.Remaining, d.ResetAfter = free.Remaining, free.ResetAfter
				tat = k.tat
			}
			if m.tat = tat; d != e.answer {
				continue
			}
		case opRefund:
			if k.tat > 0 {
				m.tat = min(k.tat, max(k.tat-e.n*k.terms().interval, now))
			}
		case opReset:
			m.tat = 0
		case opSetQuota:
			if m.quota = termsOf(e.quota); !k.hasOwn {
				m.tat = rescaled(k.tat, now, k.quota, m.quota)
			}
		case opSetKey:
			m.hasOwn, m.own = true, termsOf(e.quota)
			m.tat = rescaled(k.tat, now, k.terms(), m.own)
		case opClearKey:
			m.hasOwn, m.own = false, terms{}
			m.tat = rescaled(k.tat, now, k.terms(), m.quota)
		case opTake:
			m.tat = max(k.tat, now) + e.n*k.terms().interval
			if m.tat != e.place.after || m.tat-k.terms().interval*k.terms().burst != e.place.ready {
				continue
			}
		case opGive:
			if t := k.terms(); k.tat == e.place.after && t.interval == e.place.interval && t.limit == e.place.limit {
				m.tat = max(k.tat-e.place.nanos, now)
			}
		}
		add(m)
	}
	return next
}

// explain looks for an order of the events, each between its call and its return, in
// which a key that starts as given behaves as it was seen to.
func explain(k seqKey, events []*event, clocks []int64) bool {
	if len(events) == 0 {
		return true
	}
	first := math.MaxInt
	for _, e := range events {
		first = min(first, e.end)
	}
	for i, e := range events {
		if e.from > first {
			continue // another one had returned before it was called
		}
		rest := slices.Delete(slices.Clone(events), i, i+1)
		for _, next := range k.after(e, clocks) {
			if explain(next, rest, clocks) {
				return true
			}
		}
	}
	return false
}

func dur(nanos int64) time.Duration { return time.Duration(nanos) }
