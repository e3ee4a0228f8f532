package redisbench

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/bench/workload"
)

// A Load is what requests come, under what quota.
type Load struct {
	Name   string
	What   string
	Quota  weir.Quota // of each key; all of it may come at once
	Random bool       // keys are drawn from many
}

// Loads are all, in the order of the report.
//
// The first two admit everything. Their quotas earn a request a minute and one an
// hour, so that no key is forgotten while it is measured: one that is would be a new
// key, which costs something else. So large they are for the fastest of the limiters;
// none admits more of them than it can count. The third admits five a second, which
// is less than one in a hundred of the slowest's.
var Loads = []Load{
	{Name: "hot", What: "one key, admitted", Quota: weir.Quota{Limit: 20_000_000, Period: 20_000_000 * time.Minute}},
	{Name: "random", What: "keys drawn at random, admitted", Quota: weir.Quota{Limit: 500_000, Period: 500_000 * time.Hour}, Random: true},
	{Name: "attack", What: "one key, refused", Quota: weir.Quota{Limit: 5, Period: time.Second}},
}

// LoadNamed returns the load of that name.
func LoadNamed(name string) (Load, bool) {
	for _, l := range Loads {
		if l.Name == name {
			return l, true
		}
	}
	return Load{}, false
}

// admitsAll reports whether there is enough for everyone.
func (l Load) admitsAll() bool { return l.Name != "attack" }

// fits reports whether the load says anything of a subject. The floor is the same
// under each, and measured under the first.
func (l Load) fits(s Subject) bool { return s.Kind != Floor || l.Name == Loads[0].Name }

// check sets what was admitted beside what the quota admits in closed form. Under
// those loads that admit all, that is every request that was decided. Under the other
// it is, of a key not seen before, all at once and one more for each interval of the
// time that has passed on the server's clock, from before the first request until
// after the last. Windows that start with the first request admit no more either.
func (l Load) check(decided, admitted int64, span time.Duration) workload.Check {
	c := workload.Check{What: l.What, Asked: decided, Admitted: admitted, Min: decided, Max: decided}
	if !l.admitsAll() {
		interval := l.Quota.Period / time.Duration(l.Quota.Limit)
		c.Min, c.Max = l.Quota.Limit, l.Quota.Limit+int64(span/interval)
	}
	return c
}

// keysOf makes the names of the keys of a run.
type keysOf struct {
	one  string
	many []string // nil unless they are drawn
}

// newKeys makes them for a run of that number. Keys that are drawn are the same in
// every run, and are there before; the one key is a new one.
func newKeys(l Load, run, many int, prefix string) keysOf {
	k := keysOf{one: fmt.Sprintf("%s%s:%d", prefix, l.Name, run)}
	if l.Random {
		k.many = make([]string, many)
		for i := range k.many {
			k.many[i] = fmt.Sprintf("key:%06d", i)
		}
	}
	return k
}

// draw draws a key.
func (k keysOf) draw(rng *rand.Rand) string {
	if k.many == nil {
		return k.one
	}
	return k.many[rng.IntN(len(k.many))]
}
