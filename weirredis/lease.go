package weirredis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/puzpuzpuz/xsync/v3"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
)

// A lease is a part of a key's budget that has been spent on the server and may be used
// here. Only left changes: it falls, by the requests that use it, or to 0 at once by the
// one who gives it back.
type lease struct {
	left atomic.Int64 // requests

	meter          *meter
	debtMicros     int64         // of the key, after the server took the lease off
	arrivalMicros  int64         // of the key, then: its TAT, by the server's clock
	sent, received time.Duration // the server did so in between, by this process's clock
	until          time.Duration // it may be used
}

// take uses up n requests, if there are as many.
func (le *lease) take(n int64) (left int64, ok bool) {
	for {
		left = le.left.Load()
		if left < n {
			return left, false
		}
		if le.left.CompareAndSwap(left, left-n) {
			return left - n, true
		}
	}
}

// decision is what is told of a key of which left requests are leased.
func (le *lease) decision(left int64, now time.Duration) weir.Decision {
	debt := max(le.debtMicros-int64(now-le.received)/int64(time.Microsecond), 0)
	d := le.meter.admitted(debt)
	d.Remaining += left
	return d
}

// leases are those of a Limiter that takes any.
type leases struct {
	batch int64
	age   time.Duration

	recent   [4096]atomic.Uint64             // hashes of keys and when they were last asked for
	fetching *xsync.MapOf[string, *fetching] // keys of which a lease is on its way

	mu     sync.Mutex
	sweeps bool // a sweep is to come
	closed bool
}

// A fetching is a call for a lease that others wait for.
type fetching struct{ done chan struct{} }

func newLeases(batch int64, age time.Duration) *leases {
	return &leases{batch: batch, age: age, fetching: xsync.NewMapOf[string, *fetching]()}
}

// hot reports whether the key was asked for within age before, as far as is
// remembered: a slot holds one key, so a busy one may push another out, and 40 bits
// of hash may be those of two. Then a lease is taken late, or of a key that is not hot.
func (ls *leases) hot(key string, now time.Duration) bool {
	const timeBits = 24 // of milliseconds: 4.6 hours
	hash := xxhash.Sum64String(key)
	slot := &ls.recent[hash%uint64(len(ls.recent))]
	tag, ms := hash>>timeBits<<timeBits, uint64(now.Milliseconds()+1)&(1<<timeBits-1)
	before := slot.Load()
	if before != tag|ms {
		slot.Store(tag | ms)
	}
	elapsed := (ms - before) & (1<<timeBits - 1)
	return before>>timeBits<<timeBits == tag && before&(1<<timeBits-1) != 0 && elapsed <= uint64(ls.age.Milliseconds())+1
}

// viaLease decides by a lease to be taken, by this caller or by another one who is
// already at it. None of the callers who come meanwhile asks the server.
func (l *Limiter) viaLease(ctx context.Context, key string, m *meter, n, cost int64) (weir.Decision, error) {
	began := l.server.now()
	deadline := time.NewTimer(l.server.timeout)
	defer deadline.Stop()
	mine := &fetching{make(chan struct{})}
	for waited := false; ; waited = true {
		other, loaded := l.leases.fetching.LoadOrStore(key, mine)
		if !loaded {
			if waited { // for another one: what is left of the timeout is for the call
				left, cancel := context.WithTimeout(ctx, l.server.timeout-(l.server.now()-began))
				defer cancel()
				ctx = left
			}
			return l.fetch(ctx, key, m, n, cost, mine)
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return l.fallBack(key, m, n, ctx.Err())
		case <-deadline.C:
			return l.fallBack(key, m, n, context.DeadlineExceeded)
		}
		if d, ok := l.decideHere(key, m, n, cost); ok {
			return d, nil
		}
	}
}

