package weirredis

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
)

// A Limiter limits each key to a quota that it shares with every Limiter of the same
// prefix on the same server, in this process and in others. Make one with [New]. All
// methods may be called by any number of goroutines at once.
//
// A decision is one call of a script on the server that has the key, or a part of one
// that several share: some 3 µs of that server's time and a round trip. It blocks for at
// most [WithTimeout], whatever happens to the server. Some decisions need no call:
// refusals that the server has already spoken (see [WithRefusalCache]), and by choice
// requests that it has been asked for ahead of time (see [WithLeases]).
type Limiter struct {
	server   *server
	prefix   string
	meter    atomic.Pointer[meter]
	near     *near              // nil if nothing is to be known here
	leases   *leases            // nil if none are taken
	local    *local             // nil unless the fallback is Local
	forgiven [256]atomic.Uint32 // Resets, by hash of the key
	counters
}

// New returns a Limiter of quota q on the server, or cluster, that client speaks to.
// It makes no connection and no call. The client stays the caller's, to configure and
// to close; it must not be closed before the Limiter. It had better be for limiters only:
// where others fill its queue, or wait long for a connection that it makes for them, it
// has decisions wait, too, and [WithTimeout] cannot help that.
//
// Time is the server's. It is counted in whole microseconds, and the quota's emission
// interval is rounded up to them; a quota of more than a million a second is an error.
// So is one with a burst that takes more than 71 years to earn, and what [weir.New]
// would refuse, or a bad option. All are, or wrap, a [*ConfigError] or a
// [*weir.ConfigError].
func New(client rueidis.Client, q weir.Quota, opts ...Option) (*Limiter, error) {
	if client == nil {
		return nil, &ConfigError{"New: client", "nil", "a rueidis.Client"}
	}
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	return newLimiter(newServer(client, c), c.prefix, q)
}

func newLimiter(s *server, prefix string, q weir.Quota) (*Limiter, error) {
	m, err := newMeter(q)
	if err != nil {
		return nil, err
	}
	l := &Limiter{server: s, prefix: prefix, counters: newCounters()}
	l.meter.Store(m)
	if s.refusals > 0 || s.batch > 0 {
		l.near = newNear(s.maxKeys)
	}
	if s.batch > 0 {
		l.leases = newLeases(s.batch, s.leaseAge)
	}
	if s.fallback.kind == localFallback {
		if l.local, err = newLocal(q, s.fallback.processes, s.maxKeys); err != nil {
			return nil, err
		}
		s.settlers = append(s.settlers, l.settle)
	}
	return l, nil
}

// Quota returns the quota by which this Limiter decides.
func (l *Limiter) Quota() weir.Quota { return l.meter.Load().quota }

// SetQuota changes the quota by which this Limiter decides; others, in this process or
// another, go on with theirs. It makes no call and does not wait.
//
// The server keeps what a key has consumed at a price, the emission interval, and who
// comes with another price finds the same number of requests consumed, at that price,
// rounded up. So while processes decide by different quotas, a request counts as one
// under each, no change forgives anything, and together they never admit more than
// the most generous of their bursts, and after that at the rate of the fastest. A debt
// above a smaller new burst is kept.
//
// The error is that of [New], and then nothing has changed.
func (l *Limiter) SetQuota(q weir.Quota) error {
	m, err := newMeter(q)
	if err != nil {
		return err
	}
	if l.local != nil {
		if err := l.local.setQuota(q); err != nil {
			return err
		}
	}
	l.meter.Store(m)
	return nil
}

// Allow decides a request of cost 1 and spends it if it is admitted. See AllowN.
func (l *Limiter) Allow(ctx context.Context, key string) (weir.Decision, error) {
	return l.AllowN(ctx, key, 1)
}

