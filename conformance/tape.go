package conformance

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

var modelled = []check{
	{"a random sequence of operations agrees with the model", plainSequences},
	{"a random sequence with changes of quota agrees with the model", changingSequences},
}

// A tape is a limiter and its model side by side, and the random operations that
// both are given.
type tape struct {
	*subject
	*rand.Rand
	model  *model
	quotas []weir.Quota
	keys   []string
	every  int           // one operation in so many changes the quota; 0: none
	log    []string      // the last operations
	told   time.Duration // the last RetryAfter, if the clock has not moved since

	refused, admitted int
}

func plainSequences(e *env) {
	var each [][]weir.Quota
	for _, q := range append(usual(), fine(e.backend.Resolution)...) {
		each = append(each, []weir.Quota{q})
	}
	e.sequences(each, 0)
}

func changingSequences(e *env) {
	e.sequences([][]weir.Quota{usual(), some(e.backend.Resolution)[5:9], fine(e.backend.Resolution)}, 60)
}

// sequences runs a sequence for each set of quotas.
func (e *env) sequences(sets [][]weir.Quota, every int) {
	e.Helper()
	random, steps := e.random(), e.steps()
	var refused, admitted int
	for _, quotas := range sets {
		t := &tape{Rand: random, quotas: quotas, every: every, subject: e.standing(quotas[0]),
			model: newModel(quotas[0], e.backend.Resolution), keys: []string{"", "a", "b", "\x00\xff{", strings.Repeat("long", 100)}}
		for range steps / len(sets) {
			t.step()
		}
		refused, admitted = refused+t.refused, admitted+t.admitted
	}
	if steps >= 1000 && min(refused, admitted) < steps/20 {
		e.Fatalf("%d refused, %d admitted in %d steps: nothing is tested", refused, admitted, steps)
	}
}

func (e *env) steps() int {
	e.Helper()
	s := os.Getenv("WEIR_CONFORMANCE_STEPS")
	if s == "" {
		return 10_000
	}
	steps, err := strconv.Atoi(s)
	if err != nil || steps < 1 {
		e.Fatalf("WEIR_CONFORMANCE_STEPS is %q; it must be a whole number above 0", s)
	}
	return steps
}

func (t *tape) step() {
	key := t.keys[t.IntN(len(t.keys))]
	if t.every > 0 && t.IntN(t.every) == 0 {
		t.change(t.quotas[t.IntN(len(t.quotas))])
		return
	}
	switch choice := t.IntN(20); {
	case choice < 10:
		t.ask(key, t.drawCost())
	case choice < 12:
		t.look(key)
	case choice < 14:
		t.giveBack(key, t.drawCost())
	case choice < 15 && t.IntN(4) == 0:
		t.note("Reset(%s)", name(key))
		t.reset(key)
		t.model.reset(key)
	default:
		t.moveOn(key)
	}
}

// drawCost is mostly small, and now and then what no service asks for.
func (t *tape) drawCost() int64 {
	switch t.IntN(12) {
	case 0:
		return t.burst
	case 1, 2:
		return t.Int64N(t.burst+3) - 1
	default:
		return 1 + t.Int64N(min(t.burst, 3))
	}
}

func (t *tape) ask(key string, n int64) weir.Decision {
	t.Helper()
	t.note("AllowN(%s, %d)", name(key), n)
	d := t.allow(key, n)
	t.learn(key, n, d)
	t.agrees(d, t.model.allow(key, n))
	if d.Allowed {
		t.admitted++
	} else if t.refused++; d.RetryAfter != weir.Never {
		t.told = d.RetryAfter
	}
	return d
}

func (t *tape) look(key string) {
	t.Helper()
	t.note("Peek(%s)", name(key))
	d := t.peek(key)
	t.learn(key, 0, d)
	t.agrees(d, t.model.decide(t.model.debt(key), 0))
}

func (t *tape) giveBack(key string, n int64) {
	t.Helper()
	if !t.model.known(key) {
		t.look(key)
	}
	t.note("Refund(%s, %d)", name(key), n)
	t.refund(key, n)
	t.model.refund(key, n)
}

// learn has the model learn where the key stands, if it cannot know.
func (t *tape) learn(key string, n int64, d weir.Decision) {
	t.Helper()
	if !t.model.known(key) && !t.model.learn(key, n, d) {
		a := t.model.keys[key]
		t.Fatalf("%v\n%s: after a change of quota the decision is\n\t%+v\nwant the key to have owed from %s to %d ns",
			t.terms, t.replay(), d, a.least.Sub(a.least, rat(t.model.now)).FloatString(3), a.most-t.model.now)
	}
}

func (t *tape) agrees(got, want weir.Decision) {
	t.Helper()
	if got != want {
		t.Fatalf("%v\n%s: the decision is\n\t%+v\nwant\t%+v", t.terms, t.replay(), got, want)
	}
}

// moveOn moves the clock: to instants at which something changes, and to any other.
func (t *tape) moveOn(key string) {
	t.Helper()
	resolution := t.backend.Resolution
	var d time.Duration
	switch t.IntN(7) {
	case 0:
		d = t.told - resolution
	case 1:
		d = t.told
	case 2:
		d = t.model.debt(key) // about ResetAfter, if it is not known
	case 3:
		d = t.model.debt(key) - resolution
	case 4:
		d = resolution
	case 5:
		d = time.Duration(t.Int64N(int64(t.interval)))
	case 6:
		d = time.Duration(t.Int64N(int64(t.tolerance)))
		if t.IntN(4) > 0 {
			d /= 8
		}
	}
	d = max(d/resolution*resolution, 0)
	t.note("Advance(%d ns)", d)
	t.advance(d)
	t.model.now += d
	t.told = 0
}

// change changes the quota.
func (t *tape) change(q weir.Quota) {
	t.Helper()
	if t.backend.LateQuota {
		for _, key := range t.keys { // write to each
			if !t.ask(key, 1).Allowed {
				t.giveBack(key, 1)
			}
		}
	}
	t.note("SetQuota(%v)", q)
	t.setQuota(q)
	t.model.setQuota(q)
	if t.backend.LateQuota {
		for _, key := range t.keys {
			t.ask(key, 1)
		}
	}
}

// note keeps the last operations for a message.
func (t *tape) note(format string, args ...any) {
	const last = 25
	if len(t.log) == last {
		t.log = append(t.log[:0], t.log[1:]...)
	}
	t.log = append(t.log, fmt.Sprintf(format, args...))
}

func (t *tape) replay() string { return "after …\n\t" + strings.Join(t.log, "\n\t") + "\n" }
