package weir

import (
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir/internal/siphash"
)

// A Multi limits each key to several quotas at once, all or nothing: 10 a second
// and 300 a minute, say. A request is admitted if every quota has room for it,
// and then it is spent on all of them; if one has not, it is spent on none. Make
// one with [NewMulti]. All methods may be called by any number of goroutines at
// once.
//
// A request decides on all quotas at one instant, unless one of them has got a
// younger table meanwhile. What admits takes one of 128 locks, given by the key,
// for as long as the quotas are spent on, some 100 ns for two and the share of a
// migration that falls to it: no single atomic step can change two words, and
// without a lock, a request that one quota is about to refuse would show for a
// moment as a debt in the other, and get somebody else refused. What refuses, or
// only asks, takes no lock, unless a key of the same lock is being changed at that
// moment; then it waits, too. If a goroutine is preempted while it holds a lock,
// those who want it wait for that.
type Multi struct {
	stripes  [multiStripes]multiStripe // first, so that what everybody reads is on no line with what some write
	limiters []*Limiter                // of the same hash key and clock
}

// MostQuotas is how many quotas a [Multi] can have.
const MostQuotas = 8

// NewMulti makes a Multi of 1 to [MostQuotas] quotas. The options apply to each
// quota: WithMaxKeys(n) means n keys for each, and so that much memory. It is an
// error if [New] would refuse a quota or an option; all are, or wrap, a
// [*ConfigError].
func NewMulti(quotas []Quota, opts ...Option) (*Multi, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	if err := cfg.policies.none("NewMulti"); err != nil {
		return nil, err
	}
	return newMulti(quotas, cfg)
}

func newMulti(quotas []Quota, cfg config) (*Multi, error) {
	if len(quotas) == 0 || len(quotas) > MostQuotas {
		return nil, &ConfigError{"number of quotas", len(quotas), fmt.Sprintf("1 to %d", MostQuotas)}
	}
	m := &Multi{limiters: make([]*Limiter, len(quotas))}
	for i, q := range quotas {
		l, err := newLimiter(q, cfg)
		if err != nil {
			return nil, fmt.Errorf("weir: quota %d of %d: %w", i+1, len(quotas), err)
		}
		if i > 0 { // one reading and one hash of the key are enough for all
			l.k0, l.k1, l.clock = m.limiters[0].k0, m.limiters[0].k1, m.limiters[0].clock
		}
		m.limiters[i] = l
	}
	return m, nil
}

// Limiter returns the limiter of the i-th quota, from 0, to peek at it, to change
// its quota or to give a key one of its own; nil if there is none. What is spent
// on it directly is not part of the all-or-nothing: a request of the Multi that
// finds its room gone in between takes back what it has spent on other quotas,
// which may show for a moment, and where somebody has spent on one of them since,
// it stays spent.
func (m *Multi) Limiter(i int) *Limiter {
	if i < 0 || i >= len(m.limiters) {
		return nil
	}
	return m.limiters[i]
}

// Allow decides a request of cost 1; see [Multi.AllowN].
func (m *Multi) Allow(key string) (Decision, int) { return m.AllowN(key, 1) }

// AllowN decides a request of cost n, all or nothing, and tells which quota has
// the say, counted from 0: the one to wait for longest if it is refused, the one
// with the least left if it is admitted, the first of several.
//
// Of the Decision, Limit is that quota's, RetryAfter the longest of all,
// Remaining the least, ResetAfter the longest. A cost above one of the bursts or
// below 0 is refused with [Never]; 0 asks without spending, like [Limiter.Peek].
// It allocates only what new keys take.
func (m *Multi) AllowN(key string, n int64) (Decision, int) {
	var all [MostQuotas]spot
	return m.decide(m.spots(key, &all), n)
}

