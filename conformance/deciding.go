package conformance

import (
	"fmt"
	"math"
	"time"

	"github.com/weirhq/weir"
)

var deciding = []check{
	{"a fresh key admits exactly the burst", freshKey},
	{"RetryAfter is exact", retryAfter},
	{"RetryAfterSeconds is the least that is enough", retryAfterSeconds},
	{"a refusal writes nothing", refusalWritesNothing},
	{"a cost above the burst is refused with Never and leaves no trace", costAboveBurst},
	{"a cost of 0 is a Peek", costOfNothing},
	{"a negative cost is refused with Never", costBelowNothing},
	{"Remaining is exact", remaining},
	{"ResetAfter is exact", resetAfter},
	{"Limit is that of the quota", limit},
	{"MaxIn is reached and never exceeded", maxIn},
	{"no window of a random schedule exceeds MaxIn", randomSchedule},
}

func freshKey(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		s.owes("never seen", "one by one", 0)
		for n := range s.burst {
			s.spend("one by one", s.cost(n), 1)
		}
		s.want("one beyond the burst", s.allow("one by one", 1), s.decide(s.tolerance, 1))
		s.owes("never seen", "at once", 0)
		s.spend("at once", 0, s.burst)
		s.want("one beyond the burst", s.allow("at once", 1), s.decide(s.tolerance, 1))
	}
}

// debts calls test with a fresh key for each of several debts, from one request to
// the whole burst, and a Resolution to both sides of them.
func (s *subject) debts(prefix string, test func(key string, debt time.Duration)) {
	s.Helper()
	resolution := s.backend.Resolution
	for _, n := range s.costs() {
		for i, later := range []time.Duration{0, resolution, s.interval - resolution, s.interval, s.interval + resolution} {
			key := fmt.Sprintf("%s %d.%d", prefix, n, i)
			s.spend(key, 0, n)
			s.advance(later)
			test(key, max(s.cost(n)-later, 0))
		}
	}
}

func retryAfter(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for _, n := range s.costs() {
			refused := 0
			s.debts(fmt.Sprintf("a cost of %d after", n), func(key string, debt time.Duration) {
				d := s.allow(key, n)
				s.want(fmt.Sprintf("a cost of %d on a debt of %v", n, debt), d, s.decide(debt, n))
				if !d.Allowed {
					s.exact(key, n, d)
					refused++
				}
			})
			if refused == 0 {
				s.Fatalf("%v: no cost of %d was refused", s.terms, n)
			}
		}
	}
}

// exact wants what was refused by d to be refused until RetryAfter is over, and then
// admitted. Since a refusal writes nothing, one key is enough for both.
func (s *subject) exact(key string, n int64, d weir.Decision) {
	s.Helper()
	resolution := s.backend.Resolution
	if d.RetryAfter <= 0 || d.RetryAfter%resolution != 0 {
		s.Fatalf("RetryAfter is %v; it must be a multiple of %v", d.RetryAfter, resolution)
	}
	s.advance(d.RetryAfter - resolution)
	if early := s.allow(key, n); early.Allowed || early.RetryAfter != resolution {
		s.Fatalf("%v: a cost of %d, refused for %v, one Resolution sooner: %+v", s.terms, n, d.RetryAfter, early)
	}
	s.advance(resolution)
	if late := s.allow(key, n); !late.Allowed || late.RetryAfter != 0 {
		s.Fatalf("%v: a cost of %d, refused for %v, after that: %+v", s.terms, n, d.RetryAfter, late)
	}
}

func retryAfterSeconds(e *env) {
	resolution := e.backend.Resolution
	for _, q := range []weir.Quota{
		weir.PerSecond(1), weir.PerMinute(300), {Limit: 1, Period: 1500 * time.Millisecond, Burst: 4}, weir.PerHour(1),
	} {
		s := e.standing(q)
		// Around whole seconds, and within one.
		for i, later := range []time.Duration{0, resolution, s.interval / 2 / resolution * resolution, s.interval - resolution} {
			for _, n := range s.costs() {
				key := fmt.Sprintf("%d, %d", i, n)
				s.spend(key, 0, s.burst)
				s.advance(later)
				d := s.allow(key, n)
				seconds := time.Duration(d.RetryAfterSeconds()) * time.Second
				if d.Allowed || seconds < d.RetryAfter || seconds-time.Second >= d.RetryAfter {
					s.Fatalf("%v: %v as RetryAfterSeconds of %+v", s.terms, seconds, d)
				}
				s.advance(seconds - time.Second)
				if early := s.allow(key, n); early.Allowed {
					s.Fatalf("%v: refused for %v, admitted a second sooner: %+v", s.terms, seconds, early)
				}
				s.advance(time.Second)
				if late := s.allow(key, n); !late.Allowed || late.RetryAfterSeconds() != 0 {
					s.Fatalf("%v: refused for %v, and after it: %+v", s.terms, seconds, late)
				}
			}
		}
	}
}

