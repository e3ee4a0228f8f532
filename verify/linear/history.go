package linear

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/weirhq/weir"
)

// A Kind is what an operation does.
type Kind uint8

// Place and GiveBack are the two halves of a Wait that was given up while it slept: each is atomic, and between them
// others may come. A Wait that did not sleep is a Place alone.
const (
	Allow Kind = iota
	AllowAt
	Peek
	Refund
	Reset
	Place
	GiveBack
	SetQuota
	SetKeyQuota
	ClearKeyQuota
)

var kindNames = [...]string{"Allow", "AllowAt", "Peek", "Refund", "Reset", "Wait", "GiveBack", "SetQuota", "SetKeyQuota", "ClearKeyQuota"}

func (k Kind) String() string { return kindNames[k] }

// An Input is what a caller asked for, and which readings of the clock it can have been given.
type Input struct {
	Kind   Kind
	Client int
	Key    int // of all keys for SetQuota
	N      int64
	At     int64 // AllowAt's now
	Quota  weir.Quota

	// First and Last are indices into the history's Clock: what it showed just before the call, and just after the return.
	First, Last int
	in          *History

	// Of a GiveBack: Voided if its key was reset after the place was taken, and then it is not given back; Doubtful if
	// that may have been so.
	Voided, Doubtful bool
}

// An Output is what it was told.
type Output struct {
	Decision weir.Decision
	Wait     Outcome
}

// An Outcome is how a Wait went.
type Outcome uint8

const (
	Passed Outcome = iota
	Slept
	Refused
)

// A History is what some callers did to a Limiter at the same time, and what they were told.
type History struct {
	Seed  uint64
	Mode  Mode
	Quota weir.Quota // at the beginning
	Keys  int
	Clock []int64 // every value that the clock showed, in order
	Ops   []porcupine.Operation

	Migrations, Raises int64 // meanwhile
}

// A Mode is what the clock of a history does.
type Mode uint8

const (
	Stopped Mode = iota // the clock stands still: the model is deterministic
	Forward             // it moves while operations run
	Astray              // it moves to and fro
)

func (m Mode) String() string { return [...]string{"stopped", "forward", "astray"}[m] }

// Overlaps is the number of pairs of operations on one key, of different callers, that were under way at the same time.
func (h *History) Overlaps() (n int) {
	for i, a := range h.Ops {
		for _, b := range h.Ops[:i] {
			x, y := a.Input.(*Input), b.Input.(*Input)
			if x.Client != y.Client && (x.Key == y.Key || x.Kind == SetQuota || y.Kind == SetQuota) && a.Call < b.Return && b.Call < a.Return {
				n++
			}
		}
	}
	return n
}

// void marks what must not be given back, and what may be kept: a Reset forgives a place with all else.
func (h *History) void() {
	for _, g := range h.Ops {
		in := g.Input.(*Input)
		if in.Kind != GiveBack {
			continue
		}
		var taken porcupine.Operation
		for _, op := range h.Ops {
			if p := op.Input.(*Input); p.Kind == Place && p.Client == in.Client && op.Return < g.Call && op.Return > taken.Return {
				taken = op
			}
		}
		for _, op := range h.Ops {
			e := op.Input.(*Input)
			if e.Kind == Reset && e.Key == in.Key {
				in.Voided = in.Voided || op.Call > taken.Return && op.Return < g.Call
				in.Doubtful = in.Doubtful || op.Return > taken.Call && op.Call < g.Return
			}
			// What puts a key back while the place is taken looks like a Reset.
			if e.lowers() && (e.Key == in.Key || e.Kind == SetQuota) {
				in.Doubtful = in.Doubtful || op.Return > taken.Call && op.Call < taken.Return
			}
		}
	}
}

func (in *Input) lowers() bool {
	switch in.Kind {
	case Refund, GiveBack, SetQuota, SetKeyQuota, ClearKeyQuota:
		return true
	}
	return false
}

// doubtful reports whether it is left open if some place was given back.
func (h *History) doubtful() bool {
	return slices.ContainsFunc(h.Ops, func(op porcupine.Operation) bool { return op.Input.(*Input).Doubtful })
}

func (h *History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: clock %v %v, quota %v, %d keys, %d migrations\n", h.Seed, h.Mode, h.Clock, h.Quota, h.Keys, h.Migrations)
	for _, op := range h.Ops {
		in := op.Input.(*Input)
		fmt.Fprintf(&b, "  %4d–%4d  caller %d  %s\n", op.Call, op.Return, in.Client, describe(in, op.Output))
	}
	return b.String()
}

func describe(input, output any) string {
	in, out := input.(*Input), output.(Output)
	s := in.Kind.String()
	if in.Kind != SetQuota {
		s += fmt.Sprintf(" key%d", in.Key)
	}
	switch in.Kind {
	case Allow, AllowAt, Refund, Place, GiveBack:
		s += fmt.Sprintf(" ×%d", in.N)
	case SetQuota, SetKeyQuota:
		s += " " + in.Quota.String()
	}
	if in.Kind == AllowAt {
		s += fmt.Sprintf(" at %d", in.At)
	}
	if in.First != in.Last {
		s += fmt.Sprintf(" (clock %v)", in.in.Clock[in.First:in.Last+1])
	}
	switch in.Kind {
	case Allow, AllowAt, Peek:
		d := out.Decision
		s += fmt.Sprintf(" → %t, limit %d, remaining %d, retry %d, reset %d", d.Allowed, d.Limit, d.Remaining, d.RetryAfter, d.ResetAfter)
	case Place:
		s += [...]string{" → passed", " → slept", " → refused"}[out.Wait]
	}
	return s
}

// Check reports whether the history is linearizable under the model. It gives up after a minute, which porcupine.Unknown
// tells.
func (h *History) Check() porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(h.model(), h.Ops, time.Minute)
}

// Draw writes porcupine's picture of the history to a file.
func (h *History) Draw(file string) error {
	m := h.model()
	_, info := porcupine.CheckOperationsVerbose(m, h.Ops, time.Minute)
	return porcupine.VisualizePath(m, info, file)
}
