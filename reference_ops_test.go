package weir

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A trial drives one limiter and its reference through the same operations.
type trial struct {
	t     testing.TB
	in    *tape
	names []string
	churn bool // keys come and go for ever, each as if never seen before it goes
	made  int  // keys that have come

	back          bool // the clock may step back
	clock, origin time.Duration
	quotas        [2]Quota // the limiter's, and the last one of a single key

	weir    *Limiter
	model   *reference
	refused refusal

	admitted, refusals int64
	err                string
}

// A refusal is remembered, so that the same request can be repeated when its RetryAfter is over, or a nanosecond sooner.
type refusal struct {
	name  string
	asked time.Duration
	n     int64
	after time.Duration
}

func newTrial(t testing.TB, in *tape) *trial {
	tr := &trial{t: t, in: in, back: in.one(2)}
	keys := []int{1, 3, 20, 400, 4000}[in.upTo(5)]
	opts := []Option{WithClock(func() time.Duration { return tr.clock })}
	switch in.upTo(4) {
	case 0: // exactly as many keys as must be kept whole
		opts = append(opts, WithMaxKeys(keys))
	case 1: // as many at a time, but always others: the bound has to drop the dead, and them only
		keys = []int{47, 1000}[in.upTo(2)]
		opts = append(opts, WithMaxKeys(keys))
		tr.churn, tr.back = true, false
	case 2:
		opts = append(opts, WithMaxKeys(10*keys))
	}
	tr.quotas = [2]Quota{tr.drawQuota(), tr.drawQuota()}
	tr.names = make([]string, 0, keys)
	for i := range keys {
		if !tr.churn {
			tr.names = append(tr.names, "key"+strconv.Itoa(i))
		}
	}
	if in.one(2) {
		tr.origin = time.Duration(in.scaled(1<<60)) - 1<<59
	}
	tr.clock = tr.origin
	tr.model = newReference(tr.quotas[0], tr.origin)
	var err error
	if tr.weir, err = New(tr.quotas[0], opts...); err != nil {
		t.Fatalf("New(%v): %v", tr.quotas[0], err)
	}
	return tr
}

// drawQuota is any valid quota, or one of every day if the trial is to last.
func (tr *trial) drawQuota() Quota {
	if tr.churn {
		return PerMinute(1 + int64(tr.in.upTo(1000)))
	}
	return tr.in.quota()
}

// move moves the clock, within what the shifted readings can hold.
func (tr *trial) move() {
	if tr.churn && !tr.in.one(256) {
		return // or too few keys would be alive at once
	}
	clock := tr.clock
	switch choice := tr.in.upTo(8); {
	case choice == 0 && tr.back:
		clock -= tr.in.span(tr.quotas[tr.in.upTo(2)])
	case choice <= 3:
		clock += tr.in.span(tr.quotas[tr.in.upTo(2)])
	}
	if clock > tr.origin-farthest && clock < tr.origin+farthest {
		tr.clock = clock
	}
}

// farthest is how far from its first reading the clock may go: short of where sums of durations no longer fit.
const farthest = 1 << 60

// pick chooses the key of an operation: any, or half the time a new one when keys come and go.
func (tr *trial) pick() string {
	if !tr.churn {
		return tr.names[tr.in.upTo(uint64(len(tr.names)))]
	}
	if len(tr.names) > 0 && tr.in.one(2) {
		return tr.names[tr.in.upTo(uint64(len(tr.names)))]
	}
	if len(tr.names) == cap(tr.names) {
		tr.retire()
	}
	tr.made++
	tr.names = append(tr.names, "key"+strconv.Itoa(tr.made))
	return tr.names[len(tr.names)-1]
}

// now is the limiter's reading: a clock that has stepped back behind its first reading stands at that.
func (tr *trial) now() time.Duration { return max(tr.clock, tr.origin) }

