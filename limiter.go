package weir

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v3"
)

// A Limiter limits each key to a quota. Make one with [New]. All methods may be
// called by any number of goroutines at once.
//
// Allow, AllowN, AllowAt, Peek, Refund and Reset take no lock and wait for
// nobody. They are lock-free, not wait-free: an attempt fails only because
// another operation on the same key or on the same empty slot, or a step of a
// migration, succeeded meanwhile. Nearly always they allocate nothing and touch
// one cache line of the table. Dearer, with bounds, are: an operation that meets
// a shard in migration, which moves 16 slots of it (0.5 to 2 µs), and if it brings
// a new key up to eleven times that when the migration is late or the memory
// bound is reached; one that needs a new page of a table, which allocates 4 KiB
// (0.5 to 5 µs); one that fills a table, which allocates its successor's page
// table (10 to 20 µs); the first that has its key remembered, which allocates
// 8 KiB; and at the memory bound, once in n/32 new keys, one that looks at a
// sample of up to 8,192 keys (some 0.1 ms). A key with a quota of its own costs
// one look-up in a map, which does not lock either.
//
// A key is known by its shard, which is its XXH64 cut down to their number, and
// by 64 bits of SipHash-1-3 under a random key. Two of n live keys share a
// budget with a chance of n²/2^65 at most, one in 37 million for a million keys;
// nobody who does not know the random key can do better than to put his keys in
// one shard.
type Limiter struct {
	k0, k1 uint64 // the key of the identity hash; random
	memo   atomic.Pointer[memo]
	store

	own     *ownMap
	setters sync.Mutex   // one SetQuota, SetKeyQuota or ClearKeyQuota at a time
	markers int64        // given out so far
	told    atomic.Int64 // the most that Stats has told of Admitted

	sleepers *xsync.MapOf[ownKey, *sleepers] // keys that somebody in Wait sleeps for
}

// A Decision says whether a request may pass, and what its key has left.
type Decision struct {
	// Allowed reports whether the request may pass.
	Allowed bool
	// Limit is the Limit of the quota that decided.
	Limit int64
	// Remaining is how many requests of cost 1 would be admitted now, after
	// this decision.
	Remaining int64
	// RetryAfter is 0 when the request was admitted. Otherwise the same
	// request, made that much later with nothing else on its key, is admitted,
	// and made one nanosecond sooner it is not. It is Never when the cost
	// exceeds the burst or is negative.
	RetryAfter time.Duration
	// ResetAfter is how long it takes until the key is as if never seen.
	ResetAfter time.Duration
}

// RetryAfterSeconds is the least whole number of seconds that is enough to wait:
// RetryAfter rounded up, as the HTTP field Retry-After wants it (RFC 9110,
// section 10.2.3). It is 0 when the request was admitted and at least 1 when it
// was refused. No wait is enough for Never, which gives 9,223,372,037.
func (d Decision) RetryAfterSeconds() int64 {
	if d.Allowed {
		return 0
	}
	return max(int64(d.RetryAfter)-1, 0)/int64(time.Second) + 1
}

// New makes a Limiter of quota q. Every error is a [*ConfigError] and names the
// quota's field or the option. An idle Limiter takes less than 32 KiB and has
// no goroutine.
func New(q Quota, opts ...Option) (*Limiter, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := cfg.policies.none("New"); err != nil {
		return nil, err
	}
	return newLimiter(q, cfg)
}

func newLimiter(q Quota, cfg config) (*Limiter, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	l := &Limiter{own: newOwnMap(), sleepers: xsync.NewMapOf[ownKey, *sleepers]()}
	l.k0, l.k1 = randomKey()
	l.memo.Store(noMemo)
	l.store.init(q, newClock(cfg.now, cfg.resolution), int64(cfg.maxKeys), cfg.overflow)
	return l, nil
}

// Quota returns the quota of keys that have none of their own.
func (l *Limiter) Quota() Quota { return l.quota.Load().Quota }

// Now reads the limiter's clock: the time of [WithClock], or the time since New.
func (l *Limiter) Now() time.Duration { return l.clock.user(l.clock.reading()) }

// Allow decides a request of cost 1 and spends it if it is admitted. A refusal
// writes nothing. It takes tens of nanoseconds, most of them for reading the
// clock, and does not block.
func (l *Limiter) Allow(key string) (d Decision) {
	d.RetryAfter, d.Limit, d.Remaining, d.ResetAfter = l.allow(key, 1, unread)
	d.Allowed = d.RetryAfter == 0
	return d
}

