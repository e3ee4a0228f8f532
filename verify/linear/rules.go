package linear

import (
	"fmt"
	"math/big"
	"time"

	"github.com/weirhq/weir"
)

// rules are a quota and what follows from it.
type rules struct {
	limit     int64
	interval  int64 // T = ⌈period / limit⌉
	burst     int64
	tolerance int64 // τ = T·burst
}

func rulesOf(q weir.Quota) rules {
	burst := q.Burst
	if burst == 0 {
		burst = q.Limit
	}
	t, rest := new(big.Int).QuoRem(big.NewInt(int64(q.Period)), big.NewInt(q.Limit), new(big.Int))
	if rest.Sign() > 0 {
		t.Add(t, big.NewInt(1))
	}
	return rules{q.Limit, t.Int64(), burst, whole(new(big.Int).Mul(t, big.NewInt(burst)))}
}

// whole is n as an int64. The histories stay far from the ends of time, so it always fits.
func whole(n *big.Int) int64 {
	if !n.IsInt64() {
		panic("the model computed a number that no int64 holds: " + n.String())
	}
	return n.Int64()
}

// decide is the contract's Decision on a request of cost n, of a key that stands at tat, at the instant now, for a caller
// whose durations count from asked; and where the key stands afterwards. A cost of 0 asks for one request without
// spending it.
func (q rules) decide(tat, now, asked, n int64) (d weir.Decision, after int64) {
	stands := big.NewInt(max(tat, now))
	cost := new(big.Int).Mul(big.NewInt(max(n, 1)), big.NewInt(q.interval))
	reach := new(big.Int).Add(stands, cost)
	room := new(big.Int).Add(big.NewInt(now), big.NewInt(q.tolerance)) // up to which a request may reach

	d = weir.Decision{Limit: q.limit}
	switch {
	case n < 0 || cost.Cmp(big.NewInt(q.tolerance)) > 0:
		d.RetryAfter = weir.Never
	case reach.Cmp(room) > 0: // until reach = that instant + τ
		wait := new(big.Int).Sub(reach, big.NewInt(q.tolerance))
		d.RetryAfter = time.Duration(whole(wait.Sub(wait, big.NewInt(asked))))
	default:
		d.Allowed = true
		if n > 0 {
			stands = reach
			tat = whole(reach)
		}
	}
	if left := room.Sub(room, stands); left.Sign() > 0 {
		d.Remaining = whole(left.Quo(left, big.NewInt(q.interval)))
	}
	if stands.Cmp(big.NewInt(now)) > 0 {
		d.ResetAfter = time.Duration(whole(stands.Sub(stands, big.NewInt(asked))))
	}
	return d, tat
}

// reserve takes the next place of cost n behind all that is spent: where the key stands afterwards, and when the place
// is reached. There is none beyond the burst.
func (q rules) reserve(tat, now, n int64) (after, ready int64, ok bool) {
	if n < 0 || n > q.burst {
		return tat, 0, false
	}
	cost := new(big.Int).Mul(big.NewInt(n), big.NewInt(q.interval))
	after = whole(cost.Add(cost, big.NewInt(max(tat, now))))
	return after, after - q.tolerance, true
}

// refund gives back n requests, never more than leaves the key as if never seen, at floor.
func (q rules) refund(tat, floor, n int64) int64 {
	back := new(big.Int).Mul(big.NewInt(n), big.NewInt(q.interval))
	back.Sub(big.NewInt(tat), back)
	if back.Cmp(big.NewInt(floor)) < 0 {
		return floor
	}
	return whole(back)
}

// rescale keeps a debt at the instant at, counted in requests: debt' = ⌈debt·T' / T⌉.
func (q rules) rescale(tat, at int64, to rules) int64 {
	if tat <= at {
		return tat
	}
	debt := new(big.Int).Mul(big.NewInt(tat-at), big.NewInt(to.interval))
	rest := new(big.Int)
	debt.QuoRem(debt, big.NewInt(q.interval), rest)
	if rest.Sign() > 0 {
		debt.Add(debt, big.NewInt(1))
	}
	return whole(debt.Add(debt, big.NewInt(at)))
}

func (q rules) String() string {
	return fmt.Sprintf("limit %d, T %d, burst %d", q.limit, q.interval, q.burst)
}
