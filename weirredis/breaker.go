package weirredis

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Health is what has become known of the server, or of a part of a cluster.
type Health struct {
	Up  bool
	Err error // why it is not; nil when Up
	// First and Last are the cluster's slots that this is about; both 0 where there
	// is no cluster.
	First, Last int
}

// A breaker keeps decisions from waiting for a server that does not answer. It is
// closed, and counts failures in a row; or open, and a goroutine asks now and then
// whether the server is back.
type breaker struct {
	failures   atomic.Int64           // in a row
	failedAt   atomic.Int64           // when the last one that was no timeout was, by server.now
	success    atomic.Int64           // when the last one was, by server.now
	suspecting atomic.Bool            // somebody looks, since a caller could not wait longer
	outage     atomic.Pointer[outage] // nil while closed
}

// An outage is while a breaker is open.
type outage struct {
	err  error
	next atomic.Int64 // the next probe, by server.now
}

// succeeded is told the time, which it keeps to a hundredth of a second: it is read
// by each call, and written by few.
func (b *breaker) succeeded(now time.Duration) {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
	if int64(now)-b.success.Load() > int64(time.Second)/100 {
		b.success.Store(int64(now))
	}
}

// answered reports whether the server has answered in the last second, and has not
// failed since: then there is a connection.
func (b *breaker) answered(now time.Duration) bool {
	success := b.success.Load()
	return success != 0 && int64(now)-success < int64(time.Second) && b.failures.Load() == 0
}

// failed counts a failure, and opens the breaker with the last one that it takes. A
// batch counts once, however many wait for it; and a connection that breaks counts once,
// however many batches it takes along: those that were sent before it was noticed.
func (s *server) failed(b *breaker, sent *batch, name string, err error) {
	if !sent.blamed.CompareAndSwap(false, true) {
		return
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		if int64(sent.sent) <= b.failedAt.Load() {
			return
		}
		b.failedAt.Store(int64(s.now()))
	}
	if b.failures.Add(1) >= int64(s.config.failures) {
		s.open(b, name, err)
	}
}

func (s *server) open(b *breaker, name string, err error) {
	o := &outage{err: err}
	o.next.Store(int64(s.now() + s.retry))
	if s.stopped.Err() != nil || !s.change(b, nil, o) {
		return
	}
	s.background(func() { s.recover(b, o, name) })
}

// suspect looks, once at a time, whether the server answers within the timeout.
func (s *server) suspect(b *breaker, name string) {
	if s.stopped.Err() != nil || !b.suspecting.CompareAndSwap(false, true) {
		return
	}
	s.background(func() {
		defer b.suspecting.Store(false)
		for b.outage.Load() == nil {
			answer, sent := s.call(s.stopped, probe(name), nil)
			if s.stopped.Err() != nil {
				return
			}
			if answer.err == nil || !blames(answer.err) {
				b.succeeded(s.now())
				return
			}
			s.failed(b, sent, name, answer.err)
		}
	})
}

func probe(name string) request {
	return request{probeScript, name, [4]string{"1"}}
}

// recover asks whether the server is back until it is; then what was admitted without
// it is charged, and the breaker closes.
func (s *server) recover(b *breaker, o *outage, name string) {
	for pause := s.retry; s.sleep(o, pause); pause = min(2*pause, 10*s.retry) {
		if answer, _ := s.call(s.stopped, probe(name), nil); answer.err != nil && blames(answer.err) {
			continue
		}
		// Before the breaker closes, so that those who come then find it charged.
		part := s.index(b)
		here := func(other int) bool { return other == part }
		if s.settle(s.stopped, here) != nil {
			continue
		}
		b.failures.Store(0)
		s.change(b, o, nil)
		s.settleSoon() // those who were admitted meanwhile
		return
	}
}

// sleep pauses from half to all of that long: processes that lost the server at one
// instant do not come back at one. It reports whether to go on.
func (s *server) sleep(o *outage, pause time.Duration) bool {
	pause = pause/2 + rand.N(pause/2+1)
	o.next.Store(int64(s.now() + pause))
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-s.stopped.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (s *server) settle(ctx context.Context, ready func(part int) bool) error {
	for _, settle := range s.settlers {
		if err := settle(ctx, ready); err != nil {
			return err
		}
	}
	return nil
}

// up reports whether the server of a part is asked.
func (s *server) up(part int) bool { return s.breakers[part].outage.Load() == nil }

func (s *server) index(b *breaker) int {
	for i := range s.breakers {
		if &s.breakers[i] == b {
			return i
		}
	}
	return -1 // never
}

// change opens or closes a breaker, and queues a call of the hook. Both under one lock,
// so that changes are told in the order in which they were made.
func (s *server) change(b *breaker, from, to *outage) bool {
	s.health.Lock()
	defer s.health.Unlock()
	if !b.outage.CompareAndSwap(from, to) {
		return false
	}
	if s.onHealth == nil {
		return true
	}
	h := Health{Up: to == nil}
	if to != nil {
		h.Err = to.err
	}
	if len(s.breakers) > 1 {
		h.First = s.index(b) * slots / clusterParts
		h.Last = h.First + slots/clusterParts - 1
	}
	s.health.queue = append(s.health.queue, h)
	if !s.health.telling {
		s.health.telling = true
		go s.tell()
	}
	return true
}

func (s *server) tell() {
	for {
		s.health.Lock()
		if len(s.health.queue) == 0 {
			s.health.telling = false
			s.health.Unlock()
			return
		}
		h := s.health.queue[0]
		s.health.queue = s.health.queue[1:]
		s.health.Unlock()
		s.onHealth(h)
	}
}

// down is how many breakers are open.
func (s *server) down() (n int64) {
	for i := range s.breakers {
		if s.breakers[i].outage.Load() != nil {
			n++
		}
	}
	return n
}

// retryAfter is until the server of that name is tried again.
func (s *server) retryAfter(name string) time.Duration {
	if o := s.breakers[s.part(name)].outage.Load(); o != nil {
		return max(time.Duration(o.next.Load())-s.now(), 0) + s.timeout
	}
	return s.retry
}

// close ends what goes on in the background.
func (s *server) close(ctx context.Context) error {
	s.running.Lock()
	s.stop()
	s.running.Unlock()
	done := make(chan struct{})
	go func() { s.goroutines.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