// fetch asks for a lease. It decides the request of the one who asks for it.
func (l *Limiter) fetch(ctx context.Context, key string, m *meter, n, cost int64, mine *fetching) (weir.Decision, error) {
	defer func() {
		l.leases.fetching.Delete(key)
		close(mine.done)
	}()
	// Another one may have brought it between this caller's look and its turn.
	if d, ok := l.decideHere(key, m, n, cost); ok {
		return d, nil
	}
	asked, sent := l.near.epoch(key).Load(), l.server.now()
	r, err := l.server.ask(ctx, leaseScript, l.prefix+key, m.intervalArg, m.toleranceArg, digits(cost), digits((l.leases.batch-n)*m.interval))
	if err != nil {
		return l.fallBack(key, m, n, err)
	}
	received := l.server.now()
	taken, debt, clock := r.more[0], r.more[1], r.more[2]
	if taken == 0 {
		l.remember(key, m, debt, asked, sent, received)
		l.counters.count(false)
		return m.refused(debt, cost), nil
	}
	l.counters.count(true)
	d := m.admitted(debt)
	if left := (taken - cost) / m.interval; left > 0 {
		d.Remaining += left
		le := &lease{meter: m, debtMicros: debt, arrivalMicros: clock + debt, sent: sent, received: received, until: sent + l.leases.age}
		le.left.Store(left)
		l.hold(ctx, key, le)
	}
	return d, nil
}

// hold makes a lease the key's. One that was there before, used up or too old for this
// request, is given back.
func (l *Limiter) hold(ctx context.Context, key string, le *lease) {
	l.counters.leases.Inc()
	var before *lease
	held := l.near.change(key, l.server.now(), func(k *known) {
		before = k.lease.Swap(le)
	})
	if !held {
		before = le // no room to keep it
	}
	if before != nil && before.left.Load() > 0 {
		go l.giveBack(context.WithoutCancel(ctx), key, before)
	}
	l.sweepLater()
}

// giveBack ends a lease. What time has paid for since is not given back: who was
// admitted meanwhile has used it.
func (l *Limiter) giveBack(ctx context.Context, key string, le *lease) error {
	n := le.left.Swap(0)
	unpaid := le.debtMicros - microsUp(l.server.now()-le.sent)
	if n == 0 || unpaid <= 0 {
		return nil
	}
	_, err := l.server.ask(ctx, returnScript, l.prefix+key, le.meter.intervalArg, digits(n*le.meter.interval), digits(le.arrivalMicros), digits(unpaid))
	if err == nil {
		l.counters.returned.Add(n)
	}
	return err
}

// sweepLater has leases that are too old given back, as long as there are any.
func (l *Limiter) sweepLater() {
	l.leases.mu.Lock()
	defer l.leases.mu.Unlock()
	if l.leases.sweeps || l.leases.closed {
		return
	}
	l.leases.sweeps = true
	time.AfterFunc(l.leases.age/2+time.Millisecond, func() {
		l.leases.mu.Lock()
		l.leases.sweeps = false
		l.leases.mu.Unlock()
		if _, left := l.sweepLeases(context.Background(), false); left {
			l.sweepLater()
		}
	})
}

// sweepLeases gives back the leases that are too old, or all, and reports whether some
// are left.
func (l *Limiter) sweepLeases(ctx context.Context, all bool) (err error, left bool) {
	now := l.server.now()
	var ended errgroup.Group
	ended.SetLimit(16)
	l.near.keys.Range(func(key string, _ *known) bool {
		var old *lease
		l.near.keys.Compute(key, func(k *known, loaded bool) (*known, bool) {
			if !loaded {
				return nil, true
			}
			if le := k.lease.Load(); le != nil && (all || now >= le.until) {
				old = le
				k.lease.Store(nil)
			} else if le != nil {
				left = true
			}
			return k, k.idle(now)
		})
		if old != nil {
			ended.Go(func() error { return l.giveBack(ctx, key, old) })
		}
		return true
	})
	return ended.Wait(), left
}
