package weir

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"unsafe"
)

// policies are what the options of this file ask for.
type policies struct {
	also  [numPartitions][]Quota
	tiers []tier
}

// A tier counts whole IPv6 networks of a size.
type tier struct {
	bits  int
	quota Quota
}

// WithFurtherQuotas has the keys of a partition keep further quotas beside that of
// [NewPartitionLimiter], all or nothing: 10 a second beside 300 a minute, say. See
// [Multi] for what that costs. Each keeps as many keys as the first one. It may be
// given for several partitions, and several times for one.
//
// It is for NewPartitionLimiter; New and NewMulti refuse it. Together with tiers
// a partition can have [MostQuotas] quotas.
func WithFurtherQuotas(part Partition, quotas ...Quota) Option {
	return func(c *config) error {
		if part >= numPartitions {
			return &ConfigError{"WithFurtherQuotas: partition", part, "IP, User, Business or BusinessIntake"}
		}
		for _, q := range quotas {
			if err := q.Validate(); err != nil {
				return fmt.Errorf("weir: WithFurtherQuotas: partition %s: %w", part, err)
			}
		}
		c.policies.also[part] = append(c.policies.also[part], quotas...)
		return nil
	}
}

// WithIPv6Tier limits whole IPv6 networks of that many bits beside the addresses
// in them: an IPv6 address counts against its own prefix (see [WithIPv6Prefix])
// and against the wider network, all or nothing. Who holds a /48 has 65,536
// prefixes of 64 bits, and as many budgets; a tier of 48 bits bounds them all. It
// may be given several times, such as for 56 and 48. IPv4 and unknown addresses
// have no tiers.
//
// bits must be above 0 and below those of the resolver's prefix, and each tier
// another one. It is for NewPartitionLimiter; New and NewMulti refuse it.
func WithIPv6Tier(bits int, q Quota) Option {
	return func(c *config) error {
		if err := q.Validate(); err != nil {
			return fmt.Errorf("weir: WithIPv6Tier: %w", err)
		}
		c.policies.tiers = append(c.policies.tiers, tier{bits, q})
		return nil
	}
}

// none is an error if one of these options was given where they mean nothing.
func (p *policies) none(to string) error {
	for _, quotas := range p.also {
		if len(quotas) > 0 {
			return &ConfigError{"WithFurtherQuotas", "given to " + to, "an option of NewPartitionLimiter"}
		}
	}
	if len(p.tiers) > 0 {
		return &ConfigError{"WithIPv6Tier", "given to " + to, "an option of NewPartitionLimiter"}
	}
	return nil
}

// sortedTiers are the tiers, narrowest network first, if they fit a resolver that
// cuts addresses to so many bits.
func (p *policies) sortedTiers(prefixBits int) ([]tier, error) {
	tiers := slices.Clone(p.tiers)
	slices.SortFunc(tiers, func(a, b tier) int { return b.bits - a.bits })
	for i, t := range tiers {
		if t.bits <= 0 || t.bits >= prefixBits {
			return nil, &ConfigError{"WithIPv6Tier: bits", t.bits, fmt.Sprintf("1 to %d, below the resolver's prefix", prefixBits-1)}
		}
		if i > 0 && t.bits == tiers[i-1].bits {
			return nil, &ConfigError{"WithIPv6Tier: bits", t.bits, "given once"}
		}
	}
	return tiers, nil
}

// A Policy is one of the quotas that a partition's keys keep.
type Policy struct {
	// Name is the partition's for its first quota, such as "business"; with a
	// number for those of WithFurtherQuotas ("business-2"), and with the bits for
	// those of WithIPv6Tier ("ip/48"). Names never change while p lives, and tell
	// nothing about keys.
	Name string

	// Limiter has the quota, for one to look at or to change. It knows keys as
	// that of [PartitionLimiter.Limiter] does; that of a tier knows networks, such
	// as "2001:db8:1::/48". It is nil where the quota is not kept in this process,
	// which no policy of a PartitionLimiter is: see [Decider].
	Limiter *Limiter
}

// Policies lists the quotas of a partition in the order in which [Ruling].Policy
// counts them; nil if there is no such partition. It allocates.
func (p *PartitionLimiter) Policies(part Partition) []Policy {
	if part >= numPartitions {
		return nil
	}
	list := []Policy{{part.String(), p.limiters[part]}}
	m := p.multis[part]
	if m == nil {
		return list
	}
	for i := 1; i < len(m.limiters); i++ {
		name := part.String() + "-" + strconv.Itoa(i+1)
		if first := len(m.limiters) - len(p.tiers); part == IP && i >= first {
			name = part.String() + "/" + strconv.Itoa(p.tiers[i-first].bits)
		}
		list = append(list, Policy{name, m.limiters[i]})
	}
	return list
}

// A Ruling is a decision and all that led to it.
type Ruling struct {
	Decision
	Key    PartitionKey
	Reason Reason
	Policy int // which of the partition's Policies has the say, from 0; see Multi.AllowN

	// Err is nil if a limiter decided; so it always is of a [PartitionLimiter].
	// Otherwise it is why no decision could be made: the server that keeps the limits
	// is out of reach, and the failure policy of the [Decider] is to refuse then.
	// RetryAfter is when to try again (0 if nobody knows), and the rest of the Decision
	// means nothing. The cost is not to be given back: as a rule it was not spent, and
	// whether it was where only the server's reply was lost, nobody knows.
	Err error
}

