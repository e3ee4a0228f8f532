package linear

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/weirhq/weir"
)

// This file is the sequential limiter, for one key at a time: what the contract says that each operation does to it and
// tells its caller. Every field of every Decision has to be as computed here.
//
// With a stopped clock it is deterministic, but for places beside which there was a Reset (see giveBack). With a moving one it is not, in two things only, which no caller can know:
//
//   - which of the readings that the clock gave between call and return an operation was given: Input.First to Last;
//   - when the key's table was made. No operation decides with a reading older than that (see Limiter.AllowAt), so it shows,
//     but only when the clock steps back or a time is the caller's. The model's born is what is known of it: it never
//     falls, and is always a reading that the clock has given by then.
//
// Two more things are checked with a clock that only moves forward. Readings older than the table are renewed once, so
// nobody decides with what the clock showed first unless the table is no younger (see instants). And a debt is rescaled around
// a reading from after it was final, so not before any that made it (state.last). But a TAT that was
// lowered and raised to the very same again looks to SetKeyQuota as if it had stood still; it then counts from before both,
// and the model does not ask for more.

// mostClients bounds the callers of a history.
const mostClients = 8

// A state is one key's.
type state struct {
	quota rules // of the limiter
	born  int64 // of the key's table, at least
	tat   int64 // not below floor

	// With a clock that moves forward:
	last    int64 // the latest reading that anybody spent at
	lowered bool  // the TAT has been lowered since a setter

	own    bool
	rules  rules // the key's own
	since  int64 // when they began
	left   int64 // when the last ones ended
	places [mostClients]place
}

// A place is what a sleeping Wait holds.
type place struct {
	rules rules
	after int64 // the TAT that it wrote
}

// deciding is the quota that decides.
func (s *state) deciding() rules {
	if s.own {
		return s.rules
	}
	return s.quota
}

// floor is where the key stands if never seen, as far as anybody can tell: no operation decides at an earlier instant.
func (s *state) floor() int64 {
	if s.own {
		return s.since
	}
	return s.born
}

// at puts the key into a table born then, which it is moved into without any caller's knowledge.
func (s state) at(born int64) state {
	s.born = born
	if !s.own {
		s.tat = max(s.tat, born)
	}
	return s
}

