package conformance

import (
	"context"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// A coarse limiter keeps its keys as a server would that counts in microseconds
// and has no list of them: when a key was last written to, what it owed then, and
// in what interval that is counted. It shows that the suite fits more than weir.
type coarse struct {
	now        func() time.Duration
	roundsDown bool // a fault

	mu    sync.Mutex
	terms terms
	keys  map[string]entry
}

type entry struct{ written, debt, interval time.Duration }

const coarsely = time.Microsecond

func newCoarse(q weir.Quota, now func() time.Duration) *coarse {
	return &coarse{now: now, terms: newTerms(q, coarsely), keys: make(map[string]entry)}
}

// coarseBackend makes coarse limiters, each of them changed by spoil if that is not nil.
func coarseBackend(spoil func(*coarse)) Backend {
	spoilt := func(c *coarse) *coarse {
		if spoil != nil {
			spoil(c)
		}
		return c
	}
	return Backend{
		New: func(_ testing.TB, q weir.Quota) (Limiter, Clock) {
			clock := new(handClock)
			return spoilt(newCoarse(q, clock.now)), clock
		},
		NewLive: func(_ testing.TB, q weir.Quota) Limiter {
			start := time.Now()
			return spoilt(newCoarse(q, func() time.Duration { return time.Since(start).Truncate(coarsely) }))
		},
		Resolution: coarsely,
		LateQuota:  true,
	}
}

// owes is what a key owes now, converted to the present quota around the last write.
func (c *coarse) owes(key string, now time.Duration) time.Duration {
	e := c.keys[key]
	if e.interval != c.terms.interval && e.interval != 0 {
		debt := new(big.Int).Mul(big.NewInt(int64(e.debt/coarsely)), big.NewInt(int64(c.terms.interval)))
		if !c.roundsDown {
			debt.Add(debt, big.NewInt(int64(e.interval)-1))
		}
		e.debt = time.Duration(debt.Quo(debt, big.NewInt(int64(e.interval))).Int64()) * coarsely
	}
	return max(e.written+e.debt-now, 0)
}

func (c *coarse) write(key string, now, debt time.Duration) {
	c.keys[key] = entry{now, debt, c.terms.interval}
}

func (c *coarse) AllowN(_ context.Context, key string, n int64) (weir.Decision, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	d := c.terms.decide(c.owes(key, now), n)
	if d.Allowed && n > 0 {
		c.write(key, now, d.ResetAfter)
	}
	return d, nil
}

func (c *coarse) Peek(ctx context.Context, key string) (weir.Decision, error) {
	return c.AllowN(ctx, key, 0)
}

func (c *coarse) Refund(_ context.Context, key string, n int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if debt := c.owes(key, now); n > 0 && debt > 0 {
		n = min(n, int64(over(debt, c.terms.interval)))
		c.write(key, now, max(debt-c.terms.cost(n), 0))
	}
	return nil
}

func (c *coarse) Reset(_ context.Context, key string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.keys, key)
	return nil
}

func (c *coarse) SetQuota(q weir.Quota) error {
	if err := q.Validate(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.terms = newTerms(q, coarsely)
	return nil
}

func (c *coarse) Wait(ctx context.Context, key string, n int64) error {
	if err := ctx.Err(); err != nil || n == 0 {
		return err
	}
	ready, stands, err := c.takePlace(ctx, key, n)
	for err == nil && c.now() < ready {
		select {
		case <-time.After(ready - c.now()):
		case <-ctx.Done():
			err = ctx.Err()
			c.giveBack(key, stands, n)
		}
	}
	return err
}

func (c *coarse) takePlace(ctx context.Context, key string, n int64) (ready, stands time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n < 0 || n > c.terms.burst {
		return 0, 0, &weir.CostError{Cost: n, Burst: c.terms.burst}
	}
	now := c.now()
	debt := c.owes(key, now) + c.terms.cost(n)
	wait := max(debt-c.terms.tolerance, 0)
	if deadline, ok := ctx.Deadline(); ok && wait > time.Until(deadline) {
		return 0, 0, &weir.DeadlineError{Wait: wait, Left: time.Until(deadline)}
	}
	c.write(key, now, debt)
	return now + wait, now + debt, nil
}

// giveBack undoes takePlace if nobody is behind.
func (c *coarse) giveBack(key string, stands time.Duration, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now+c.owes(key, now) == stands {
		c.write(key, now, max(c.owes(key, now)-c.terms.cost(n), 0))
	}
}

// In microseconds, and with debts that are converted late.
func TestCoarse(t *testing.T) { Run(t, coarseBackend(nil)) }