// retire waits until a tenth of the keys are as if never seen, and goes on without them.
func (tr *trial) retire() {
	var tats []time.Duration
	for _, name := range tr.names {
		tr.weir.ClearKeyQuota(name)
		tr.model.ClearKeyQuota(tr.clock, name)
		if k := tr.model.keys[name]; k != nil && k.tat != nil {
			tats = append(tats, duration(k.tat))
		}
	}
	slices.Sort(tats)
	if tenth := len(tats) - cap(tr.names)*9/10; tenth > 0 {
		tr.clock = max(tr.clock, tats[tenth-1])
	}
	tr.names = slices.DeleteFunc(tr.names, func(name string) bool {
		k := tr.model.keys[name]
		if k != nil && k.tat != nil && duration(k.tat) > tr.clock {
			return false
		}
		delete(tr.model.keys, name)
		return true
	})
	tr.refused = refusal{}
}

// born returns when the tables were made that the key's TAT may be in, of which no decision uses an older reading: the only
// thing that the reference has to ask the limiter, since the contract does not say when tables are made.
func (tr *trial) born(name string) (marks []time.Duration) {
	sh, _ := tr.weir.locate(name)
	for t := sh.cur.Load(); t != nil && t != unlinked; t = t.next.Load() {
		marks = append(marks, tr.weir.clock.user(t.born.Load()))
	}
	return marks
}

// lastBorn is the instant before which nothing is rescaled: that of the last table,
// or of one before it if that has not got its own yet.
func (tr *trial) lastBorn(name string) time.Duration { return slices.Max(tr.born(name)) }

// decide makes one decision twice and compares. An operation can meet or make more than one table; where they differ in
// what is decided, the reference has to agree with one of them.
func (tr *trial) decide(what, name string, asked time.Duration, n int64, real func() Decision) {
	marks := tr.born(name)
	got := real()
	marks = append(marks, tr.born(name)...)
	var want Decision
	for i, born := range marks {
		if i > 0 && (born == marks[i-1] || max(born, asked) == max(marks[i-1], asked)) {
			continue
		}
		if n == 0 {
			want = tr.model.Peek(asked, born, name)
		} else {
			want = tr.model.judge(asked, born, name, n)
		}
		if got == want {
			tr.record(name, asked, n, got)
			return
		}
	}
	tr.err = fmt.Sprintf("%s of %q, cost %d, at %d (clock %d, tables made at %v)\n got %+v\nwant %+v",
		what, name, n, asked, tr.clock, marks, got, want)
}

func (tr *trial) record(name string, asked time.Duration, n int64, d Decision) {
	switch {
	case n == 0:
	case d.Allowed:
		tr.admitted++
		tr.model.spend(name)
	default:
		tr.refusals++
		if d.RetryAfter != Never {
			tr.refused = refusal{name, asked, n, d.RetryAfter}
		}
	}
}

// allowAt is also how the other decisions are made at a time that is not the clock's.
func (tr *trial) allowAt(name string, asked time.Duration, n int64) {
	tr.decide("AllowAt", name, asked, n, func() Decision { return tr.weir.AllowAt(asked, name, n) })
}

// step draws and makes one operation. It returns what differed, if anything.
func (tr *trial) step() string {
	tr.move()
	name := tr.pick()
	q := tr.quotas[tr.in.upTo(2)]
	switch choice := tr.in.upTo(64); {
	case choice < 16:
		tr.decide("Allow", name, tr.now(), 1, func() Decision { return tr.weir.Allow(name) })
	case choice < 32:
		n := tr.in.cost(q)
		tr.decide("AllowN", name, tr.now(), n, func() Decision { return tr.weir.AllowN(name, n) })
	case choice < 40:
		tr.stepAt(name, q)
	case choice < 45:
		tr.decide("Peek", name, tr.now(), 0, func() Decision { return tr.weir.Peek(name) })
	case choice < 50:
		if r := tr.refused; r.name != "" && r.after < math.MaxInt64-max(r.asked, 0) {
			tr.allowAt(r.name, r.asked+r.after-time.Duration(tr.in.upTo(2)), r.n)
		}
	case choice < 55:
		n := tr.in.cost(q)
		tr.weir.Refund(name, n)
		tr.model.Refund(name, n)
	case choice < 57:
		tr.weir.Reset(name)
		tr.model.Reset(name)
	default:
		if !tr.churn || tr.in.one(64) { // or no two tables would have the same quota
			tr.stepQuota(name, int(choice-57))
		}
	}
	return tr.err
}

