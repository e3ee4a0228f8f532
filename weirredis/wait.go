package weirredis

import (
	"context"
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
	r, err := l.server.ask(ctx, reserveScript, l.prefix+key, m.intervalArg, m.toleranceArg, digits(cost), digits(patience))
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
		// The place may be somebody's who still comes, however this context ended.
		l.server.ask(context.WithoutCancel(ctx), leaveScript, l.prefix+key, m.intervalArg, digits(cost), digits(clock+debt))
		return err
	}
	return nil
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