// Decide resolves the partition of a request and decides whether a request of
// cost n may pass there: it is [PartitionLimiter.Allow] for those who want to know
// everything, at the same cost.
func (p *PartitionLimiter) Decide(ctx context.Context, req Request, n int64) Ruling {
	key, reason := p.resolver.Resolve(ctx, req)
	r := p.DecideKey(key, n)
	r.Reason = reason
	return r
}

// DecideKey is [PartitionLimiter.AllowKey] for those who want to know which policy
// has the say. There is no Reason for a key that was given.
func (p *PartitionLimiter) DecideKey(key PartitionKey, n int64) Ruling {
	r := Ruling{Key: key}
	if key.Partition < numPartitions && p.multis[key.Partition] != nil {
		r.Decision, r.Policy = p.allowAll(key, n)
	} else {
		r.Decision = p.AllowKey(key, n)
	}
	return r
}

// Reset forgets what a key has consumed of every quota of its partition, tiers
// included; see [Limiter.Reset].
func (p *PartitionLimiter) Reset(key PartitionKey) {
	if key.Partition >= numPartitions {
		return
	}
	if m := p.multis[key.Partition]; m != nil {
		var all [MostQuotas]spot
		m.reset(p.spots(key, &all))
		return
	}
	var buf [prefixTextLen]byte
	p.limiters[key.Partition].Reset(key.text(buf[:0]))
}

// Refund gives back n requests of a key to every quota that AllowKey or Decide
// has spent them on; see [Limiter.Refund]. Nothing happens for a key of a
// partition that does not exist. It neither allocates nor waits, but for what a
// [Multi] waits.
func (p *PartitionLimiter) Refund(key PartitionKey, n int64) {
	if key.Partition >= numPartitions {
		return
	}
	if m := p.multis[key.Partition]; m != nil {
		var all [MostQuotas]spot
		m.refund(p.spots(key, &all), n)
		return
	}
	var buf [prefixTextLen]byte
	p.limiters[key.Partition].Refund(key.text(buf[:0]), n)
}

// allowAll decides for a partition of several quotas.
func (p *PartitionLimiter) allowAll(key PartitionKey, n int64) (Decision, int) {
	var all [MostQuotas]spot
	return p.multis[key.Partition].decide(p.spots(key, &all), n)
}

// spots are where the key stands under each quota of its partition; tiers are
// left out for an address that has none.
func (p *PartitionLimiter) spots(key PartitionKey, all *[MostQuotas]spot) []spot {
	m := p.multis[key.Partition]
	var buf [prefixTextLen]byte
	place, id := m.hash(key.text(buf[:0]))
	n := len(m.limiters)
	if key.Partition == IP {
		n -= len(p.tiers)
	}
	for i, l := range m.limiters[:n] {
		all[i] = l.spot(place, id)
	}
	addr := key.Prefix.Addr()
	if key.Partition != IP || !addr.Is6() || addr.Is4In6() {
		return all[:n]
	}
	for _, t := range p.tiers {
		if t.bits >= key.Prefix.Bits() {
			break // a prefix made by hand, and wider than any resolver cuts: it has no tiers
		}
		wide := netip.PrefixFrom(addr, t.bits).Masked()
		place, id := m.hash(PartitionKey{Prefix: wide}.text(buf[:0]))
		all[n] = m.limiters[n].spot(place, id)
		n++
	}
	return all[:n]
}

// text is Key without its allocation: the text of a prefix lies in buf, mostly on
// the caller's stack. A conversion to string would allocate above 32 bytes, and
// prefixes beyond /64 are longer. It must not be kept, nor buf written meanwhile;
// should anybody keep it, escape analysis would move buf to the heap: slower, but
// still sound.
func (k PartitionKey) text(buf []byte) string {
	if k.Partition != IP {
		return k.ID
	}
	b := k.appendPrefix(buf)
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Quota returns the quota that the i-th policy of the key's partition has for the
// key: that of [Limiter.KeyQuota], which may be its own. It is the zero Quota if
// there is no such policy, or, for a tier, if the key is no IPv6 address. It
// neither allocates nor blocks, and takes some 100 ns.
func (p *PartitionLimiter) Quota(key PartitionKey, policy int) Quota {
	if key.Partition >= numPartitions || policy < 0 {
		return Quota{}
	}
	var all [MostQuotas]spot
	var spots []spot
	if p.multis[key.Partition] != nil {
		spots = p.spots(key, &all)
	} else {
		var buf [prefixTextLen]byte
		l := p.limiters[key.Partition]
		sh, id := l.locate(key.text(buf[:0]))
		all[0] = spot{l, sh, id}
		spots = all[:1]
	}
	if policy >= len(spots) {
		return Quota{}
	}
	s := spots[policy]
	if e, ok := s.own.Load(ownKey{s.sh, s.id}); ok {
		return e.Quota
	}
	return s.Limiter.Quota()
}