// AllowN decides a request of cost n, all or nothing. A cost above the burst is
// refused with Never, and so is a negative one; a cost of 0 is [Limiter.Peek].
func (l *Limiter) AllowN(key string, n int64) (d Decision) {
	d.RetryAfter, d.Limit, d.Remaining, d.ResetAfter = l.allow(key, n, unread)
	d.Allowed = d.RetryAfter == 0
	return d
}

// AllowAt is [Limiter.AllowN] at a given time of the limiter's clock (see
// [Limiter.Now]), for replays, tests, and callers who have just read it. With one
// reading for a batch of requests, each is spared that reading, which is more than
// a third of what [Limiter.Allow] takes.
//
// A time before the present is taken as it is, as if the request had been on its
// way since, unless its key's table was made later than that; then it is decided
// as of the table's making, and the durations still count from the given time. A
// time ahead of the clock spends from the key's future, and keeps the key in
// memory until then: a replay of other times than the present is better given a
// clock of its own, by [WithClock].
func (l *Limiter) AllowAt(now time.Duration, key string, n int64) (d Decision) {
	r := reading{now: l.clock.instant(now), asked: l.clock.shifted(now)}
	if r.now != r.asked { // before the clock's first reading, or after its last
		sh, id := l.locate(key)
		return l.decide(sh, id, r, n).decision()
	}
	d.RetryAfter, d.Limit, d.Remaining, d.ResetAfter = l.allow(key, n, r.now)
	d.Allowed = d.RetryAfter == 0
	return d
}

// Peek tells whether one request would pass now, and if not, when; Remaining and
// ResetAfter are as they stand. It changes nothing about any key, and helps no
// migration.
func (l *Limiter) Peek(key string) Decision {
	sh, id := l.locate(key)
	now := l.clock.reading()
	return l.peek(sh, id, reading{now: now, asked: now, renewable: true}).decision()
}

// Refund gives back n requests already spent, for instance because the work was
// not done after all. A key never gets more than it would have if it had never
// been seen. With n ≤ 0, or a key not seen, nothing changes.
//
// Give back only what has not been earned back yet: time has paid for a request
// once the ResetAfter of its Decision is over, and giving it back then takes
// somebody else's debt. What is given back can be spent again at once, also in
// front of those whom [Limiter.Wait] has promised a place.
func (l *Limiter) Refund(key string, n int64) {
	if n <= 0 {
		return
	}
	sh, id := l.locate(key)
	l.refund(sh, id, n)
}

func (l *Limiter) refund(sh *shard, id uint64, n int64) {
	var before, after int64
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		before, after = k.tat, k.gcra.refund(k.tat, k.floor, n)
		return after, after != before
	})
	l.fell(before, after)
}

// Reset forgets what the key has consumed. If the memory bound has raised the
// horizon, the key then stands there, like any other key that was never seen
// (see [Strict]). A quota of its own stays.
func (l *Limiter) Reset(key string) {
	sh, id := l.locate(key)
	l.reset(sh, id)
}

func (l *Limiter) reset(sh *shard, id uint64) {
	if asleep, ok := l.sleepers.Load(ownKey{sh, id}); ok {
		asleep.resets.Add(1)
	}
	var before, after int64
	l.apply(sh, id, reading{}, func(k standing) (int64, bool) {
		before, after = k.tat, k.floor
		return resetTAT, before > after
	})
	l.fell(before, after)
}

// SetQuota changes the quota of all keys that have none of their own, while
// others go on deciding. What a key has consumed is kept, counted in requests,
// even beyond a smaller new burst; so lowering a quota and raising it again
// forgives nothing. When SetQuota returns, every key is decided by the new
// quota; until then, each by the old or the new one. It copies all tables, some
// 50 ns a key, and may wait for another SetQuota, SetKeyQuota or ClearKeyQuota.
// The error is that of [Quota.Validate], and then nothing has changed.
func (l *Limiter) SetQuota(q Quota) error {
	if err := q.Validate(); err != nil {
		return err
	}
	l.setters.Lock()
	defer l.setters.Unlock()
	l.setQuota(q)
	return nil
}

// SetKeyQuota gives the key a quota of its own, which outlives SetQuota. What
// the key has consumed is kept, counted in requests. Such a key keeps its slot
// until ClearKeyQuota, is not dropped by the memory bound, and costs some 200
// bytes and 50 ns a decision more. A key not seen before starts fresh, or, while
// the memory bound has raised the horizon, with at most its whole burst spent.
// SetKeyQuota may wait for another setter. The error is that of
// [Quota.Validate], and then nothing has changed.
func (l *Limiter) SetKeyQuota(key string, q Quota) error {
	if err := q.Validate(); err != nil {
		return err
	}
	l.setters.Lock()
	defer l.setters.Unlock()
	sh, id := l.locate(key)
	l.setKeyQuota(sh, id, q)
	return nil
}

