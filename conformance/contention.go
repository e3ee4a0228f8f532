package conformance

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

var contention = []check{
	{"many callers are admitted exactly the burst", manyCallers},
	{"many callers of many keys are admitted each key's burst", manyKeys},
	{"many callers are admitted exactly what was earned", manyRounds},
	{"what many callers spend and give back adds up", manySpendBack},
	{"many callers in real time are admitted what the quota allows", realTime},
}

const callers = 8

// together calls each of the callers at once, and returns when all are through.
func together(call func(caller int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for caller := range callers {
		all.Go(func() {
			<-start
			call(caller)
		})
	}
	close(start)
	all.Wait()
}

// admitted is whether a request was admitted, for goroutines that must not end the test. At an error it is false.
func (s *subject) admitted(key string, n int64) bool {
	d, err := s.l.AllowN(s.ctx, key, n)
	if err != nil {
		s.Errorf("AllowN(%s, %d): %v", name(key), n, err)
	}
	return err == nil && d.Allowed
}

// hammer has all callers ask for twice as much as there is together, and returns how much they were admitted.
func (s *subject) hammer(key string, there int64) int64 {
	var sum atomic.Int64
	together(func(int) {
		for range over(2*there, callers) {
			if s.admitted(key, 1) {
				sum.Add(1)
			}
		}
	})
	return sum.Load()
}

func manyCallers(e *env) {
	s := e.standing(weir.PerMinute(300))
	for round := range 3 {
		key := fmt.Sprint("k", round)
		if n := s.hammer(key, s.burst); n != s.burst {
			s.Fatalf("%v: %d admitted", s.terms, n)
		}
		s.owes("after the burst", key, s.tolerance)
	}
}

func manyKeys(e *env) {
	s := e.standing(weir.Quota{Limit: 1, Period: time.Second, Burst: 40})
	const keys = 25
	var sums [keys]atomic.Int64
	together(func(caller int) {
		for i := range 10 * keys {
			k := (i + caller) % keys
			if s.admitted(fmt.Sprint("k", k), 1) {
				sums[k].Add(1)
			}
		}
	})
	for k := range sums {
		if n := sums[k].Load(); n != s.burst {
			s.Fatalf("%v: %d admitted to key %d", s.terms, n, k)
		}
		s.owes("after the burst", fmt.Sprint("k", k), s.tolerance)
	}
}

func manyRounds(e *env) {
	s := e.standing(weir.Quota{Limit: 7, Period: time.Second, Burst: 50})
	s.spend("k", 0, s.burst)
	for _, n := range []int64{1, 2, 17, 50, 80} {
		s.advance(s.cost(n) - e.backend.Resolution)
		early := s.hammer("k", min(n, s.burst))
		s.advance(e.backend.Resolution)
		last := s.hammer("k", 1)
		if n <= s.burst && last != 1 {
			s.Fatalf("%v: %d admitted at the instant at which one was earned", s.terms, last)
		}
		if early+last != min(n, s.burst) {
			s.Fatalf("%v: %d admitted when %d were earned", s.terms, early+last, n)
		}
		s.reset("k")
		s.spend("k", 0, s.burst)
	}
}

func manySpendBack(e *env) {
	s := e.standing(weir.PerMinute(100))
	var spent atomic.Int64
	together(func(caller int) {
		for i := range 60 {
			n := int64(1 + (caller+i)%4)
			if !s.admitted("k", n) {
				continue
			}
			back := int64(i) % (n + 1)
			if err := s.l.Refund(s.ctx, "k", back); err != nil {
				s.Errorf("Refund: %v", err)
			}
			spent.Add(n - back)
		}
	})
	if spent.Load() > s.burst || spent.Load() < s.burst/2 {
		s.Fatalf("%v: %d spent", s.terms, spent.Load())
	}
	s.owes("after all", "k", s.cost(spent.Load()))
}

// drift is what two clocks may differ by after that time. System clocks are corrected by at most 500 in a million.
func (s *subject) drift(elapsed time.Duration) time.Duration {
	return elapsed/1000 + s.backend.Resolution
}

// A key that is never idle stands at (its first admission) + T·admitted. So once a request has been refused, admitted
// is burst + ⌊elapsed / T⌋, where elapsed is from the decision about the first to the decision about the last request,
// both of which lie between a call and its return.
func realTime(e *env) {
	const enough = 300 * time.Millisecond
	s := e.live(weir.Quota{Limit: 100, Period: time.Second, Burst: 200})
	var sum atomic.Int64
	var each [callers]int64

	firstCall := time.Now()
	if d := s.allow("k", s.burst); !d.Allowed {
		s.Fatalf("%v: a fresh key: %+v", s.terms, d)
	}
	firstReturn := time.Now()
	sum.Add(s.burst)
	together(func(caller int) {
		for time.Since(firstReturn) < enough {
			if s.admitted("k", 1) {
				sum.Add(1)
				each[caller]++
			}
		}
	})
	lastCall := time.Now()
	for s.allow("k", 1).Allowed {
		sum.Add(1)
		lastCall = time.Now()
	}
	lastReturn := time.Now()

	shortest, longest := lastCall.Sub(firstReturn), lastReturn.Sub(firstCall)
	least := s.maxIn(max(shortest-s.drift(shortest), 0))
	most := s.maxIn(longest + s.drift(longest))
	if n := sum.Load(); n < least || n > most {
		s.Fatalf("%v: %d admitted in %v to %v, want %d to %d", s.terms, n, shortest, longest, least, most)
	}
	s.Logf("%d admitted, of %d to %d, by caller: %v", sum.Load()-s.burst, least-s.burst, most-s.burst, each)
}
