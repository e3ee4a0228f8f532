package weir

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// Wait blocks until a request of cost n may pass, and spends it. Who comes first
// is served first: Wait takes its place in the key's future at once, behind all
// places taken before, then sleeps until the place is reached. Meanwhile Allow
// on the same key is refused, as it stands behind.
//
// It returns nil when the request may pass. It returns at once, having spent
// nothing,
//
//   - with the context's error if the context is already done;
//   - with a [*DeadlineError] if the place lies beyond the context's deadline;
//   - with a [*CostError] if n is negative or above the burst, or the place lies
//     beyond the end of time.
//
// If the context ends while Wait sleeps, it returns the context's error and
// gives its cost back, provided that nobody has taken a place behind it: places
// that were promised do not move, so a gap in front of them could be filled a
// second time. A place is kept through a SetQuota, but is then not given back.
// A cost of 0 passes at once, unless the context is done.
//
// Wait sleeps on the runtime's timers, and once awake reads the limiter's clock:
// it never returns nil before that shows the place's time. The deadline is
// compared with the wait by time.Until, so a clock given by WithClock should
// run as fast as the real one. Without a need to sleep Wait costs what Allow
// does.
func (l *Limiter) Wait(ctx context.Context, key string, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	p, err := l.takePlace(ctx, key, n)
	if err == nil {
		err = l.await(ctx, key, p)
	}
	l.counters.count(err == nil)
	return err
}

// A place is what Wait holds while it sleeps.
type place struct {
	gcra        // the quota under which it was taken
	after int64 // the TAT that taking it wrote
	nanos int64 // by which it raised the TAT
	ready int64 // the instant at which it is reached

	asleep *sleepers // of the key, while this one sleeps
	resets int64     // of the key, when it began to
}

func (l *Limiter) takePlace(ctx context.Context, key string, n int64) (p place, err error) {
	sh, id := l.locate(key)
	now := l.clock.reading()
	deadline, hasDeadline := ctx.Deadline()
	l.apply(sh, id, reading{now: now, asked: now, renewable: true}, func(k standing) (int64, bool) {
		after, ready, ok := k.reserve(k.tat, k.now, n)
		if !ok { // also for n < 0
			err = &CostError{n, k.tolerance / k.interval}
			return k.tat, false
		}
		wait := time.Duration(max(ready-k.asked, 0))
		if left := time.Until(deadline); hasDeadline && wait > left {
			err = &DeadlineError{wait, left}
			return k.tat, false
		}
		p = place{gcra: *k.gcra, after: after, nanos: n * k.interval, ready: ready}
		return after, true
	})
	return p, err
}

// await sleeps until a place is reached, if it is not yet.
func (l *Limiter) await(ctx context.Context, key string, p place) error {
	if p.ready <= l.clock.reading() {
		return nil
	}
	l.fallAsleep(key, &p)
	defer l.wakeUp(key)
	err := l.sleepUntil(ctx, p.ready)
	if err != nil {
		l.giveBack(key, p)
	}
	return err
}

// sleepUntil sleeps until the limiter's clock shows ready. A coarse clock, or one of
// the user's, may not be there yet when the timer fires.
func (l *Limiter) sleepUntil(ctx context.Context, ready int64) error {
	for left := ready - l.clock.reading(); left > 0; left = ready - l.clock.reading() {
		if err := sleep(ctx, time.Duration(left)); err != nil {
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// sleepers are those in Wait who sleep for one key. A Reset forgives their places
// with all else, and says so here before it does.
type sleepers struct {
	n      int // guarded by the map's lock on the entry
	resets atomic.Int64
}

// fallAsleep joins the sleepers of a key. A Reset from between taking the place and
// this shows by where the key stands; then the place is void. (So it is if a Refund
// came between, which is on the safe side.)
func (l *Limiter) fallAsleep(key string, p *place) {
	sh, id := l.locate(key)
	p.asleep, _ = l.sleepers.Compute(ownKey{sh, id}, func(s *sleepers, loaded bool) (*sleepers, bool) {
		if !loaded {
			s = new(sleepers)
		}
		s.n++
		return s, false
	})
	p.resets = p.asleep.resets.Load()
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		if k.tat < p.after {
			p.resets = -1
		}
		return k.tat, false
	})
}

func (l *Limiter) wakeUp(key string) {
	sh, id := l.locate(key)
	l.sleepers.Compute(ownKey{sh, id}, func(s *sleepers, _ bool) (*sleepers, bool) {
		s.n--
		return s, s.n == 0
	})
}

// void reports whether a Reset has forgiven the place.
func (p *place) void() bool { return p.asleep != nil && p.asleep.resets.Load() != p.resets }

// giveBack undoes takePlace if the key stands just as that left it: then nobody
// has taken a place behind. After a Reset a key may come to stand at the same
// nanosecond again, with others behind: so a place from before is not given back.
// (What remains is a Reset between this look at the resets and the CAS, with as much
// taken again meanwhile: some nanoseconds, on a clock that stands still.)
func (l *Limiter) giveBack(key string, p place) {
	sh, id := l.locate(key)
	var before, after int64
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		before, after = k.tat, k.tat
		mine := *k.gcra == p.gcra && k.tat == p.after && !p.void()
		if mine {
			after = max(k.tat-p.nanos, k.floor)
		}
		return after, mine
	})
	l.fell(before, after)
}

// A CostError is a cost that can never be admitted.
type CostError struct {
	Cost  int64 // what was asked for
	Burst int64 // the most that is ever admitted at once
}

func (e *CostError) Error() string {
	return fmt.Sprintf("weir: a cost of %d can never be admitted: it must be from 0 to the burst of %d, at a time that a clock can show",
		e.Cost, e.Burst)
}

// A DeadlineError is a wait that would outlast the context's deadline. For
// [errors.Is] it is a [context.DeadlineExceeded].
type DeadlineError struct {
	Wait time.Duration // until the request would be admitted
	Left time.Duration // until the deadline
}

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("weir: admission is %v away, beyond the context's deadline in %v", e.Wait, e.Left)
}

// Is makes the error a context.DeadlineExceeded.
func (e *DeadlineError) Is(target error) bool { return target == context.DeadlineExceeded }
