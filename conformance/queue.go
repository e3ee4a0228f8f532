package conformance

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// A queue is a key of a live limiter whose burst was spent at once, at an instant
// known to within a part of T, and of those who wait behind. From then on the key
// stands at that instant + T·(all that was spent and promised).
type queue struct {
	*subject
	key      string
	from, to time.Time // between which the burst was spent
	spent    int64     // the burst, and all places taken since
	ctx      context.Context
	end      context.CancelFunc // of all who wait
	all      sync.WaitGroup     // of those
}

// patience is how long the suite waits for what should come at once.
const patience = 5 * time.Second

// newQueue takes a fresh key until one was spent from quickly enough.
func newQueue(e *env) *queue {
	e.Helper()
	// T is long beside a decision, τ beside anything that may delay one.
	s := e.live(weir.Quota{Limit: 20, Period: time.Second, Burst: 50})
	for try := range 100 {
		q := &queue{subject: s, key: fmt.Sprint("queue", try), spent: s.burst, from: time.Now()}
		if d := s.allow(q.key, s.burst); !d.Allowed {
			s.Fatalf("%v: a fresh key: %+v", s.terms, d)
		}
		if q.to = time.Now(); q.to.Sub(q.from) < s.interval/4 {
			q.ctx, q.end = context.WithCancel(s.ctx)
			return q
		}
	}
	e.Fatalf("no decision in less than %v: too slow to tell one place from the next", s.interval/4)
	return nil
}

// close sends home who still waits.
func (q *queue) close() {
	q.end()
	q.all.Wait()
}

// stands is between which instants the key stands, after q.from, by one Peek that was quick enough to tell.
func (q *queue) stands() (earliest, latest time.Duration) {
	q.Helper()
	for range 100 {
		call := time.Since(q.from)
		d := q.peek(q.key)
		back := time.Since(q.from)
		if d.ResetAfter == 0 {
			q.Fatalf("%v: %v after %d were spent or promised the key is as if never seen: %+v", q.terms, back, q.spent, d)
		}
		earliest, latest = call+d.ResetAfter-q.drift(back), back+d.ResetAfter+q.drift(back)
		if back-call < q.interval/4 {
			return earliest, latest
		}
	}
	q.Fatalf("no Peek in less than %v: too slow to tell one place from the next", q.interval/4)
	return 0, 0
}

// owesAll wants the key to stand where all that was spent has brought it.
func (q *queue) owesAll(what string) {
	q.Helper()
	earliest, latest := q.stands()
	if low := q.cost(q.spent); latest < low {
		q.Fatalf("%v: %s: the key stands at %v at most, want %v: too much was given back", q.terms, what, latest, low)
	}
	if high := q.to.Sub(q.from) + q.cost(q.spent); earliest > high {
		q.Fatalf("%v: %s: the key stands at %v at least, want %v: too little was given back", q.terms, what, earliest, high)
	}
}

// A waiter is one call of Wait.
type waiter struct {
	cost   int64
	place  time.Duration // when it may return, after q.from at the earliest
	cancel context.CancelFunc
	done   chan struct{} // closed when it has returned
	err    error
	at     time.Duration // when it returned
}

// join starts a waiter with a deadline that leaves enough time, and returns once it has taken its place.
func (q *queue) join(cost int64) *waiter {
	q.Helper()
	q.spent += cost
	w := &waiter{cost: cost, place: q.cost(q.spent) - q.tolerance, done: make(chan struct{})}
	ctx, cancel := context.WithDeadline(q.ctx, q.to.Add(w.place+patience))
	w.cancel = cancel
	q.all.Go(func() {
		defer cancel()
		defer close(w.done)
		w.err = q.l.Wait(ctx, q.key, cost)
		w.at = time.Since(q.from)
	})
	// Who takes a place only once it is reached is seen by a place that is far enough away.
	start := time.Since(q.from)
	latest := max(w.place-q.interval/4, start+500*time.Millisecond)
	for now := start; now < latest; now = time.Since(q.from) {
		if earliest, _ := q.stands(); earliest > q.cost(q.spent)-q.interval/2 {
			return w
		}
		time.Sleep(time.Millisecond)
	}
	q.Fatalf("%v: in %v Wait for %d has taken no place", q.terms, latest-start, cost)
	return nil
}

// staysBehind wants a request of cost 1 to be refused as long as somebody waits.
func (q *queue) staysBehind() {
	q.Helper()
	d := q.allow(q.key, 1)
	place := q.cost(q.spent+1) - q.tolerance
	if now := time.Since(q.from); d.Allowed && now+q.drift(now) < place {
		q.Fatalf("%v: AllowN is admitted at %v, before its place at %v: %+v", q.terms, now, place, d)
	}
	if d.Allowed {
		q.spent++
	}
}

