package conformance

import (
	"time"

	"github.com/weirhq/weir"
)

var quotas = []check{
	{"SetQuota keeps what was consumed, counted in requests", quotaKeeps},
	{"lowering a quota and raising it again forgives nothing", quotaThereAndBack},
	{"a debt above a smaller burst is kept", quotaBelowDebt},
	{"a faster rate shortens the wait", quotaFaster},
	{"SetQuota reaches keys never seen", quotaReachesAll},
	{"time is earned at the rate of its day", quotaInTime},
	{"a quota that is not valid changes nothing", quotaInvalid},
}

// rounding is by how many Resolutions a debt may have grown in a change of quota.
const rounding = 2

// converted wants a key to owe a debt, but for rounding, and everything else about it to follow from what it owes. It
// returns that.
func (s *subject) converted(what, key string, debt time.Duration) time.Duration {
	s.Helper()
	d := s.peek(key)
	if d.ResetAfter < debt || d.ResetAfter > debt+rounding*s.backend.Resolution {
		s.Fatalf("%v: %s: ResetAfter is %v, want %v, or up to %d Resolutions more", s.terms, what, d.ResetAfter, debt, rounding)
	}
	s.want(what, d, s.decide(d.ResetAfter, 0))
	return d.ResetAfter
}

func quotaKeeps(e *env) {
	all := some(e.backend.Resolution)
	for _, from := range all {
		for _, to := range all {
			s := e.standing(from)
			for _, n := range s.costs() {
				s.spend(name(from.String()), 0, n)
				s.setQuota(to)
				debt := s.converted("after "+from.String(), name(from.String()), s.cost(n))
				d := s.allow(name(from.String()), s.burst)
				s.want("the burst after a change", d, s.decide(debt, s.burst))
				s.exact(name(from.String()), s.burst, d)
				s.reset(name(from.String()))
				s.setQuota(from)
			}
		}
	}
}

func quotaThereAndBack(e *env) {
	for _, from := range some(e.backend.Resolution) {
		for _, to := range []weir.Quota{
			{Limit: from.Limit, Period: from.Period * 3, Burst: 1},
			{Limit: from.Limit * 3, Period: from.Period * 7, Burst: newTerms(from, e.backend.Resolution).burst},
			{Limit: from.Limit, Period: from.Period, Burst: 1},
		} {
			s := e.standing(from)
			for _, asked := range []bool{false, true} { // in between
				s.reset("k")
				s.spend("k", 0, s.burst)
				s.setQuota(to)
				if asked {
					s.peek("k")
					s.allow("k", 1)
				}
				s.setQuota(from)
				s.converted("there and back", "k", s.tolerance)
				s.reset("k")
			}
		}
	}
}

func quotaBelowDebt(e *env) {
	for _, to := range []weir.Quota{
		{Limit: 100, Period: time.Second, Burst: 10}, {Limit: 30, Period: time.Minute, Burst: 1}, {Limit: 999, Period: time.Second, Burst: 79},
	} {
		s := e.standing(weir.Quota{Limit: 100, Period: time.Second})
		for _, n := range []int64{80, 100} {
			s.spend("k", 0, n)
			s.setQuota(to)
			debt := s.converted("spent under a greater burst", "k", s.cost(n))
			d := s.allow("k", 1)
			s.want("one more", d, s.decide(debt, 1))
			if d.Allowed || d.Remaining != 0 {
				s.Fatalf("%v: on %d spent before: %+v", s.terms, n, d)
			}
			s.exact("k", 1, d)
			s.reset("k")
			s.setQuota(weir.Quota{Limit: 100, Period: time.Second})
		}
	}
}

func quotaFaster(e *env) {
	s := e.standing(weir.Quota{Limit: 1, Period: time.Hour, Burst: 5})
	s.spend("k", 0, 5)
	slow := s.allow("k", 1)
	s.setQuota(weir.Quota{Limit: 1, Period: time.Minute, Burst: 5})
	fast := s.allow("k", 1)
	if fast.Allowed || fast.RetryAfter >= slow.RetryAfter/59 {
		s.Fatalf("%v instead of one an hour: %+v, and before: %+v", s.terms, fast, slow)
	}
	s.exact("k", 1, fast)
	s.setQuota(weir.Quota{Limit: 1, Period: time.Minute, Burst: 7})
	if d := s.allow("k", 2); !d.Allowed {
		s.Fatalf("%v: a burst of 7 after one of 5: %+v", s.terms, d)
	}
}

func quotaReachesAll(e *env) {
	all := some(e.backend.Resolution)
	s := e.standing(all[0])
	for _, q := range all {
		s.setQuota(q)
		s.owes("never seen", "k "+q.String(), 0)
		s.spend("k "+q.String(), 0, s.burst)
		s.want("one beyond the burst", s.allow("k "+q.String(), 1), s.decide(s.tolerance, 1))
	}
}

// What was earned before a change of quota was earned at the old rate, and what is earned after it at the new one,
// whenever the key is asked for.
func quotaInTime(e *env) {
	if e.backend.LateQuota {
		e.Logf("not asked of a backend with LateQuota")
		return
	}
	slow, fast := weir.Quota{Limit: 1, Period: 8 * time.Second, Burst: 10}, weir.PerSecond(10)
	for _, change := range [][2]weir.Quota{{slow, fast}, {fast, slow}} {
		s := e.standing(change[0])
		s.spend("k", 0, 10)
		s.advance(s.cost(4))
		s.setQuota(change[1])
		s.advance(s.cost(3)) // the first time that the key is asked for is after that
		s.converted("4 earned before the change and 3 after it", "k", s.cost(3))
		s.spend("fresh", 0, 10)
		s.advance(s.cost(9))
		s.setQuota(change[0])
		s.converted("9 earned before the change", "fresh", s.cost(1))
	}
}

func quotaInvalid(e *env) {
	q := weir.PerSecond(10)
	s := e.standing(q)
	s.spend("k", 0, 4)
	for _, bad := range []weir.Quota{
		{}, {Limit: -1, Period: time.Second}, {Limit: 1}, {Limit: 1, Period: -time.Second},
		{Limit: 1, Period: time.Second, Burst: -1}, {Limit: 1, Period: time.Hour * 24 * 365, Burst: 100},
	} {
		if err := s.l.SetQuota(bad); err == nil {
			s.Errorf("SetQuota(%+v) gave no error", bad)
		}
		s.owes("after an error of SetQuota", "k", s.cost(4))
	}
}