// AllowEach is [Multi.AllowN] with a key for each quota: an address under the
// first and the network it lies in under the second, say. Quotas beyond the last
// key have no part in it. It is refused with [Never] and -1 if there are no keys
// or more than quotas.
func (m *Multi) AllowEach(n int64, keys ...string) (Decision, int) {
	var all [MostQuotas]spot
	spots := m.spotsOf(keys, &all)
	if len(spots) == 0 {
		return Decision{RetryAfter: Never}, -1
	}
	return m.decide(spots, n)
}

// Refund gives back n requests of the key to every quota, as [Limiter.Refund]
// does to one. It takes the key's lock.
func (m *Multi) Refund(key string, n int64) {
	var all [MostQuotas]spot
	m.refund(m.spots(key, &all), n)
}

// RefundEach gives back what [Multi.AllowEach] has spent.
func (m *Multi) RefundEach(n int64, keys ...string) {
	var all [MostQuotas]spot
	m.refund(m.spotsOf(keys, &all), n)
}

// Reset forgets what the key has consumed of every quota, as [Limiter.Reset] does
// for one. It takes the key's lock.
func (m *Multi) Reset(key string) {
	var all [MostQuotas]spot
	m.reset(m.spots(key, &all))
}

// ResetEach forgets what each key has consumed of its quota.
func (m *Multi) ResetEach(keys ...string) {
	var all [MostQuotas]spot
	m.reset(m.spotsOf(keys, &all))
}

func (m *Multi) refund(all []spot, n int64) {
	if n <= 0 {
		return
	}
	locks := m.locks(all)
	m.lock(&locks)
	defer m.unlock(&locks)
	m.change(&locks)
	defer m.change(&locks)
	for _, s := range all {
		s.Limiter.refund(s.sh, s.id, n)
	}
}

func (m *Multi) reset(all []spot) {
	locks := m.locks(all)
	m.lock(&locks)
	defer m.unlock(&locks)
	m.change(&locks)
	defer m.change(&locks)
	for _, s := range all {
		s.Limiter.reset(s.sh, s.id)
	}
}

// spots are where a key stands under each quota.
func (m *Multi) spots(key string, all *[MostQuotas]spot) []spot {
	place, id := m.hash(key)
	for i, l := range m.limiters {
		all[i] = l.spot(place, id)
	}
	return all[:len(m.limiters)]
}

// spotsOf are where each key stands under its quota; none for too many keys.
func (m *Multi) spotsOf(keys []string, all *[MostQuotas]spot) []spot {
	if len(keys) > len(m.limiters) {
		return nil
	}
	for i, key := range keys {
		all[i] = m.limiters[i].spot(m.hash(key))
	}
	return all[:len(keys)]
}

// A spot is where a key stands under one quota.
type spot struct {
	*Limiter
	sh *shard
	id uint64
}

// hash is what each limiter places and knows the key by, see [Limiter.locate].
func (m *Multi) hash(key string) (place, id uint64) {
	l := m.limiters[0]
	return xxhash.Sum64String(key), proper(siphash.Sum64(l.k0, l.k1, key))
}

func (l *Limiter) spot(place, id uint64) spot {
	sh, _ := mulhi(place, len(l.shards))
	return spot{l, &l.shards[sh], id}
}

// decide looks first, without a lock, and ends there if the answer is a refusal,
// or only a look was asked for.
func (m *Multi) decide(all []spot, n int64) (Decision, int) {
	now := all[0].clock.reading()
	locks := m.locks(all)
	before, quiet := m.version(&locks)
	d, speaks := look(all, now, n)
	after, _ := m.version(&locks)
	if !quiet || before != after || d.Allowed && n > 0 {
		d, speaks = m.decideLocked(all, &locks, now, n)
	}
	if !d.Allowed && n != 0 {
		all[speaks].counters.count(false)
	}
	return d, speaks
}