// stepAt asks at a time near the clock's, before or after it.
func (tr *trial) stepAt(name string, q Quota) {
	asked := tr.clock
	if tr.in.one(2) {
		asked += tr.in.span(q)
	} else if tr.back {
		asked -= tr.in.span(q)
	}
	if tr.churn {
		asked = tr.clock // one debt far in the future would outlive the test
	}
	tr.allowAt(name, asked, tr.in.cost(q))
}

// stepQuota changes the quota of a key, or less often of the limiter.
func (tr *trial) stepQuota(name string, choice int) {
	var err error
	switch {
	case choice == 0 && tr.in.one(1+len(tr.names)/64):
		q := tr.drawQuota()
		tr.quotas[0] = q
		tr.model.SetQuota(tr.clock, q, tr.lastBorn)
		err = tr.weir.SetQuota(q)
	case choice <= 3:
		q := tr.drawQuota()
		tr.quotas[1] = q
		tr.model.SetKeyQuota(tr.clock, tr.lastBorn(name), name, q)
		err = tr.weir.SetKeyQuota(name, q)
	default:
		tr.model.ClearKeyQuota(tr.clock, name)
		tr.weir.ClearKeyQuota(name)
	}
	if err != nil {
		tr.err = fmt.Sprintf("a valid quota was refused: %v", err)
	}
}

// finish compares what can be said of the whole trial.
func (tr *trial) finish() string {
	stats := tr.weir.Stats()
	switch {
	case stats.Admitted != tr.admitted || stats.Refused != tr.refusals:
		return fmt.Sprintf("Stats count %d admitted, %d refused; want %d, %d",
			stats.Admitted, stats.Refused, tr.admitted, tr.refusals)
	case stats.HorizonRaises != 0 || stats.Forgiven != 0:
		return fmt.Sprintf("keys were dropped, though never more were alive than must be kept: %+v", stats)
	case !tr.back && stats.Keys != tr.model.live(tr.clock):
		return fmt.Sprintf("Stats count %d keys, want %d", stats.Keys, tr.model.live(tr.clock))
	}
	return ""
}

// runOps makes nOps operations on limiters of every kind, some thousand on each. It returns how many migrations of a
// table there were, and how many laps of the memory bound. Everything follows from the seed.
func runOps(t *testing.T, seed uint64, nOps int) (migrations, laps int64) {
	for n := 0; nOps > 0; n++ {
		tr := newTrial(t, newTape(seed<<32+uint64(n)))
		ops := min(nOps, 5000)
		if tr.churn {
			ops = min(nOps, 10_000)
		}
		for step := range ops {
			if diff := tr.step(); diff != "" {
				t.Fatalf("seed %d, limiter %d (%d keys, churn %v, quotas %v), step %d: %s",
					seed, n, len(tr.names), tr.churn, tr.quotas, step, diff)
			}
		}
		if diff := tr.finish(); diff != "" {
			t.Fatalf("seed %d, limiter %d (%d keys, churn %v), at the end: %s", seed, n, len(tr.names), tr.churn, diff)
		}
		migrations += tr.weir.Stats().Migrations
		laps += tr.weir.bound.number.Load()
		nOps -= ops
	}
	return migrations, laps
}

// TestReference holds every decision of the limiter against the reference. Ten million operations take a quarter of a minute:
//
//	WEIR_REFERENCE_OPS=10000000 go test -run '^TestReference$' .
//
// WEIR_REFERENCE_SEED chooses others than those of every run.
func TestReference(t *testing.T) {
	ops := 1_000_000
	if testing.Short() {
		ops = 100_000
	}
	seed := 1
	for name, value := range map[string]*int{"WEIR_REFERENCE_OPS": &ops, "WEIR_REFERENCE_SEED": &seed} {
		if s := os.Getenv(name); s != "" {
			var err error
			if *value, err = strconv.Atoi(s); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	migrations, laps := runOps(t, uint64(seed), ops)
	t.Logf("%d operations, %d migrations, %d laps of the memory bound", ops, migrations, laps)
	tiny := linesPerSegment < 64 // then the dead go before a lap is due
	if ops >= 100_000 && (migrations < int64(ops)/1000 || laps == 0 && !tiny) {
		t.Errorf("only %d migrations and %d laps of the memory bound in %d operations: a path went untested",
			migrations, laps, ops)
	}
}
