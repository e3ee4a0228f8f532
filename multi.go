package weir

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir/internal/siphash"
)

// A Multi limits each key to several quotas at once, all or nothing: 10 a second
// and 300 a minute, say. A request is admitted if every quota has room for it,
// and then it is spent on all of them; if one has not, it is spent on none. Make
// one with [NewMulti]. All methods may be called by any number of goroutines at
// once.
//
// A request decides on all quotas at one instant. Refusals take no lock: they
// read, and read again if the key was changed meanwhile. What admits takes one of
// 128 locks, given by the key, for as long as the quotas are looked at and spent
// on, some 100 ns for two: no single atomic step can change two words, and
// without a lock, a request that one quota is about to refuse would show for a
// moment as a debt in the other, and get somebody else refused. If a goroutine is
// preempted while it holds the lock, admissions of 1 key in 128 wait for it.
type Multi struct {
	limiters []*Limiter // of the same hash key, clock and shards
	stripes  [multiStripes]multiStripe
}

const multiStripes = 128 // 8 KiB

// A multiStripe guards the keys that fall on it. The version is odd while they
// are being changed; who has read it, then the keys, then the same even version
// again, has seen all quotas as they were at one instant.
type multiStripe struct {
	mu      sync.Mutex
	version atomic.Uint64
	_       [64 - 16]byte
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
// finds its room gone in between gives back what it has spent on other quotas,
// and that may show for a moment.
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
	if len(keys) == 0 || len(keys) > len(m.limiters) {
		return Decision{RetryAfter: Never}, -1
	}
	var all [MostQuotas]spot
	for i, key := range keys {
		all[i] = m.limiters[i].spot(m.hash(key))
	}
	return m.decide(all[:len(keys)], n)
}

// Refund gives back n requests of the key to every quota, as [Limiter.Refund]
// does to one. It takes the key's lock.
func (m *Multi) Refund(key string, n int64) {
	var all [MostQuotas]spot
	m.refund(m.spots(key, &all), n)
}

// Reset forgets what the key has consumed of every quota, as [Limiter.Reset] does
// for one. It takes the key's lock.
func (m *Multi) Reset(key string) {
	var all [MostQuotas]spot
	locks := m.locks(m.spots(key, &all))
	m.lock(&locks)
	m.change(&locks)
	for _, l := range m.limiters {
		l.Reset(key)
	}
	m.change(&locks)
	m.unlock(&locks)
}

func (m *Multi) refund(all []spot, n int64) {
	if n <= 0 {
		return
	}
	locks := m.locks(all)
	m.lock(&locks)
	m.change(&locks)
	for _, s := range all {
		s.giveBack(n)
	}
	m.change(&locks)
	m.unlock(&locks)
}

// spots are where a key stands under each quota.
func (m *Multi) spots(key string, all *[MostQuotas]spot) []spot {
	place, id := m.hash(key)
	for i, l := range m.limiters {
		all[i] = l.spot(place, id)
	}
	return all[:len(m.limiters)]
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
// or only a look was asked for. Otherwise it looks again with the locks held, and
// spends.
func (m *Multi) decide(all []spot, n int64) (Decision, int) {
	now := all[0].clock.reading()
	locks := m.locks(all)
	before, quiet := m.version(&locks)
	d, speaks := look(all, now, n)
	after, _ := m.version(&locks)
	if !quiet || before != after || d.Allowed && n > 0 {
		m.lock(&locks)
		d, speaks = look(all, now, n)
		if d.Allowed && n > 0 {
			d, speaks = m.spend(all, &locks, now, n)
		}
		m.unlock(&locks)
	}
	if !d.Allowed && n != 0 {
		all[speaks].counters.count(false)
	}
	return d, speaks
}

// look tells what a request of cost n would be answered, and changes nothing.
func look(all []spot, now, n int64) (d Decision, speaks int) {
	for i, s := range all {
		d, speaks = join(d, speaks, s.wouldSpend(now, n), i)
	}
	return d, speaks
}

// spend spends on every quota. If one refuses nevertheless, because it was spent
// on from elsewhere or its horizon was raised since, what was spent is given back.
// The locks are held.
func (m *Multi) spend(all []spot, locks *lockSet, now, n int64) (d Decision, speaks int) {
	m.change(locks)
	defer m.change(locks)
	for i, s := range all {
		v := s.Limiter.decideQuietly(s.sh, s.id, reading{now: now, asked: now}, n).decision()
		if !v.Allowed {
			for _, spent := range all[:i] {
				spent.giveBack(n)
			}
			d, speaks = v, i
			break
		}
		d, speaks = join(d, speaks, v, i)
	}
	if d.Allowed {
		for _, s := range all {
			s.counters.count(true)
		}
	}
	return d, speaks
}

// join adds what the i-th quota says to what those before it have said together.
func join(d Decision, speaks int, v Decision, i int) (Decision, int) {
	if i == 0 {
		return v, 0
	}
	if v.RetryAfter > d.RetryAfter || d.Allowed && v.Remaining < d.Remaining {
		d.Limit, speaks = v.Limit, i
	}
	d.Allowed = d.Allowed && v.Allowed
	d.RetryAfter = max(d.RetryAfter, v.RetryAfter)
	d.Remaining = min(d.Remaining, v.Remaining)
	d.ResetAfter = max(d.ResetAfter, v.ResetAfter)
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

// giveBack undoes a spending of n: the key stands as if it had not been, or at
// the present, which is the same.
func (s spot) giveBack(n int64) {
	var before, after int64
	s.apply(s.sh, s.id, reading{}, func(k standing) (int64, bool) {
		before, after = k.tat, k.refund(k.tat, k.floor, n)
		return after, after != before
	})
	s.fell(before, after)
}

// A lockSet is the stripes of a request, each once, in rising order: so nobody
// waits in a circle.
type lockSet struct {
	stripes [MostQuotas]uint8
	n       int
}

func (k *lockSet) of() []uint8 { return k.stripes[:k.n] }

func (m *Multi) locks(all []spot) (k lockSet) {
	for _, s := range all {
		i := uint8(s.id % multiStripes)
		if at, found := slices.BinarySearch(k.of(), i); !found {
			copy(k.stripes[at+1:], k.stripes[at:k.n])
			k.stripes[at] = i
			k.n++
		}
	}
	return k
}

func (m *Multi) lock(k *lockSet) {
	for _, i := range k.of() {
		m.stripes[i].mu.Lock()
	}
}

func (m *Multi) unlock(k *lockSet) {
	for _, i := range k.of() {
		m.stripes[i].mu.Unlock()
	}
}

// change makes the versions odd before the keys are changed, and even after. The
// locks are held.
func (m *Multi) change(k *lockSet) {
	for _, i := range k.of() {
		m.stripes[i].version.Add(1)
	}
}

// version is the sum of the versions, which only grow, so that equal sums mean
// equal versions; quiet means that all are even.
func (m *Multi) version(k *lockSet) (sum uint64, quiet bool) {
	quiet = true
	for _, i := range k.of() {
		v := m.stripes[i].version.Load()
		quiet = quiet && v%2 == 0
		sum += v
	}
	return sum, quiet
}
