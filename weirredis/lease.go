package weirredis

import (
	"context"
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
	resets         uint32        // of the key by this process, when it was asked for
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

	recent   [4096]atomic.Uint64            // hashes of keys and when they were last asked for
	fetching *xsync.MapOf[string, struct{}] // keys of which a lease is on its way
	sweeps   atomic.Bool                    // a sweep is to come
	closed   atomic.Bool
}

func newLeases(batch int64, age time.Duration) *leases {
	return &leases{batch: batch, age: age, fetching: xsync.NewMapOf[string, struct{}]()}
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

// viaLease decides by a lease to be taken. While one is on its way, others ask for
// themselves; together, since their requests are alike.
func (l *Limiter) viaLease(ctx context.Context, key string, m *meter, n, cost int64) (weir.Decision, error) {
	if _, loaded := l.leases.fetching.LoadOrStore(key, struct{}{}); loaded {
		return l.decideThere(ctx, key, m, n, cost)
	}
	defer l.leases.fetching.Delete(key)
	asked, sent := l.near.epoch(key).Load(), l.server.now()
	resets := l.resets(key).Load()
	lease := func(r reply) *lease {
		le := &lease{meter: m, debtMicros: r.more[1], arrivalMicros: r.more[1] + r.more[2], sent: sent, received: l.server.now(), until: sent + l.leases.age, resets: resets}
		le.left.Store(r.more[0] / m.interval)
		return le
	}
	extra := (min(l.leases.batch, m.burst) - n) * m.interval
	r, err := l.server.ask(ctx, l.request(leaseScript, key, m.intervalArg, m.toleranceArg, digits(cost), digits(extra)), func(late reply) {
		// This request was decided otherwise meanwhile.
		if le := lease(late); le.left.Load() > 0 {
			l.hold(key, le)
		}
	})
	if err != nil {
		return l.fallBack(key, m, n, err)
	}
	l.counters.count(r.more[0] > 0)
	if r.more[0] == 0 {
		l.remember(key, m, r.more[1], asked, sent, l.server.now())
		return m.refused(r.more[1], cost), nil
	}
	le := lease(r)
	left := le.left.Add(-n)
	d := m.admitted(r.more[1])
	d.Remaining += left
	if left > 0 {
		l.hold(key, le)
	}
	return d, nil
}

// hold makes a lease the key's. One that was there before, used up or too old for this
// request, is given back.
func (l *Limiter) hold(key string, le *lease) {
	l.counters.leases.Inc()
	var before *lease
	held := !l.leases.closed.Load() && l.near.change(key, l.server.now(), func(k *known) {
		before = k.lease.Swap(le)
	})
	if !held {
		before = le // Close has been, or there is no room to keep it
	}
	if before != nil && before.left.Load() > 0 {
		l.server.background(func() { l.giveBack(context.Background(), key, before) })
	}
	if held {
		l.sweepLater()
	}
}

// giveBack ends a lease. What time has paid for since is not given back: who was
// admitted meanwhile has used it. Nor is what a Reset has forgiven.
func (l *Limiter) giveBack(ctx context.Context, key string, le *lease) error {
	n := le.left.Swap(0)
	unpaid := le.debtMicros - microsUp(l.server.now()-le.sent)
	if n == 0 || unpaid <= 0 || l.resets(key).Load() != le.resets {
		return nil
	}
	r, err := l.server.ask(ctx, l.request(returnScript, key, le.meter.intervalArg, digits(n*le.meter.interval), digits(le.arrivalMicros), digits(unpaid)), nil)
	if err == nil {
		l.near.forget(key)
		l.counters.returned.Add(r.n / le.meter.interval)
	}
	return err
}

// sweepLater has leases that are too old given back, as long as there are any.
func (l *Limiter) sweepLater() {
	if !l.leases.sweeps.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(l.leases.age/2+time.Millisecond, func() {
		l.leases.sweeps.Store(false)
		l.server.background(func() {
			if _, left := l.sweepLeases(context.Background(), false); left {
				l.sweepLater()
			}
		})
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