// AllowN decides a request of cost n, all or nothing, as [weir.Limiter.AllowN] does. Its
// durations count from the server's decision, so who waits RetryAfter from when he
// hears of it is not too early.
//
// It blocks for at most [WithTimeout], and at most until the deadline of ctx. If there
// is no answer by then, or is known to be none, the fallback decides: see
// [WithFallback]. The error is nil but for [Closed], and then an [*UnavailableError], with
// a refusal. It does not look for the cancellation of ctx, so that who hangs up is counted
// like any other.
func (l *Limiter) AllowN(ctx context.Context, key string, n int64) (weir.Decision, error) {
	m := l.meter.Load()
	cost, payable := m.cost(n)
	if n <= 0 || !payable {
		return l.impossible(ctx, key, m, n)
	}
	if d, ok := l.decideHere(key, m, n, cost); ok {
		return d, nil
	}
	if l.leases != nil && n < l.leases.batch && len(key) <= maxNearKey && l.leases.hot(key, l.server.now()) {
		return l.viaLease(ctx, key, m, n, cost)
	}
	return l.decideThere(ctx, key, m, n, cost)
}

// impossible answers requests that ask for nothing, or for what can never be had.
func (l *Limiter) impossible(ctx context.Context, key string, m *meter, n int64) (weir.Decision, error) {
	if n == 0 {
		return l.peek(ctx, key, m)
	}
	l.counters.count(false)
	if l.near != nil {
		if k, ok := l.near.keys.Load(key); ok {
			if debtNanos, ok := k.refusal.Load().refuses(m, l.server.now(), m.tolerance+1); ok {
				l.refusedHere.Inc()
				return never(m.refusedNanos(debtNanos, 0)), nil
			}
		}
	}
	asked, sent := l.asked(key), l.server.now()
	debt, err := l.askInt(ctx, peekScript, key, m.intervalArg)
	if err != nil {
		d, err := l.peekBack(key, m, err)
		return never(d), err
	}
	l.remember(key, m, debt, asked, sent, l.server.now())
	return never(m.refused(debt, 0)), nil
}

func never(d weir.Decision) weir.Decision {
	d.Allowed, d.RetryAfter = false, weir.Never
	return d
}

// asked is the epoch of the key, for remember.
func (l *Limiter) asked(key string) uint32 {
	if l.near == nil {
		return 0
	}
	return l.near.epoch(key).Load()
}

// resets counts those of the key, by this process; and of some others.
func (l *Limiter) resets(key string) *atomic.Uint32 {
	return &l.forgiven[xxhash.Sum64String(key)%uint64(len(l.forgiven))]
}

// decideHere decides by what this process knows, if that is enough.
func (l *Limiter) decideHere(key string, m *meter, n, cost int64) (d weir.Decision, ok bool) {
	if l.near == nil {
		return d, false
	}
	k, ok := l.near.keys.Load(key)
	if !ok {
		return d, false
	}
	now := l.server.now()
	if le := k.lease.Load(); le != nil && now < le.until {
		if left, ok := le.take(n); ok {
			l.admitted.Inc()
			l.leasedHere.Inc()
			return le.decision(left, now), true
		}
	}
	if debtNanos, ok := k.refusal.Load().refuses(m, now, cost); ok {
		l.refused.Inc()
		l.refusedHere.Inc()
		return m.refusedNanos(debtNanos, cost), true
	}
	return d, false
}

// decideThere asks the server.
func (l *Limiter) decideThere(ctx context.Context, key string, m *meter, n, cost int64) (weir.Decision, error) {
	asked, sent := l.asked(key), l.server.now()
	debt, err := l.askInt(ctx, allowScript, key, m.intervalArg, m.toleranceArg, digits(cost))
	if err != nil {
		return l.fallBack(key, m, n, err)
	}
	l.counters.count(debt >= 0)
	if debt >= 0 {
		return m.admitted(debt), nil
	}
	debt = -1 - debt
	l.remember(key, m, debt, asked, sent, l.server.now())
	return m.refused(debt, cost), nil
}

// remember keeps a refusal, for as long as it may be believed.
func (l *Limiter) remember(key string, m *meter, debtMicros int64, asked uint32, sent, received time.Duration) {
	if l.server.refusals == 0 {
		return
	}
	l.near.refused(key, &refusal{m, debtMicros * 1000, sent, received, sent + l.server.refusals}, asked, received)
}

// Peek tells whether one request would pass now, and if not, when; Remaining and
// ResetAfter are as they stand, with what this process has leased. It always asks the
// server, and changes nothing. It blocks, and fails, as AllowN.
func (l *Limiter) Peek(ctx context.Context, key string) (weir.Decision, error) {
	return l.peek(ctx, key, l.meter.Load())
}

