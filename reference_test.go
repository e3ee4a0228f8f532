package weir

import (
	"math"
	"math/big"
	"testing"
	"time"
)

// A reference is the limiter as its contract describes it, and nothing else: one caller, one map, exact integers of any
// size. It shares no arithmetic with the package. reference_ops_test.go holds the two side by side.
//
// Times are those of the limiter's clock in nanoseconds. A key that is not in the map, or whose tat is nil, was never seen.
type reference struct {
	quota refQuota
	keys  map[string]*refKey
	start *big.Int // the clock's first reading; no decision is made at an earlier instant
	end   *big.Int // the last reading there is: others are clamped to it
	last  *big.Int // the last TAT there is, the greatest tolerance later: rescaled debts saturate there

	// Results and scratch, kept so that ten million decisions do not allocate.
	now, asked, stands, cost, after, room, t1, t2 big.Int
}

// A refQuota is a quota and what follows from it.
type refQuota struct {
	limit     int64
	interval  *big.Int // T = ⌈period / limit⌉
	burst     *big.Int
	tolerance *big.Int // τ = T·burst
}

type refKey struct {
	tat   *big.Int // nil: as if never seen
	own   *refQuota
	since *big.Int // when own was set
}

func newRefQuota(q Quota) *refQuota {
	r := &refQuota{limit: q.Limit, interval: new(big.Int), burst: big.NewInt(q.Burst), tolerance: new(big.Int)}
	if q.Burst == 0 {
		r.burst.SetInt64(q.Limit)
	}
	var rest big.Int
	r.interval.DivMod(big.NewInt(int64(q.Period)), big.NewInt(q.Limit), &rest)
	if rest.Sign() > 0 {
		r.interval.Add(r.interval, big.NewInt(1))
	}
	r.tolerance.Mul(r.interval, r.burst)
	return r
}

// newReference makes the model of a limiter whose clock's first reading is origin. Readings are shifted so that the first
// is 1, and clamped to 2^62.
func newReference(q Quota, origin time.Duration) *reference {
	start := big.NewInt(int64(origin))
	end := new(big.Int).Lsh(big.NewInt(1), 62)
	end.Add(end, start).Sub(end, big.NewInt(1))
	return &reference{quota: *newRefQuota(q), keys: make(map[string]*refKey), start: start, end: end,
		last: new(big.Int).Add(end, new(big.Int).Lsh(big.NewInt(1), 61))}
}

// key finds or makes the entry of a key.
func (m *reference) key(name string) *refKey {
	k := m.keys[name]
	if k == nil {
		k = new(refKey)
		m.keys[name] = k
	}
	return k
}

// quotaOf is the quota that decides for k, which may be nil.
func (m *reference) quotaOf(k *refKey) *refQuota {
	if k != nil && k.own != nil {
		return k.own
	}
	return &m.quota
}

// setNow sets m.asked to the caller's reading and m.now to the instant of the decision. No decision uses a reading older
// than born, when what holds the key was made; a key with a quota of its own has its own such mark.
func (m *reference) setNow(k *refKey, asked, born time.Duration) {
	m.asked.SetInt64(int64(asked))
	if m.asked.Cmp(m.end) > 0 {
		m.asked.Set(m.end)
	}
	m.now.SetInt64(int64(born))
	if k != nil && k.own != nil {
		m.now.Set(k.since)
	}
	if m.asked.Cmp(&m.now) > 0 {
		m.now.Set(&m.asked)
	}
}

// judge decides without writing; m.after is where the key stands if the request was admitted. n must not be 0.
func (m *reference) judge(asked, born time.Duration, name string, n int64) Decision {
	k := m.keys[name]
	q := m.quotaOf(k)
	m.setNow(k, asked, born)

	m.stands.Set(&m.now) // max(TAT, now)
	if k != nil && k.tat != nil && k.tat.Cmp(&m.now) > 0 {
		m.stands.Set(k.tat)
	}
	m.cost.Mul(m.cost.SetInt64(n), q.interval) // n·T
	m.after.Add(&m.stands, &m.cost)
	m.room.Add(&m.now, q.tolerance) // now + τ, up to which a request may reach

	d := Decision{Limit: q.limit}
	switch {
	case n < 0, m.cost.Cmp(q.tolerance) > 0:
		d.RetryAfter = Never
	case m.after.Cmp(&m.room) <= 0:
		d.Allowed = true
		m.stands.Set(&m.after)
	default: // at the reading r with after = r + τ
		m.t1.Sub(&m.after, q.tolerance)
		d.RetryAfter = duration(m.t1.Sub(&m.t1, &m.asked))
	}
	if m.room.Sub(&m.room, &m.stands).Sign() > 0 {
		d.Remaining = m.t1.Quo(&m.room, q.interval).Int64()
	}
	if m.stands.Cmp(&m.now) > 0 {
		d.ResetAfter = duration(m.t1.Sub(&m.stands, &m.asked))
	}
	return d
}

// spend writes what the last judge, of an admitted request, found.
func (m *reference) spend(name string) {
	k := m.key(name)
	if k.tat == nil {
		k.tat = new(big.Int)
	}
	k.tat.Set(&m.after)
}

