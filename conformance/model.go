package conformance

import (
	"math/big"
	"time"

	"github.com/weirhq/weir"
)

// A model is the limiter as its contract describes it, for one caller: a map from
// keys to where they stand. Times are of its clock, which starts at 0, and whole
// Resolutions.
//
// What it cannot know is how a backend rounds the debts that SetQuota converts. It
// knows between which instants a key then stands, and takes the first Decision's
// word for where: from there on everything is exact again.
type model struct {
	terms
	resolution time.Duration
	now        time.Duration
	keys       map[string]*account // of keys that have been spent from
}

// An account is where a key stands: its TAT, the instant from which it is as if
// never seen.
type account struct {
	tat   time.Duration
	known bool // tat has been seen, or no quota has changed since it was written

	// Between which instants whatever the backend has stored is, converted to the
	// present quota: tat itself, but for changes of quota since the last write.
	// least is exact, for nothing may be forgiven, be it by many changes.
	least *big.Rat
	most  time.Duration
}

func newModel(q weir.Quota, resolution time.Duration) *model {
	return &model{terms: newTerms(q, resolution), resolution: resolution, keys: make(map[string]*account)}
}

// debt is how long it takes until the key is as if never seen.
func (m *model) debt(key string) time.Duration {
	if a := m.keys[key]; a != nil {
		return max(a.tat-m.now, 0)
	}
	return 0
}

// known reports whether the model knows exactly where the key stands.
func (m *model) known(key string) bool { a := m.keys[key]; return a == nil || a.known }

// stand has the key stand at a debt that was written now.
func (m *model) stand(key string, debt time.Duration) {
	if debt <= 0 {
		delete(m.keys, key)
		return
	}
	tat := m.now + debt
	m.keys[key] = &account{tat, true, rat(tat), tat}
}

// learn takes a Decision's word for where the key stood before it. It is false if
// that is out of bounds.
func (m *model) learn(key string, n int64, d weir.Decision) bool {
	a := m.keys[key]
	stood := m.now + d.ResetAfter
	if d.Allowed && n > 0 {
		stood -= m.cost(n)
	}
	if stood > max(a.most, m.now) || rat(stood).Cmp(a.least) < 0 {
		return false
	}
	a.tat, a.known = stood, true
	return true
}

// allow is the Decision that is right, once it has been acted upon.
func (m *model) allow(key string, n int64) weir.Decision {
	d := m.decide(m.debt(key), n)
	if d.Allowed && n > 0 {
		m.stand(key, d.ResetAfter)
	}
	return d
}

func (m *model) refund(key string, n int64) {
	debt := m.debt(key)
	switch {
	case n <= 0 || debt == 0:
	case n > int64(debt/m.interval):
		m.stand(key, 0)
	default:
		m.stand(key, debt-m.cost(n))
	}
}

func (m *model) reset(key string) { m.stand(key, 0) }

// setQuota converts every debt: as many requests, at what they now take.
func (m *model) setQuota(q weir.Quota) {
	from := m.interval
	m.terms = newTerms(q, m.resolution)
	for key, a := range m.keys {
		if a.most <= m.now {
			delete(m.keys, key)
			continue
		}
		if m.interval == from {
			continue
		}
		ratio := big.NewRat(int64(m.interval), int64(from))
		now := rat(m.now)
		a.least.Sub(a.least, now)
		if a.least.Sign() > 0 {
			a.least.Mul(a.least, ratio)
		}
		a.least.Add(a.least, now)

		most := rat(a.most - m.now)
		most.Mul(most, ratio)
		a.most = m.now + m.up(most) + rounding*m.resolution
		a.known = false
	}
}

// up rounds up to a whole Resolution.
func (m *model) up(d *big.Rat) time.Duration {
	d = new(big.Rat).Quo(d, rat(m.resolution))
	whole, rest := new(big.Int).QuoRem(d.Num(), d.Denom(), new(big.Int))
	if rest.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	return time.Duration(whole.Int64()) * m.resolution
}

func rat(d time.Duration) *big.Rat { return new(big.Rat).SetInt64(int64(d)) }
