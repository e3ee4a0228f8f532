//go:build weirsched

package weir

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSchedules drives a few goroutines through the real code, over tiny tables,
// one atomic step at a time: through every schedule with a bounded number of
// preemptions, and random ones beyond. What each key did must be what it could have
// done one operation at a time, and what is left in the tables must be in order.
//
//	go test -tags weirsched,weirtiny -run '^TestSchedules$' .
//
// A failure prints what repeats it:
//
//	WEIR_SCHEDULE='nested/carry 0:0,17:1' go test -tags weirsched,weirtiny -run '^TestSchedules$' .
//
// WEIR_PREEMPTIONS adds to each scenario's bound, WEIR_RANDOM sets how many random
// schedules follow, and WEIR_SEED where they start.
func TestSchedules(t *testing.T) {
	if linesPerSegment > 2 {
		t.Fatal("wants tiny tables as well: -tags weirsched,weirtiny")
	}
	one, schedule, _ := strings.Cut(os.Getenv("WEIR_SCHEDULE"), " ")
	for _, sc := range scenarios {
		if one != "" && one != sc.name {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			if one != "" {
				choose, err := replay(schedule)
				if err != nil {
					t.Fatal(err)
				}
				sc.try(t, &scheduler{choose: choose})
				return
			}
			sc.search(t)
		})
	}
}

