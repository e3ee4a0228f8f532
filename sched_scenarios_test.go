//go:build weirsched

package weir

import (
	"context"
	"fmt"
)

var neverDone = context.Background()

// A scenario is what some workers do at the same time, on tables prepared for it.
type scenario struct {
	name    string
	quota   Quota
	prepare func(r *schedRun)
	workers []func(r *schedRun)
	clocks  []int64 // a reading for each worker; none: the clock is stopped
	bound   int     // preemptions
	both    bool    // some are admitted and some refused, in all schedules together
	drops   bool    // the memory bound drops keys: then only what they are admitted is checked
}

// Intervals are multiples of each other, so that a debt survives a change of quota
// and back to the nanosecond, and none that is lost hides behind rounding.
var (
	three = Quota{Limit: 3, Period: 3000, Burst: 3}   // T = 1000
	slow  = Quota{Limit: 3, Period: 12_000, Burst: 3} // T = 4000
	fast  = Quota{Limit: 3, Period: 1500, Burst: 3}   // T = 500
)

// fill makes n keys, with some debt, in one table.
func fill(n int) func(r *schedRun) {
	return func(r *schedRun) {
		for i := range n {
			r.allow(fmt.Sprint("filler ", i), 1+int64(i%2))
		}
	}
}

// migrating is a shard with some keys and a successor that nobody has met. The slot
// of k holds an admission that no stripe counts.
func migrating(r *schedRun) {
	fill(3)(r)
	r.allow("k", 1)
	r.allow("k", 1)
	sh := &r.shards[0]
	r.succeed(sh, sh.cur.Load(), nil)
}

// nested is one whose successor has got a successor as well.
func nested(r *schedRun) {
	migrating(r)
	next := r.successor(r.shards[0].cur.Load())
	r.succeed(nil, next, nil)
}

// pressed is a shard with more keys than the memory bound wants, while a lap goes on.
func pressed(r *schedRun) {
	fill(3)(r)
	r.allow("heavy", 3)
	r.bound.max, r.bound.threshold = 2, 3
	r.bound.lap.Store(r.newLap(false))
}

// changing is a shard in the midst of a change of quota, whose successor has got a
// successor as well: a debt goes through three tables and two quotas.
func changing(r *schedRun) {
	fill(3)(r)
	r.allow("k", 1)
	r.allow("k", 1)
	r.begin(slow)
	next := r.successor(r.shards[0].cur.Load())
	r.succeed(nil, next, nil)
}

// packed is one whose successor has no place left: whoever brings a key there has
// to make another table first. Nobody asks for the keys that fill it.
func packed(r *schedRun) {
	migrating(r)
	next := r.successor(r.shards[0].cur.Load())
	for i := 0; next.used.Load() < int64(len(next.segments)*slotsPerSegment); i++ {
		_, id := r.locate(fmt.Sprint("packing ", i))
		if s := next.claim(nil, id); s != nil {
			s.tat.Store(schedNow + 3000)
			r.counters.mine().keys.Add(1)
			next.used.Add(1)
		}
	}
}

func allows(key string, costs ...int64) func(r *schedRun) {
	return func(r *schedRun) {
		for _, n := range costs {
			r.allow(key, n)
		}
	}
}

// newcomers are keys that come, ask for more than half of their burst, and ask again.
func newcomers(name string, n int) func(r *schedRun) {
	return func(r *schedRun) {
		for i := range 2 * n {
			r.allow(fmt.Sprint(name, i/2), 2)
		}
	}
}

func peeks(key string) func(r *schedRun) {
	return func(r *schedRun) { r.peek(key) }
}

func refunds(key string, n int64) func(r *schedRun) {
	return func(r *schedRun) { r.refund(key, n) }
}

func resets(key string) func(r *schedRun) {
	return func(r *schedRun) { r.reset(key) }
}

func changes(quotas ...Quota) func(r *schedRun) {
	return func(r *schedRun) {
		for _, q := range quotas {
			r.change(q)
		}
	}
}

func owns(key string, quotas ...Quota) func(r *schedRun) {
	return func(r *schedRun) {
		for _, q := range quotas {
			if q == (Quota{}) {
				r.unown(key)
			} else {
				r.own(key, q)
			}
		}
	}
}

// grows makes a successor, and then sweeps.
func grows(times int) func(r *schedRun) {
	return func(r *schedRun) {
		sh := &r.shards[0]
		r.succeed(sh, sh.cur.Load(), nil)
		helps(times)(r)
	}
}

// helps sweeps, as an operation on some other key would.
func helps(times int) func(r *schedRun) {
	return func(r *schedRun) {
		for range times {
			r.help(&r.shards[0])
		}
	}
}

func givesBack(key string, n int64) func(r *schedRun) {
	return func(r *schedRun) {
		e := r.do(event{kind: opTake, key: key, n: n})
		r.do(event{kind: opGive, key: key, n: n, place: e.place})
	}
}

type works = []func(r *schedRun)