func (l *Limiter) peek(ctx context.Context, key string, m *meter) (weir.Decision, error) {
	debt, err := l.askInt(ctx, peekScript, key, m.intervalArg)
	if err != nil {
		return l.peekBack(key, m, err)
	}
	d := m.peeked(debt)
	if left := l.leased(key); left > 0 {
		d.Allowed, d.RetryAfter = true, 0
		d.Remaining += left
	}
	return d, nil
}

// leased is how many requests of the key this process holds.
func (l *Limiter) leased(key string) int64 {
	if l.leases == nil {
		return 0
	}
	if k, ok := l.near.keys.Load(key); ok {
		if le := k.lease.Load(); le != nil && l.server.now() < le.until {
			return le.left.Load()
		}
	}
	return 0
}

// Refund gives back n requests already spent, as [weir.Limiter.Refund] does and with
// its care about when. With n ≤ 0, or a key not seen, nothing changes. It blocks as
// AllowN does. In an outage it gives back what [Local] has admitted. Otherwise the error
// is an [*UnavailableError] if the server has not answered, and n is probably lost.
func (l *Limiter) Refund(ctx context.Context, key string, n int64) error {
	if n <= 0 {
		return nil
	}
	m := l.meter.Load()
	cost := int64(longestDebt)
	if n < longestDebt/m.interval {
		cost = n * m.interval
	}
	if l.local != nil && !l.server.up(l.server.part(l.prefix+key)) {
		l.local.Refund(key, n)
		return nil
	}
	_, err := l.askInt(ctx, refundScript, key, m.intervalArg, digits(cost))
	l.forget(key)
	if err != nil {
		return l.unavailable(key, err)
	}
	return nil
}

// forget is for who has given something of the key back.
func (l *Limiter) forget(key string) {
	if l.near != nil {
		l.near.forget(key)
	}
}

// Reset forgets what the key has consumed. It does not call in what has been leased of
// it. It blocks as AllowN does. If the server cannot be asked, the error is
// an [*UnavailableError].
func (l *Limiter) Reset(ctx context.Context, key string) error {
	l.resets(key).Add(1)
	_, err := l.askInt(ctx, refundScript, key, l.meter.Load().intervalArg, digits(longestDebt))
	l.forget(key)
	if l.local != nil {
		l.local.Reset(key)
	}
	if err != nil {
		return l.unavailable(key, err)
	}
	return nil
}

// Stats returns what the Limiter has done. It takes some hundred nanoseconds.
func (l *Limiter) Stats() Stats {
	return Stats{
		Admitted:    l.admitted.Value(),
		Refused:     l.refused.Value(),
		RefusedHere: l.refusedHere.Value(),
		LeasedHere:  l.leasedHere.Value(),
		FellBack:    l.fellBack.Value(),
		Leases:      l.counters.leases.Value(),
		Returned:    l.returned.Value(),
		Charged:     l.charged.Value(),
		Uncharged:   l.uncharged.Value(),
		Calls:       l.server.calls.Value(),
		Failures:    l.server.failures.Value(),
		Down:        l.server.down(),
	}
}

// Close gives back what is leased, charges what was admitted without the server, and
// ends what goes on in the background, while ctx lasts. The error is of what could not be
// given back or charged. The Limiter must not be used any more. Close it before the
// client. A Limiter that takes no leases and is not in an outage has nothing in the
// background, and may be dropped without it.
func (l *Limiter) Close(ctx context.Context) error {
	return errors.Join(l.endLeases(ctx), l.server.settleAll(ctx), l.server.close(ctx))
}

func (l *Limiter) endLeases(ctx context.Context) error {
	if l.leases == nil {
		return nil
	}
	l.leases.closed.Store(true)
	err, _ := l.sweepLeases(ctx, true)
	return err
}

// askInt is for the scripts that reply with one whole number.
func (l *Limiter) askInt(ctx context.Context, sc *script, key string, args ...string) (int64, error) {
	r, err := l.server.ask(ctx, l.request(sc, key, args...), nil)
	return r.n, err
}

func (l *Limiter) request(sc *script, key string, args ...string) request {
	r := request{script: sc, name: l.prefix + key}
	copy(r.args[:], args)
	return r
}

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// number undoes digits.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}