func setting(t *testing.T, name string, or int) int {
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// search tries all schedules within the bound, and random ones.
func (sc *scenario) search(t *testing.T) {
	began := time.Now()
	bound := sc.bound + setting(t, "WEIR_PREEMPTIONS", 0)
	s := &scheduler{}
	d := &search{bound: bound}
	s.choose = d.choose
	tried, longest := 0, 0
	var seen outcome
	for more := true; more; more = d.next() {
		seen.add(sc.try(t, s))
		tried, longest = tried+1, max(longest, s.steps)
	}
	random := setting(t, "WEIR_RANDOM", 2000)
	if testing.Short() {
		random /= 10
	}
	seed := uint64(setting(t, "WEIR_SEED", 1))
	for i := range uint64(random) {
		s.choose = chance(seed+i, 2+int(i%30))
		seen.add(sc.try(t, s))
		longest = max(longest, s.steps)
	}
	t.Logf("%d schedules with up to %d preemptions, %d random ones from seed %d, up to %d steps, in %v",
		tried, bound, random, seed, longest, time.Since(began).Round(time.Millisecond))
	if seen.migrations == 0 || seen.preempted == 0 || sc.both && (seen.admitted == 0 || seen.refused == 0) ||
		sc.drops && (seen.raises == 0 || seen.refused == 0) {
		t.Errorf("%+v: the scenario does not test what it should", seen)
	}
}

// An outcome is what shows that a scenario has tested something.
type outcome struct{ migrations, preempted, admitted, refused, raises int64 }

func (o *outcome) add(p outcome) {
	o.migrations += p.migrations
	o.preempted += p.preempted
	o.admitted += p.admitted
	o.refused += p.refused
	o.raises += p.raises
}

// A schedRun is one run of a scenario.
type schedRun struct {
	*Limiter
	s      *scheduler
	sc     *scenario
	worker int // who prepares, or else asks the scheduler
	moment int
	events []*event
	first  *table // current when the workers began
}

const (
	schedNow  = 1_000_000 // what a stopped clock shows
	preparing = -1
)

// clock is the reading of whoever runs.
func (r *schedRun) reading() int64 {
	if len(r.sc.clocks) == 0 || r.worker == preparing {
		return schedNow
	}
	return r.sc.clocks[r.s.running]
}

func (r *schedRun) who() int {
	if r.worker == preparing {
		return preparing
	}
	return r.s.running
}

// do makes one operation and notes it.
func (r *schedRun) do(e event) *event {
	e.worker, e.asked = r.who(), r.reading()
	r.moment++
	e.from = r.moment
	sh, id := r.locate(e.key)
	switch e.kind {
	case opAllow:
		e.answer = r.AllowN(e.key, e.n)
	case opPeek:
		e.answer = r.Peek(e.key)
	case opRefund:
		r.Refund(e.key, e.n)
	case opReset:
		r.Reset(e.key)
	case opSetQuota:
		r.setQuota(e.quota)
	case opSetKey:
		r.setKeyQuota(sh, id, e.quota)
	case opClearKey:
		r.clearKeyQuota(sh, id)
	case opTake:
		p, err := r.takePlace(neverDone, e.key, e.n)
		if err != nil {
			panic(err)
		}
		e.place = p
	case opGive:
		r.giveBack(e.key, e.place)
	}
	r.moment++
	e.end = r.moment
	r.events = append(r.events, &e)
	return &e
}

func (r *schedRun) allow(key string, n int64)  { r.do(event{kind: opAllow, key: key, n: n}) }
func (r *schedRun) peek(key string)            { r.do(event{kind: opPeek, key: key, n: 1}) }
func (r *schedRun) refund(key string, n int64) { r.do(event{kind: opRefund, key: key, n: n}) }
func (r *schedRun) reset(key string)           { r.do(event{kind: opReset, key: key}) }
func (r *schedRun) change(q Quota)             { r.do(event{kind: opSetQuota, quota: q}) }
func (r *schedRun) own(key string, q Quota)    { r.do(event{kind: opSetKey, key: key, quota: q}) }
func (r *schedRun) unown(key string)           { r.do(event{kind: opClearKey, key: key}) }

// begin is a SetQuota whose caller sleeps once it has linked the successor: it may
// have taken place for a key, or not, until all is over.
func (r *schedRun) begin(q Quota) {
	r.moment++
	r.events = append(r.events, &event{kind: opSetQuota, worker: preparing, quota: q, asked: r.reading(), from: r.moment, end: math.MaxInt})
	g := newGCRA(q)
	r.quota.Store(&quotaGCRA{q, g})
	sh := &r.shards[0]
	r.succeed(sh, sh.cur.Load(), &g)
}

// try makes one run and checks it.
func (sc *scenario) try(t *testing.T, s *scheduler) outcome {
	r := &schedRun{s: s, sc: sc, worker: preparing}
	s.alone()
	l, err := New(sc.quota, WithMaxKeys(1), WithClock(func() time.Duration {
		yield()
		return time.Duration(r.reading() - 1)
	}))
	if err != nil {
		t.Fatal(err)
	}
	l.clock.origin = 0
	l.k0, l.k1 = 0x77656972, 0x6b657973 // the same keys in the same places in every run
	unbounded(l)
	r.Limiter = l
	sc.prepare(r)
	r.first = r.shards[0].cur.Load()
	r.worker = 0
	workers := make([]func(), len(sc.workers))
	for i, work := range sc.workers {
		workers[i] = func() { work(r) }
	}
	s.run(workers)
	r.worker = preparing
	wrong := s.broken
	if wrong == "" {
		if broken := attempt(func() { wrong = r.check() }); broken != "" {
			wrong = broken
		}
	}
	if wrong != "" {
		t.Fatalf("%s\nrepeat with WEIR_SCHEDULE='%s %s'", wrong, sc.name, s.schedule())
	}
	return r.outcome()
}

func (r *schedRun) outcome() (o outcome) {
	o.migrations, o.raises = r.migrations.Load(), r.raises.Load()
	for _, e := range r.events {
		if e.kind == opAllow && e.worker != preparing {
			if e.answer.Allowed {
				o.admitted++
			} else {
				o.refused++
			}
		}
	}
	if len(r.s.switches) > len(r.sc.workers) {
		o.preempted++
	}
	return o
}

// check looks at every key, then brings all migrations to their end, and looks at
// the tables and at every key again.
func (r *schedRun) check() string {
	var keys []string
	for _, e := range r.events {
		if e.key != "" && !slices.Contains(keys, e.key) {
			keys = append(keys, e.key)
		}
	}
	for range 2 {
		for _, k := range keys {
			r.peek(k)
		}
		if wrong := r.counts(); wrong != "" {
			return wrong
		}
		if wrong := r.settle(); wrong != "" {
			return wrong
		}
	}
	clocks := []int64{schedNow}
	for _, c := range r.sc.clocks {
		if !slices.Contains(clocks, c) {
			clocks = append(clocks, c)
		}
	}
	for _, k := range keys {
		var own []*event
		for _, e := range r.events {
			if e.key == k || e.kind == opSetQuota {
				own = append(own, e)
			}
		}
		if r.sc.drops {
			if wrong := overspent(k, own, r.sc.quota.Burst); wrong != "" {
				return wrong
			}
			continue
		}
		if !explain(seqKey{quota: termsOf(r.sc.quota)}, own, clocks) {
			lines := []string{fmt.Sprintf("key %q cannot have done this one operation at a time:", k)}
			for _, e := range own {
				lines = append(lines, e.String())
			}
			return strings.Join(lines, "\n\t")
		}
	}
	return ""
}

// counts compares what Stats counts with what was answered, now that no call is
// under way: in the midst of a migration, and after it.
func (r *schedRun) counts() string {
	var want, got [2]int64
	for _, e := range r.events {
		switch {
		case e.kind != opAllow:
		case e.answer.Allowed:
			want[0]++
		default:
			want[1]++
		}
	}
	s := r.Stats()
	if got = [2]int64{s.Admitted, s.Refused}; got != want {
		return fmt.Sprintf("counted %d admitted and refused, answered %d", got, want)
	}
	return ""
}

// overspent says if a key was admitted more than its burst, with a stopped clock.
// Whether and when the memory bound drops it is nobody's promise; that it is then
// taken for a key with more debt and not with less, is.
func overspent(key string, events []*event, burst int64) string {
	spent := int64(0)
	for _, e := range events {
		if e.kind == opAllow && e.answer.Allowed {
			spent += e.n
		}
	}
	if spent > burst {
		return fmt.Sprintf("key %q has spent %d of %d", key, spent, burst)
	}
	return ""
}

// settle brings the migrations to their end by a bounded number of steps, and says
// what is out of order in the tables then.
func (r *schedRun) settle() string {
	sh := &r.shards[0]
	for steps := 0; sh.cur.Load().next.Load() != nil; steps++ {
		if steps > 1000 {
			return "the migration does not come to its end"
		}
		r.help(sh)
	}
	t := sh.cur.Load()
	if t != r.first && !r.first.void() && r.first.next.Load() != unlinked {
		return "the table that was left still leads to others"
	}
	if unlinked.next.Load() != nil {
		return "the mark of an unlinked table has got a successor"
	}
	ids, claims := map[uint64]bool{}, int64(0)
	for chunk := range t.chunks() {
		lines := t.lines(chunk)
		for i := range lines {
			for k := range lines[i] {
				id, tat := lines[i][k].id.Load(), lines[i][k].tat.Load()
				switch {
				case id == vacant && tat == 0:
				case id == sealed || tat < 0 || id == vacant:
					return fmt.Sprintf("slot %x, %x in a table without successor", id, uint64(tat))
				case ids[id]:
					return fmt.Sprintf("key %x has two slots", id)
				default:
					ids[id] = true
					claims++
				}
			}
		}
	}
	if n := r.counters.keys(); n != claims {
		return fmt.Sprintf("%d slots are claimed, and counted as %d", claims, n)
	}
	if n := t.used.Load(); n != claims {
		return fmt.Sprintf("%d slots of the table are claimed, and counted as %d", claims, n)
	}
	return ""
}
