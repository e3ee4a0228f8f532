package weirredis

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir"
)

// Wait blocks until a request of cost n may pass, and spends it, as
// [weir.Limiter.Wait] does: who comes first, at the server, is served first, whichever
// process he is in. It takes its place at once and sleeps until that is reached. It
// returns at once, having spent nothing, with the context's error if the context is done;
// with a [*weir.DeadlineError] if the place lies beyond its deadline; with a
// [*weir.CostError] if n is negative or above the burst, or the place beyond the end of
// time.
//
// If the context ends meanwhile it gives its cost back, provided that nobody has taken a
// place behind it; for that it may block for another [WithTimeout]. If the server cannot
// be asked, the fallback waits in its own way: [Local] for a place of its own, [Open] not
// at all, and [Closed] returns an [*UnavailableError].
func (l *Limiter) Wait(ctx context.Context, key string, n int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n == 0 {
		return nil
	}
	m := l.meter.Load()
	cost, payable := m.cost(n)
	if n < 0 || !payable {
		l.counters.count(false)
		return &weir.CostError{Cost: n, Burst: m.burst}
	}
	err := l.wait(ctx, key, m, n, cost)
	l.counters.count(err == nil)
	return err
}

func (l *Limiter) wait(ctx context.Context, key string, m *meter, n, cost int64) error {
	patience := int64(longestDebt)
	deadline, hasDeadline := ctx.Deadline()
	left := time.Until(deadline)
	if hasDeadline {
		patience = min(max(int64(left/time.Microsecond), 0), patience)
	}
	resets := l.resets(key).Load()
	r, err := l.server.ask(ctx, l.request(reserveScript, key, m.intervalArg, m.toleranceArg, digits(cost), digits(patience)), func(late reply) {
		if late.more[0] == 1 {
			l.leave(key, m, cost, late.more[1]+late.more[2], resets)
		}
	})
	if err != nil {
		return l.waitBack(ctx, key, n, err)
	}
	taken, debt, clock := r.more[0] == 1, r.more[1], r.more[2]
	switch {
	case !taken && hasDeadline && debt+cost <= longestDebt:
		return &weir.DeadlineError{Wait: micros(debt + cost - m.tolerance), Left: left}
	case !taken:
		return &weir.CostError{Cost: n, Burst: m.burst}
	case debt <= m.tolerance:
		return nil
	}
	if err := sleep(ctx, micros(debt-m.tolerance)); err != nil {
		l.leave(key, m, cost, clock+debt, resets)
		return err
	}
	return nil
}

// leave gives a place back, that is in front of that theoretical arrival time, unless the
// key was reset since: then it may stand there again, with others behind.
func (l *Limiter) leave(key string, m *meter, cost, arrival int64, resets uint32) {
	if l.resets(key).Load() != resets {
		return
	}
	_, _ = l.server.ask(context.Background(), l.request(leaveScript, key, m.intervalArg, digits(cost), digits(arrival)), nil)
	l.forget(key)
}

// waitBack is fallBack for Wait.
func (l *Limiter) waitBack(ctx context.Context, key string, n int64, cause error) error {
	l.fellBack.Inc()
	if err := ctx.Err(); err != nil {
		return err
	}
	switch l.server.fallback.kind {
	case localFallback:
		err := l.local.Wait(ctx, key, n)
		if err == nil {
			l.owe(key, n)
		}
		if refused := new(weir.CostError); errors.As(err, &refused) {
			// More than this process's share ever has; but not more than the quota.
			return l.unavailable(key, cause)
		}
		return err
	case openFallback:
		return nil
	default:
		return l.unavailable(key, cause)
	}
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