// AllowAt decides a request and spends it.
func (m *reference) AllowAt(asked, born time.Duration, name string, n int64) Decision {
	if n == 0 {
		return m.Peek(asked, born, name)
	}
	d := m.judge(asked, born, name, n)
	if d.Allowed {
		m.spend(name)
	}
	return d
}

// Peek answers for one request; Remaining and ResetAfter are as they stand.
func (m *reference) Peek(asked, born time.Duration, name string) Decision {
	standing := m.judge(asked, born, name, -1)
	d := m.judge(asked, born, name, 1)
	d.Remaining, d.ResetAfter = standing.Remaining, standing.ResetAfter
	return d
}

// Refund gives back n requests, never more than leaves the key as if never seen.
func (m *reference) Refund(name string, n int64) {
	if k := m.keys[name]; k != nil && k.tat != nil && n > 0 {
		m.cost.Mul(m.cost.SetInt64(n), m.quotaOf(k).interval)
		if k.tat.Sub(k.tat, &m.cost).Cmp(m.start) <= 0 {
			k.tat = nil
		}
	}
}

// Reset forgets what a key consumed, but not its quota.
func (m *reference) Reset(name string) {
	if k := m.keys[name]; k != nil {
		k.tat = nil
	}
}

// SetQuota changes the quota of all keys without one of their own, at the reading now; born says for each key when what
// holds it was made, and no debt is rescaled around an earlier instant.
func (m *reference) SetQuota(now time.Duration, q Quota, born func(name string) time.Duration) {
	to := newRefQuota(q)
	for name, k := range m.keys {
		if k.own == nil {
			m.setNow(k, now, born(name))
			m.rescale(k, m.quota.interval, to.interval)
		}
	}
	m.quota = *to
}

// SetKeyQuota gives a key a quota of its own, or another one.
func (m *reference) SetKeyQuota(now, born time.Duration, name string, q Quota) {
	k, to := m.key(name), newRefQuota(q)
	m.setNow(k, now, born)
	m.rescale(k, m.quotaOf(k).interval, to.interval)
	k.own, k.since = to, new(big.Int).Set(&m.now)
}

// ClearKeyQuota puts a key back under the limiter's quota.
func (m *reference) ClearKeyQuota(now time.Duration, name string) {
	if k := m.keys[name]; k != nil && k.own != nil {
		m.setNow(k, now, 0)
		m.rescale(k, k.own.interval, m.quota.interval)
		if k.tat == nil || k.tat.Cmp(&m.now) < 0 {
			k.tat = new(big.Int).Set(&m.now) // no debt, but none of its own quota's for an older reading either
		}
		k.own, k.since = nil, nil
	}
}

// rescale keeps a key's debt at m.now, counted in requests, when a request goes from costing one interval to another:
// debt' = ⌈debt·to / from⌉, and then it reaches no further than the end of time. With the same interval nothing moves,
// nor does a TAT that is no debt, which still counts for readings of a clock that has stepped back.
func (m *reference) rescale(k *refKey, from, to *big.Int) {
	if k.tat == nil || from.Cmp(to) == 0 {
		return
	}
	debt := m.t1.Sub(k.tat, &m.now)
	if debt.Sign() <= 0 {
		return
	}
	debt.Mul(debt, to)
	debt.DivMod(debt, from, &m.t2)
	if m.t2.Sign() > 0 {
		debt.Add(debt, m.t2.SetInt64(1))
	}
	k.tat.Add(&m.now, debt)
	if k.tat.Cmp(m.last) > 0 {
		k.tat.Set(m.last)
	}
}

// live is the number of keys that stand above now.
func (m *reference) live(now time.Duration) (n int64) {
	m.t1.SetInt64(int64(now))
	for _, k := range m.keys {
		if k.tat != nil && k.tat.Cmp(&m.t1) > 0 {
			n++
		}
	}
	return n
}

func duration(d *big.Int) time.Duration {
	if !d.IsInt64() {
		panic("the reference computed a duration that no int64 holds: " + d.String())
	}
	return time.Duration(d.Int64())
}

// TestReferenceRetryAfter holds the reference itself to the definition of RetryAfter: the least d such that the same request
// is admitted d later, found by bisection on the admission alone.
func TestReferenceRetryAfter(t *testing.T) {
	in := newTape(7)
	refused := 0
	for range 20_000 {
		q := in.quota()
		m := newReference(q, 0)
		clock := time.Duration(in.upTo(1 << 40))
		for range 4 {
			asked, n := clock+in.span(q), 1+in.cost(q)&math.MaxInt32
			d := m.AllowAt(asked, 0, "key", n)
			if d.Allowed || d.RetryAfter == Never {
				continue
			}
			refused++
			low, high := time.Duration(0), time.Duration(math.MaxInt64)-asked // refused, admitted
			for high-low > 1 {
				middle := low + (high-low)/2
				if m.judge(asked+middle, 0, "key", n).Allowed {
					high = middle
				} else {
					low = middle
				}
			}
			if high != d.RetryAfter {
				t.Fatalf("quota %v, cost %d at %d: RetryAfter %d, by bisection %d", q, n, asked, d.RetryAfter, high)
			}
		}
	}
	if refused < 1000 {
		t.Fatalf("only %d refusals: the test does not test what it should", refused)
	}
}