// decideLocked looks again with the locks held, and spends. Who had to wait for
// them reads the clock again: those whom he waited for have spent later than he
// had read it.
func (m *Multi) decideLocked(all []spot, locks *lockSet, now, n int64) (Decision, int) {
	if waited := m.lock(locks); waited {
		now = all[0].clock.reading()
	}
	defer m.unlock(locks)
	d, speaks := look(all, now, n)
	if d.Allowed && n > 0 {
		d, speaks = m.spend(all, locks, now, n)
	}
	return d, speaks
}

// look tells what a request of cost n would be answered, and changes nothing.
func look(all []spot, now, n int64) (d Decision, speaks int) {
	speaks = nobody
	for i, s := range all {
		d, speaks = join(d, speaks, s.wouldSpend(now, n), i)
	}
	return d, speaks
}

// spend spends on every quota. If one refuses nevertheless, because it was spent
// on from elsewhere or its horizon was raised since, what was spent is taken back,
// and the answer is what a look then finds. The locks are held.
func (m *Multi) spend(all []spot, locks *lockSet, now, n int64) (d Decision, speaks int) {
	m.change(locks)
	defer m.change(locks)
	var done [MostQuotas]spending
	speaks = nobody
	for i, s := range all {
		done[i] = s.spend(now, n)
		v := done[i].verdict.decision()
		if v.Allowed {
			d, speaks = join(d, speaks, v, i)
			continue
		}
		for j := range i {
			all[j].takeBack(&done[j])
		}
		d, speaks = v, i
		for j, other := range all {
			if j != i {
				d, speaks = join(d, speaks, other.wouldSpend(now, n), j)
			}
		}
		return d, speaks
	}
	for _, s := range all {
		s.counters.count(true)
	}
	return d, speaks
}

// nobody has the say before anybody was asked.
const nobody = -1

// join adds what the i-th quota says to what others have said together.
func join(d Decision, speaks int, v Decision, i int) (Decision, int) {
	if speaks == nobody {
		return v, i
	}
	if v.RetryAfter > d.RetryAfter || d.Allowed && v.Remaining < d.Remaining {
		d.Limit, d.ResetAfter, speaks = v.Limit, v.ResetAfter, i
	}
	d.Allowed = d.Allowed && v.Allowed
	d.RetryAfter = max(d.RetryAfter, v.RetryAfter)
	d.Remaining = min(d.Remaining, v.Remaining)
	return d, speaks
}

// wouldSpend tells whether a request of cost n would be admitted, and what the key
// has as it stands; for n = 0 that is Peek.
func (s spot) wouldSpend(now, n int64) Decision {
	r := reading{now: now, asked: now}
	if n <= 0 {
		v := s.peek(s.sh, s.id, r)
		if n < 0 {
			v.retryAfter = int64(Never)
		}
		return v.decision()
	}
	var v verdict
	s.apply(s.sh, s.id, r, func(k standing) (int64, bool) {
		_, retry := k.spend(k.tat, k.now, n)
		v = k.tell(k.tat, k.now, retry).late(k.now - k.asked)
		return k.tat, false
	})
	return v.decision()
}

// A spending is what one quota's part of a request has changed.
type spending struct {
	verdict
	gcra          // the quota that it was decided by
	before, after int64
}

// spend spends n if there is room, and notes what it did. It does not count.
func (s spot) spend(now, n int64) (done spending) {
	s.apply(s.sh, s.id, reading{now: now, asked: now}, func(k standing) (int64, bool) {
		after, retry := k.spend(k.tat, k.now, n)
		done = spending{k.tell(after, k.now, retry).late(k.now - k.asked), *k.gcra, k.tat, after}
		return after, retry == 0
	})
	return done
}

// takeBack undoes a spending, if nobody has come after it: who has counts on it.
func (s spot) takeBack(done *spending) {
	var before, after int64
	s.apply(s.sh, s.id, reading{}, func(k standing) (int64, bool) {
		before, after = k.tat, k.tat
		if k.tat == done.after && *k.gcra == done.gcra {
			after = max(done.before, k.floor)
		}
		return after, after != before
	})
	s.fell(before, after)
}