func refusalWritesNothing(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		resolution := e.backend.Resolution
		s.spend("k", 0, s.burst)
		for left := s.interval; left > 0; {
			debt := s.tolerance - s.interval + left
			for _, n := range append(s.costs(), s.burst+1, -1) {
				s.want(fmt.Sprintf("a cost of %d", n), s.allow("k", n), s.decide(debt, n))
				s.owes("after a refusal", "k", debt)
			}
			step := min(max(s.interval/5/resolution*resolution, resolution), left)
			s.advance(step)
			left -= step
		}
		// However often it was refused, it waits no longer.
		s.spend("k", s.tolerance-s.interval, 1)
	}
}

func costAboveBurst(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for i, n := range []int64{s.burst + 1, s.burst * 2, math.MaxInt64/int64(s.interval) + 1, math.MaxInt64 - 1, math.MaxInt64} {
			n = max(n, s.burst+1)
			s.impossible(fmt.Sprintf("key %d", i), n)
		}
	}
}

func costBelowNothing(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for i, n := range []int64{-1, -s.burst - 1, math.MinInt64 + 1, math.MinInt64} {
			s.impossible(fmt.Sprintf("key %d", i), n)
		}
	}
}

// impossible wants a cost to be refused with Never whatever the key has left, and to leave the key as it was.
func (s *subject) impossible(key string, n int64) {
	s.Helper()
	for spent := int64(0); spent <= s.burst; spent += max(s.burst/2, 1) {
		if spent > 0 {
			s.reset(key)
			s.spend(key, 0, spent)
		}
		d := s.allow(key, n)
		if d.Allowed || d.RetryAfter != weir.Never || d.RetryAfterSeconds() != 9_223_372_037 {
			s.Fatalf("%v: a cost of %d: %+v", s.terms, n, d)
		}
		s.want(fmt.Sprintf("a cost of %d after one of %d", n, spent), d, s.decide(s.cost(spent), n))
		s.owes(fmt.Sprintf("after a cost of %d", n), key, s.cost(spent))
	}
}

func costOfNothing(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for range 3 {
			s.want("a cost of 0 on a fresh key", s.allow("fresh", 0), s.decide(0, 0))
		}
		s.debts("k", func(key string, debt time.Duration) {
			for range 3 {
				s.want(fmt.Sprintf("a cost of 0 on a debt of %v", debt), s.allow(key, 0), s.decide(debt, 0))
			}
			s.owes("after a cost of 0", key, debt)
		})
	}
}

func remaining(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		s.debts("k", func(key string, debt time.Duration) {
			left := s.peek(key).Remaining
			if more := s.allow(key, left+1); more.Allowed {
				s.Fatalf("%v: on a debt of %v %d remain, and one more is admitted: %+v", s.terms, debt, left, more)
			}
			for ; left > 0; left -= (left + 1) / 2 {
				n := (left + 1) / 2
				if d := s.allow(key, n); !d.Allowed || d.Remaining != left-n {
					s.Fatalf("%v: a cost of %d of %d that remain: %+v", s.terms, n, left, d)
				}
			}
			if d := s.peek(key); d.Allowed || d.Remaining != 0 {
				s.Fatalf("%v: after all that remained: %+v", s.terms, d)
			}
		})
	}
}

func resetAfter(e *env) {
	resolution := e.backend.Resolution
	for _, q := range some(resolution) {
		s := e.standing(q)
		s.debts("k", func(key string, debt time.Duration) {
			d := s.peek(key)
			if d.ResetAfter != debt {
				s.Fatalf("%v: ResetAfter of a debt of %v: %+v", s.terms, debt, d)
			}
			if d.ResetAfter > 0 {
				s.advance(d.ResetAfter - resolution)
				s.owes("one Resolution before ResetAfter is over", key, resolution)
				s.want("the burst, one Resolution too early", s.allow(key, s.burst), s.decide(resolution, s.burst))
				s.advance(resolution)
			}
			s.owes("after ResetAfter", key, 0)
			s.advance(resolution)
			s.owes("and later", key, 0)
			s.spend(key, 0, s.burst)
		})
	}
}

func limit(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for what, d := range map[string]weir.Decision{
			"a Peek": s.peek("k"), "an admission": s.allow("k", s.burst), "a refusal": s.allow("k", 1),
			"a cost above the burst": s.allow("k", s.burst+1), "a negative cost": s.allow("k", -1), "a cost of 0": s.allow("k", 0),
		} {
			if d.Limit != q.Limit {
				s.Errorf("%v: the Limit of %s is %d", s.terms, what, d.Limit)
			}
		}
	}
}