// KeyQuota returns the quota that decides for the key, and whether it is one of its
// own. It takes some 50 ns and neither allocates nor blocks.
func (l *Limiter) KeyQuota(key string) (q Quota, own bool) {
	sh, id := l.locate(key)
	if e, ok := l.own.Load(ownKey{sh, id}); ok {
		return e.Quota, true
	}
	return l.Quota(), false
}

// ClearKeyQuota puts the key back under the limiter's quota. What it has
// consumed is kept, counted in requests. A decision that has begun before may be
// refused for the time that this call takes. Without a quota of its own nothing
// happens. It may wait for another setter.
func (l *Limiter) ClearKeyQuota(key string) {
	l.setters.Lock()
	defer l.setters.Unlock()
	sh, id := l.locate(key)
	l.clearKeyQuota(sh, id)
}

// unread is the instant given to allow by those who want it to read the clock.
const unread int64 = 0

// allow is Allow, AllowN and AllowAt, of which the first two are so small that they
// are inlined into the caller: a Decision has more fields than the compiler keeps
// in registers, and copying it on its way out of each function took a fifth of the
// time.
//
// What is written out here is the common case: the key is in a table that is not
// being migrated, and nobody changes it meanwhile. All that does not depend on
// the slot is computed before the slot is read. Then little enough is left after
// it that the processor gets to the caller's next key, and fetches that too, while
// it waits for the memory of this one: with a million keys in random order that is
// a third of the time.
func (l *Limiter) allow(key string, n, at int64) (retryAfter time.Duration, limit, remaining int64, resetAfter time.Duration) {
	sh, id := l.locate(key)
	// The clock between hash and slot: measured to be the fastest order.
	now := at
	if at == unread {
		if now = l.clock.sinceBase(); now <= 0 {
			now = l.clock.reading()
		}
	}
	t := sh.cur.Load()
	if t.next.Load() != nil || now < t.born.Load() || n <= 0 {
		return l.allowSlowly(sh, id, now, n, at == unread)
	}
	nanos, latest := t.price(now, n)
	floor := max(t.horizon.Load(), now)
	stripe := l.counters.mine()
	s := t.lookup(id)
	if s == nil {
		if s = t.lookupBeyond(id); s == nil {
			return l.allowSlowly(sh, id, now, n, at == unread)
		}
	}
	v := s.tat.Load()
	tat := v
	if uint64(v) >= uint64(firstAway) {
		if v < firstPacked { // frozen, or a marker
			return l.allowSlowly(sh, id, now, n, at == unread)
		}
		tat &= packedTAT
	}
	stands := max(tat, floor)
	if stands > latest {
		stripe.refused.Add(1)
		v := t.tell(stands, now, wait(stands, latest))
		return time.Duration(v.retryAfter), v.limit, v.remaining, time.Duration(v.resetAfter)
	}
	after := stands + nanos
	next, toCount := admitted(v, after)
	if !s.tat.CompareAndSwap(v, next) {
		return l.allowSlowly(sh, id, now, n, at == unread)
	}
	if toCount != 0 {
		stripe.admitted.Add(toCount)
	}
	return 0, t.limit, t.whole(latest - stands), time.Duration(after - now)
}

// allowSlowly is allow in every other case.
func (l *Limiter) allowSlowly(sh *shard, id uint64, now, n int64, renewable bool) (retryAfter time.Duration, limit, remaining int64, resetAfter time.Duration) {
	v := l.decide(sh, id, reading{now: now, asked: now, renewable: renewable}, n)
	return time.Duration(v.retryAfter), v.limit, v.remaining, time.Duration(v.resetAfter)
}

// decide is allow at any reading and in every case.
func (l *Limiter) decide(sh *shard, id uint64, r reading, n int64) (v verdict) {
	if n <= 0 {
		v = l.peek(sh, id, r)
		if n < 0 {
			v.retryAfter = int64(Never)
			l.counters.count(false)
		}
		return v
	}
	v = l.decideQuietly(sh, id, r, n)
	l.counters.count(v.allowed())
	return v
}

// decideQuietly is decide for a cost of 1 or more, and does not count.
func (l *Limiter) decideQuietly(sh *shard, id uint64, r reading, n int64) (v verdict) {
	l.apply(sh, id, r, func(k standing) (after int64, write bool) {
		after, retry := k.spend(k.tat, k.now, n)
		v = k.tell(after, k.now, retry).late(k.now - k.asked)
		return after, retry == 0
	})
	return v
}

func (v verdict) decision() Decision {
	return Decision{
		v.allowed(), v.limit, v.remaining, time.Duration(v.retryAfter), time.Duration(v.resetAfter),
	}
}