// passes wants a waiter to be let through, and not before its place.
func (q *queue) passes(w *waiter) {
	q.Helper()
	select {
	case <-w.done:
	case <-time.After(w.place + patience):
		q.Fatalf("%v: Wait for a place at %v has not returned %v after that", q.terms, w.place, patience)
	}
	if w.err != nil {
		q.Fatalf("%v: Wait for a place at %v: %v", q.terms, w.place, w.err)
	}
	if w.at+q.drift(w.at) < w.place {
		q.Fatalf("%v: Wait for a place at %v returned at %v", q.terms, w.place, w.at)
	}
}

// leaves ends a waiter's context.
func (q *queue) leaves(w *waiter) {
	q.Helper()
	w.cancel()
	select {
	case <-w.done:
	case <-time.After(patience):
		q.Fatalf("%v: Wait has not returned %v after its context was canceled", q.terms, patience)
	}
	if !errors.Is(w.err, context.Canceled) {
		q.Fatalf("%v: Wait for a place at %v, canceled before: %v", q.terms, w.place, w.err)
	}
}

func waitInOrder(e *env) {
	q := newQueue(e)
	defer q.close()
	var waiters []*waiter
	for _, n := range []int64{12, 1, 2, 1} {
		waiters = append(waiters, q.join(n))
		q.staysBehind()
	}
	for _, w := range waiters {
		q.passes(w)
	}
	q.owesAll("after all have passed")
}

func waitGivesBack(e *env) {
	q := newQueue(e)
	defer q.close()
	first, last := q.join(3), q.join(30) // which leaves long before its place
	q.leaves(last)
	q.spent -= last.cost
	q.owesAll("after the last one left")
	next := q.join(1) // takes the place that was given back
	q.passes(first)
	q.passes(next)
	q.owesAll("after the others have passed")
}

func waitKeeps(e *env) {
	q := newQueue(e)
	defer q.close()
	first, second, last := q.join(12), q.join(1), q.join(20)
	q.leaves(first)
	q.owesAll("after the first one left, with others behind")
	q.staysBehind() // not in the gap that was left
	q.leaves(last)
	q.spent -= last.cost
	q.owesAll("after the last one left")
	q.passes(second)
	q.owesAll("after one has passed")
}

// Some wait, some of those give up, others ask in between; what passes is counted against real time. (Where exactly a
// place is after somebody in front has left cannot be seen by when Wait returns, but by where the key stands.)
func waitMaxIn(e *env) {
	const enough = 400 * time.Millisecond
	random := e.random()
	s := e.live(weir.Quota{Limit: 200, Period: time.Second, Burst: 10})
	var passed, left, refused atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range callers / 2 { // the patient
		all.Go(func() {
			for n := int64(1); time.Since(start) < enough; n = 3 - n {
				s.waitFor(n, time.Hour, &passed, &left)
			}
		})
	}
	for range callers / 2 { // who give up after a while
		seed := random.Int64()
		all.Go(func() {
			for i := int64(0); time.Since(start) < enough; i++ {
				s.waitFor(1+(seed+i)&1, time.Duration(1+(seed>>8+i*7)&31)*time.Millisecond, &passed, &left)
			}
		})
	}
	all.Go(func() {
		for ; time.Since(start) < enough; time.Sleep(time.Millisecond) {
			if s.admitted("k", 1) {
				passed.Add(1)
			} else {
				refused.Add(1)
			}
		}
	})
	all.Wait()
	elapsed := time.Since(start)
	if most := s.maxIn(elapsed + s.drift(elapsed)); passed.Load() > most {
		s.Fatalf("%v: %d passed in %v; MaxIn is %d", s.terms, passed.Load(), elapsed, most)
	}
	if left.Load() == 0 || refused.Load() == 0 || passed.Load() <= s.burst {
		s.Fatalf("%v: %d passed, %d gave up, %d were refused: nothing is tested", s.terms, passed.Load(), left.Load(), refused.Load())
	}
}

// waitFor waits for n, no longer than that.
func (s *subject) waitFor(n int64, longest time.Duration, passed, left *atomic.Int64) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer time.AfterFunc(longest, cancel).Stop()
	switch err := s.l.Wait(ctx, "k", n); {
	case err == nil:
		passed.Add(n)
	case errors.Is(err, context.Canceled):
		left.Add(1)
	default:
		s.Errorf("%v: Wait: %v", s.terms, err)
	}
}