var scenarios = []*scenario{
	// The key is in the table that is emptied; one of three is left.
	{name: "migration/last", quota: three, prepare: migrating, workers: works{allows("k", 1), allows("k", 1)}, bound: 2, both: true},
	{name: "migration/peek", quota: three, prepare: migrating, workers: works{allows("k", 1), peeks("k")}, bound: 2},
	{name: "migration/refund", quota: three, prepare: migrating, workers: works{allows("k", 2), refunds("k", 2)}, bound: 2, both: true},
	{name: "migration/reset", quota: three, prepare: migrating, workers: works{allows("k", 2), resets("k")}, bound: 2, both: true},
	{name: "migration/helpers", quota: three, prepare: migrating, workers: works{allows("k", 1), helps(3), helps(3)}, bound: 2},
	{name: "migration/newcomer", quota: three, prepare: migrating, workers: works{allows("new", 2), allows("new", 2)}, bound: 2, both: true},
	{name: "migration/refunds", quota: three, prepare: migrating, workers: works{refunds("k", 1), refunds("k", 1)}, bound: 2},
	{name: "migration/refund-all", quota: three, prepare: migrating, workers: works{refunds("k", 1<<40), allows("k", 1)}, bound: 2},
	{name: "migration/wait", quota: three, prepare: migrating, workers: works{givesBack("k", 1), allows("k", 1)}, bound: 2},
	{name: "migration/places", quota: three, prepare: migrating, workers: works{givesBack("k", 1), givesBack("k", 2)}, bound: 2},

	// Its successor has one already.
	{name: "nested/last", quota: three, prepare: nested, workers: works{allows("k", 1), allows("k", 1)}, bound: 2, both: true},
	{name: "nested/peek", quota: three, prepare: nested, workers: works{allows("k", 1), peeks("k")}, bound: 2},
	{name: "nested/reset", quota: three, prepare: nested, workers: works{resets("k"), peeks("k")}, bound: 2},
	{name: "nested/sleeper", quota: three, prepare: nested, workers: works{allows("k", 1), helps(20)}, bound: 2},
	{name: "nested/quota", quota: three, prepare: changing, workers: works{allows("k", 1), helps(4)}, bound: 2},
	{name: "nested/quota/peek", quota: three, prepare: changing, workers: works{allows("k", 1), peeks("k")}, bound: 2},
	{name: "nested/newcomer", quota: three, prepare: nested, workers: works{allows("new", 2), allows("new", 2)}, bound: 2, both: true},

	// The table fills under their hands.
	{name: "growth/one", quota: three, prepare: fill(5), workers: works{allows("new", 2), allows("new", 2)}, bound: 2, both: true},
	{name: "growth/newcomer", quota: three, prepare: fill(3), workers: works{allows("new", 2, 2), grows(8)}, bound: 2, both: true},
	{name: "growth/counts", quota: three, prepare: fill(3), workers: works{allows("new", 1, 1, 1), allows("new", 1, 1), grows(8)}, bound: 1, both: true},
	{name: "growth/newcomers", quota: three, prepare: fill(3), workers: works{allows("new", 2), allows("new", 2), grows(8)}, bound: 2, both: true},
	{name: "growth/passed", quota: three, prepare: nested, workers: works{helps(20), peeks("k"), allows("k", 1, 1)}, bound: 1, both: true},
	{name: "growth/two", quota: three, prepare: fill(5), workers: works{allows("a", 1, 2), allows("b", 1, 2)}, bound: 2},
	{name: "growth/many", quota: three, prepare: fill(4), workers: works{allows("a", 3, 1), allows("b", 3), allows("c", 3)}, bound: 1, both: true},
	{name: "growth/full", quota: three, prepare: func(r *schedRun) { fill(6)(r); migrating(r) }, workers: works{newcomers("a", 8), helps(4), newcomers("b", 8)}, bound: 1, both: true},
	{name: "growth/packed", quota: three, prepare: packed, workers: works{allows("k", 1), helps(8)}, bound: 2},
	{name: "growth/packed/new", quota: three, prepare: packed, workers: works{allows("k", 1, 1), allows("new", 2, 2)}, bound: 1, both: true},
	{name: "first/table", quota: three, prepare: func(*schedRun) {}, workers: works{allows("a", 2, 2), allows("a", 2), func(r *schedRun) {
		for i := range 7 {
			r.allow(fmt.Sprint("filler ", i), 1)
		}
	}}, bound: 1, both: true},

	// The quota changes, and back.
	{name: "quota/allow", quota: three, prepare: migrating, workers: works{changes(slow), allows("k", 1, 1)}, bound: 2, both: true},
	{name: "quota/peek", quota: three, prepare: migrating, workers: works{changes(slow), peeks("k")}, bound: 2},
	{name: "quota/refund", quota: three, prepare: migrating, workers: works{changes(fast), refunds("k", 1)}, bound: 2},
	{name: "quota/back", quota: three, prepare: fill(3), workers: works{changes(slow, three), allows("filler 1", 1, 1)}, bound: 2, both: true},
	{name: "quota/unseen", quota: three, prepare: fill(3), workers: works{changes(fast), allows("new", 3, 1)}, bound: 2, both: true},
	{name: "quota/reset", quota: three, prepare: fill(3), workers: works{changes(slow), resets("filler 1")}, bound: 2},

	// A key gets a quota of its own, another one, and none.
	{name: "own/into", quota: three, prepare: migrating, workers: works{owns("k", slow), allows("k", 1, 1)}, bound: 2, both: true},
	{name: "own/on", quota: three, prepare: func(r *schedRun) { migrating(r); r.own("k", slow) }, workers: works{owns("k", fast), allows("k", 1, 1)}, bound: 2, both: true},
	{name: "own/out", quota: three, prepare: func(r *schedRun) { migrating(r); r.own("k", slow) }, workers: works{owns("k", Quota{}), allows("k", 1, 1)}, bound: 2, both: true},
	{name: "own/peek", quota: three, prepare: migrating, workers: works{owns("k", slow, Quota{}), peeks("k")}, bound: 2},
	{name: "own/quota", quota: three, prepare: func(r *schedRun) { migrating(r); r.own("k", slow) }, workers: works{func(r *schedRun) { r.change(fast); r.unown("k") }, peeks("k")}, bound: 2},
	{name: "own/changes", quota: three, prepare: func(r *schedRun) { migrating(r); r.own("k", slow) }, workers: works{func(r *schedRun) { r.change(fast); r.unown("k") }, allows("k", 1)}, bound: 2},
	{name: "own/leaving", quota: three, prepare: func(r *schedRun) {
		fill(3)(r)
		r.own("k", slow)
		r.succeed(&r.shards[0], r.shards[0].cur.Load(), nil)
	}, workers: works{owns("k", Quota{}), peeks("k")}, bound: 2},
	{name: "own/refund", quota: three, prepare: migrating, workers: works{owns("k", slow, Quota{}), refunds("k", 1)}, bound: 2},
	{name: "own/again", quota: three, prepare: migrating, workers: works{owns("k", slow, Quota{}, fast), allows("k", 1, 1)}, bound: 2, both: true},
	{name: "own/left", quota: three, prepare: func(r *schedRun) { fill(3)(r); r.own("k", slow) }, workers: works{func(r *schedRun) {
		r.unown("k")
		r.allow("k", 1)
	}, grows(8)}, bound: 2},
	{name: "own/dropped", quota: three, prepare: func(r *schedRun) { fill(3)(r); r.own("k", slow) }, workers: works{owns("k", Quota{}), func(r *schedRun) {
		r.allow("k", 4) // never admitted, and puts the key back, without a debt
		grows(8)(r)
	}}, bound: 2},
	{name: "own/growth", quota: three, prepare: func(r *schedRun) { fill(4)(r); r.own("k", slow) }, workers: works{allows("k", 2, 1), allows("new", 1), owns("k", Quota{})}, bound: 1},

	// More keys than the bound wants, all of which come again.
	{name: "bound/newcomers", quota: three, prepare: pressed, workers: works{newcomers("a", 12), newcomers("b", 12)}, bound: 1, drops: true},
	{name: "bound/heavy", quota: three, prepare: pressed, workers: works{allows("heavy", 1, 1), newcomers("a", 20), allows("heavy", 1, 1)}, bound: 1, drops: true},

	// Readings are of different age, and a table is born between them.
	{name: "clocks/last", quota: three, prepare: migrating, workers: works{allows("k", 1), allows("k", 1)}, clocks: []int64{schedNow + 100, schedNow + 700}, bound: 2, both: true},
	{name: "clocks/back", quota: three, prepare: migrating, workers: works{allows("k", 1), allows("k", 1)}, clocks: []int64{schedNow - 500, schedNow + 900}, bound: 2},
	{name: "clocks/quota", quota: three, prepare: fill(3), workers: works{changes(fast), allows("filler 1", 1, 1)}, clocks: []int64{schedNow + 100, schedNow + 300}, bound: 2},
	{name: "clocks/newcomer", quota: three, prepare: migrating, workers: works{allows("new", 3), allows("new", 3)}, clocks: []int64{schedNow + 100, schedNow + 700}, bound: 2, both: true},
	{name: "clocks/own", quota: three, prepare: func(r *schedRun) { migrating(r); r.own("k", slow) }, workers: works{owns("k", fast), allows("k", 1, 1)}, clocks: []int64{schedNow + 700, schedNow + 100}, bound: 2},
	{name: "clocks/ahead", quota: three, prepare: migrating, workers: works{func(r *schedRun) { r.allow("x", 1); r.allow("k", 2) }, helps(6)}, clocks: []int64{schedNow + 100, schedNow + 5000}, bound: 2},
	{name: "clocks/nested", quota: three, prepare: nested, workers: works{allows("k", 1), peeks("k")}, clocks: []int64{schedNow + 100, schedNow + 700}, bound: 2},

	// Last, since it takes longest.
	{name: "nested/three", quota: three, prepare: nested, workers: works{allows("k", 1), helps(6), peeks("k")}, bound: 2},
}
