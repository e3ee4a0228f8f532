package conformance

import (
	"fmt"
	"time"
)

// The worst window: a burst that was saved up at its start, and each request as soon as it is earned, until its end.
func maxIn(e *env) {
	resolution := e.backend.Resolution
	for _, q := range some(resolution) {
		s := e.standing(q)
		for i, window := range []time.Duration{
			0, s.interval - resolution, s.interval, 2*s.interval - resolution, 30 * s.interval, 31*s.interval - resolution,
		} {
			key := fmt.Sprintf("window %d", i)
			s.spend(key, 0, s.burst)
			admitted := s.burst
			for left := window; ; {
				d := s.allow(key, 1)
				if d.Allowed {
					admitted++
					continue
				}
				if d.RetryAfter > left {
					break
				}
				s.advance(d.RetryAfter)
				left -= d.RetryAfter
			}
			if admitted > q.MaxIn(window) {
				s.Fatalf("%v: %d admitted in %v; MaxIn is %d", s.terms, admitted, window, q.MaxIn(window))
			}
			if admitted != s.maxIn(window) {
				s.Fatalf("%v: %d admitted in %v, want %d", s.terms, admitted, window, s.maxIn(window))
			}
		}
	}
}

// An admission is a cost and the time when it was admitted.
type admission struct {
	at   time.Duration
	cost int64
}

func randomSchedule(e *env) {
	random := e.random()
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		var now time.Duration
		var admitted []admission
		for range 200 {
			n := 1 + random.Int64N(min(s.burst, 5))
			if d := s.allow("k", n); d.Allowed {
				admitted = append(admitted, admission{now, n})
			}
			if random.IntN(3) > 0 {
				continue
			}
			later := time.Duration(random.Int64N(int64(3*s.interval))) / e.backend.Resolution * e.backend.Resolution
			s.advance(later)
			now += later
		}
		s.within(admitted)
	}
}

// within wants every window to hold at most MaxIn. The fullest ones begin and end with an admission.
func (s *subject) within(admitted []admission) {
	s.Helper()
	for i, first := range admitted {
		sum := int64(0)
		for _, last := range admitted[i:] {
			sum += last.cost
			if window := last.at - first.at; sum > s.maxIn(window) {
				s.Fatalf("%v: %d admitted in %v; MaxIn is %d", s.terms, sum, window, s.maxIn(window))
			}
		}
	}
}