// births are when the key's table can have been made, for an operation in.
func (s *state) births(in *Input) []int64 {
	list := []int64{s.born}
	for _, t := range in.in.Clock[:in.Last+1] {
		if t > s.born && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

// readings are what the operation can have taken for the present.
func (in *Input) readings() []int64 {
	if in.Kind == AllowAt {
		return []int64{in.At}
	}
	if in.First == in.Last {
		return in.in.Clock[in.First : in.First+1]
	}
	list := slices.Clone(in.in.Clock[in.First : in.Last+1])
	slices.Sort(list)
	return slices.Compact(list)
}

// An instant is when an operation may have taken place.
type instant struct {
	now, asked int64
	born       int64
}

// instants are all that the operation can have seen.
func (s *state) instants(in *Input) (list []instant) {
	for _, born := range s.births(in) {
		least := born
		if s.own {
			least = s.since
		}
		for _, asked := range in.readings() {
			i := instant{max(asked, least), asked, born}
			if asked < least && in.renews(s.own) && in.in.Mode == Forward && asked == in.in.Clock[in.First] {
				continue // it would have read the clock once more
			}
			list = append(list, i)
			if in.peeks() && !s.own && asked < s.left {
				// Or it met the key on its way back from its own quota, whose end counts then.
				list = append(list, instant{max(i.now, s.left), asked, born})
			}
		}
		if s.own {
			break // tables do not matter
		}
	}
	return list
}

// renews reports whether the operation reads the clock once more when its reading is older than what the key stands in.
// Peek does so for tables only; for a key with a quota of its own it counts from its one reading, which is no less exact.
func (in *Input) renews(own bool) bool { return in.Kind != AllowAt && !(in.peeks() && own) }

// peeks reports whether the operation spends nothing, whatever it finds.
func (in *Input) peeks() bool { return in.Kind == Peek || in.Kind <= AllowAt && in.N <= 0 }

// step is what the operation can make of the key, if it was told out.
func (s *state) step(in *Input, out *Output) []any {
	switch in.Kind {
	case Allow, AllowAt, Peek:
		return s.decide(in, out)
	case Place:
		return s.takePlace(in, out)
	case SetQuota:
		return s.setQuota(in)
	case SetKeyQuota, ClearKeyQuota:
		return s.setOwn(in)
	}
	// The others tell nothing, and where they put the key does not depend on the instant.
	after := *s
	switch in.Kind {
	case Refund:
		if in.N > 0 {
			after.tat = s.deciding().refund(s.tat, s.floor(), in.N)
		}
		after.lowered = in.in.Mode == Forward
	case Reset:
		after.tat, after.lowered = s.floor(), in.in.Mode == Forward
	case GiveBack:
		return s.giveBack(in)
	}
	return []any{after}
}

// giveBack gives a place back if nobody stands behind it, and not if it is void. Where a Reset came at the same time as
// either half of the Wait, both may be.
func (s *state) giveBack(in *Input) []any {
	p := s.places[in.Client]
	kept := *s
	kept.places[in.Client] = place{}
	if in.Voided || p.rules != s.deciding() || p.after != s.tat {
		return []any{kept}
	}
	given := kept
	given.tat, given.lowered = p.rules.refund(s.tat, s.floor(), in.N), in.in.Mode == Forward
	if in.Doubtful {
		return []any{given, kept}
	}
	return []any{given}
}

func (s *state) decide(in *Input, out *Output) (states []any) {
	n := in.N
	if in.Kind == Peek {
		n = 0
	}
	for _, i := range s.instants(in) {
		after := s.at(i.born)
		d, tat := s.deciding().decide(after.tat, i.now, i.asked, n)
		if n < 0 {
			d.Allowed, d.RetryAfter = false, weir.Never
		}
		if d == out.Decision {
			if after.tat = tat; d.Allowed && n > 0 {
				after.spentAt(in, i.asked)
			}
			states = add(states, after)
		}
	}
	return states
}

func (s *state) takePlace(in *Input, out *Output) (states []any) {
	readings := in.readings()
	for _, i := range s.instants(in) {
		after := s.at(i.born)
		tat, ready, ok := s.deciding().reserve(after.tat, i.now, in.N)
		switch {
		case !ok:
			if out.Wait == Refused {
				states = add(states, after)
			}
			continue
		// Awake, it has read the clock once more.
		case out.Wait == Passed && ready <= readings[len(readings)-1]:
		case out.Wait == Slept && ready > readings[0]:
			after.places[in.Client] = place{s.deciding(), tat}
		default:
			continue
		}
		after.tat = tat
		after.spentAt(in, i.asked)
		states = add(states, after)
	}
	return states
}

// spentAt notes a reading that made a debt.
func (s *state) spentAt(in *Input, reading int64) {
	if in.in.Mode == Forward && in.Kind != AllowAt {
		s.last = max(s.last, reading)
	}
}

// setQuota: the debt is rescaled around the birth of a table made for the new quota, during the call.
func (s *state) setQuota(in *Input) (states []any) {
	to := rulesOf(in.Quota)
	if to == s.quota {
		return []any{*s}
	}
	readings := in.readings()
	for _, born := range s.births(in) {
		if born < readings[0] || !s.own && born < s.last {
			continue
		}
		after := s.at(born)
		if !s.own {
			after.tat = s.quota.rescale(after.tat, born, to)
		}
		after.quota, after.lowered = to, false
		states = add(states, after)
	}
	return states
}

// setOwn: the debt is rescaled around a reading of the clock during the call, but not before the birth of what held it.
func (s *state) setOwn(in *Input) (states []any) {
	if in.Kind == ClearKeyQuota && !s.own {
		return []any{*s}
	}
	births := s.births(in)
	if s.own {
		births = births[:1]
	}
	for _, born := range births {
		for _, now := range in.readings() {
			after := s.at(born)
			at := max(now, after.floor())
			if at < s.last && (s.own || !s.lowered) {
				continue
			}
			to := s.quota
			if in.Kind == SetKeyQuota {
				to = rulesOf(in.Quota)
				after.own, after.rules, after.since = true, to, at
			} else {
				after.own, after.rules, after.since, after.left = false, rules{}, 0, at
			}
			after.tat = max(s.deciding().rescale(after.tat, at, to), at, after.floor())
			after.lowered = false
			states = add(states, after)
		}
	}
	return states
}

func add(states []any, s state) []any {
	if slices.Contains(states, any(s)) {
		return states
	}
	return append(states, s)
}

// model is that of one key: histories are linearizable if they are so for each key alone. SetQuota, which is atomic for each
// key and not across keys, stands in the history of each.
func (h *History) model() porcupine.Model {
	n := porcupine.NondeterministicModel{
		Partition: h.partition,
		Init: func() []any {
			return []any{state{quota: rulesOf(h.Quota), born: h.Clock[0], tat: h.Clock[0]}}
		},
		Step: func(st, input, output any) []any {
			s, out := st.(state), output.(Output)
			return s.step(input.(*Input), &out)
		},
		DescribeOperation: describe,
		DescribeState: func(x any) string {
			s := x.(state)
			return fmt.Sprintf("stands at %d under %v, born %d", s.tat, s.deciding(), s.floor())
		},
	}
	m := n.ToModel()
	if h.Mode == Stopped && !h.doubtful() {
		m = h.deterministic(m)
	}
	return m
}

// deterministic is the model with a stopped clock, which is faster to check: no sets of states.
func (h *History) deterministic(m porcupine.Model) porcupine.Model {
	m.Init = func() any { return state{quota: rulesOf(h.Quota), born: h.Clock[0], tat: h.Clock[0]} }
	m.Step = func(st, input, output any) (bool, any) {
		s, out := st.(state), output.(Output)
		states := s.step(input.(*Input), &out)
		if len(states) > 1 {
			panic("with a stopped clock there is one outcome")
		}
		if len(states) == 0 {
			return false, nil
		}
		return true, states[0]
	}
	m.StepContext, m.Hash = nil, nil
	m.Equal = func(a, b any) bool { return a.(state) == b.(state) }
	m.DescribeState = func(x any) string {
		s := x.(state)
		return fmt.Sprintf("stands at %d under %v", s.tat, s.deciding())
	}
	return m
}

func (h *History) partition(ops []porcupine.Operation) [][]porcupine.Operation {
	parts := make([][]porcupine.Operation, h.Keys)
	for _, op := range ops {
		in := op.Input.(*Input)
		for key := range parts {
			if in.Key == key || in.Kind == SetQuota {
				parts[key] = append(parts[key], op)
			}
		}
	}
	return parts
}
