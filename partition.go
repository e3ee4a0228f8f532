package weir

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
)

// A Partition is one of the four kinds of budget that a request can draw on.
// Budgets of different partitions are never shared: business 42, user 42 and
// the business intake of 42 are three.
type Partition uint8

// The partitions. The zero value is IP, which is also what every doubtful
// request falls back to.
const (
	IP             Partition = iota // by client address: nobody authenticated, or a bad source key
	User                            // by user: a user is authenticated, and no business
	Business                        // by business: authenticated for it
	BusinessIntake                  // by business: lead intake through an enabled source of it
)

// numPartitions is how many there are; they are numbered from 0.
const numPartitions = 4

var partitionNames = [numPartitions]string{
	IP:             "ip",
	User:           "user",
	Business:       "business",
	BusinessIntake: "business-intake",
}

// String returns "ip", "user", "business" or "business-intake", and for a value
// that is none of these its number, such as "Partition(7)". It allocates only
// for the latter.
func (p Partition) String() string {
	if p >= numPartitions {
		return "Partition(" + strconv.Itoa(int(p)) + ")"
	}
	return partitionNames[p]
}

// A PartitionKey names one budget: that of one business, user, or address. It is
// comparable, and two requests draw on the same budget exactly if their keys
// are equal. [Resolver.Resolve] makes them; its keys are canonical. One made by
// hand must be so too: ID alone set for a business or a user, Prefix alone for
// an address, masked.
type PartitionKey struct {
	Partition Partition
	ID        string       // of the business or the user, as it was authenticated or looked up; "" for IP
	Prefix    netip.Prefix // of the address, for IP: a string there would cost an allocation; zero if it is unknown
}

// unknownAddr is the text of a zero Prefix; no prefix and no address reads so.
const unknownAddr = "unknown"

// Key returns the key under which [PartitionLimiter.Limiter](k.Partition) keeps
// the budget, so that it can be peeked at, reset or given a quota of its own:
// the ID, or for an address its prefix ("203.0.113.7/32", "2001:db8::/64",
// "unknown"). It allocates for an address only.
func (k PartitionKey) Key() string {
	if k.Partition != IP {
		return k.ID
	}
	return string(k.appendPrefix(nil))
}

// prefixTextLen is the length of the longest text of a prefix.
const prefixTextLen = len("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")

// appendPrefix appends the key of an address. At most prefixTextLen bytes.
func (k PartitionKey) appendPrefix(b []byte) []byte {
	if !k.Prefix.IsValid() {
		return append(b, unknownAddr...)
	}
	return k.Prefix.AppendTo(b)
}

// String returns the partition and the key for people, logs and metrics:
// "business:42", "user:7", "business-intake:42", "ip:203.0.113.7" (one IPv4
// address), "ip:2001:db8::/64" (always with its length for IPv6), "ip:unknown".
// Different canonical keys have different strings. An ID is written as it is,
// whatever it contains. String allocates.
func (k PartitionKey) String() string {
	name := k.Partition.String() + ":"
	if k.Partition == IP && k.Prefix.Addr().Is4() && k.Prefix.IsSingleIP() {
		return name + k.Prefix.Addr().String()
	}
	return name + k.Key()
}

// A PartitionLimiter limits requests by partition: it resolves which partition a
// request belongs to, then decides with the [Limiter] of that partition. It is
// safe for concurrent use.
type PartitionLimiter struct {
	resolver *Resolver
	limiters [numPartitions]*Limiter // by the first quota of each
	multis   [numPartitions]*Multi   // of those with further quotas; their first limiter is the one above
	tiers    []tier                  // the last quotas of IP, widest networks last
}

// NewPartitionLimiter returns a limiter with a quota for each of the four
// partitions; [WithFurtherQuotas] and [WithIPv6Tier] add more. Every other option
// applies to each quota's Limiter alone, so WithMaxKeys(n) means n keys in each.
// The resolver may be shared between several PartitionLimiters.
//
// It is an error if r is nil, a partition has no quota, quotas names a partition
// that does not exist, or [New] would refuse a quota or an option. All are, or
// wrap, a [*ConfigError].
func NewPartitionLimiter(r *Resolver, quotas map[Partition]Quota, opts ...Option) (*PartitionLimiter, error) {
	if r == nil {
		return nil, &ConfigError{"NewPartitionLimiter: resolver", "nil", "one made by NewResolver"}
	}
	for _, part := range slices.Sorted(maps.Keys(quotas)) {
		if part >= numPartitions {
			return nil, &ConfigError{"NewPartitionLimiter: quotas key", part, "IP, User, Business or BusinessIntake"}
		}
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	p := &PartitionLimiter{resolver: r}
	if p.tiers, err = cfg.policies.sortedTiers(r.ipv6Bits); err != nil {
		return nil, err
	}
	for part := range Partition(numPartitions) {
		quota, ok := quotas[part]
		if !ok {
			return nil, &ConfigError{"NewPartitionLimiter: quotas[" + part.String() + "]", "missing",
				"given, as for each of the four partitions"}
		}
		all := append([]Quota{quota}, cfg.policies.also[part]...)
		if part == IP {
			for _, t := range p.tiers {
				all = append(all, t.quota)
			}
		}
		if err := p.add(part, all, cfg); err != nil {
			return nil, fmt.Errorf("weir: partition %s: %w", part, err)
		}
	}
	return p, nil
}

// add makes the limiter of one partition.
func (p *PartitionLimiter) add(part Partition, quotas []Quota, cfg config) (err error) {
	if len(quotas) == 1 {
		p.limiters[part], err = newLimiter(quotas[0], cfg)
		return err
	}
	if p.multis[part], err = newMulti(quotas, cfg); err != nil {
		return err
	}
	p.limiters[part] = p.multis[part].Limiter(0)
	return nil
}

// Allow resolves the partition of a request, as [Resolver.Resolve] does, and
// decides whether a request of cost 1 may pass there, as [Limiter.Allow] does.
// It returns the key it decided for. A caller who needs the Reason too calls
// Resolve and [PartitionLimiter.AllowKey], which together are Allow.
//
// It allocates nothing unless the path needs cleaning at length or the source
// has to be looked up, and waits for nothing but that lookup, while ctx lasts (and
// see AllowKey).
func (p *PartitionLimiter) Allow(ctx context.Context, req Request) (Decision, PartitionKey) {
	key, _ := p.resolver.Resolve(ctx, req)
	return p.AllowKey(key, 1), key
}

// AllowKey decides whether a request of cost n may pass whose key is known
// already, as [Limiter.AllowN] does: n = 0 asks without spending, n < 0 is
// refused with [Never]. So is a key of a partition that does not exist. It
// neither allocates nor waits, but for what a [Multi] waits where the partition
// has further quotas.
func (p *PartitionLimiter) AllowKey(key PartitionKey, n int64) Decision {
	if key.Partition >= numPartitions {
		return Decision{RetryAfter: Never}
	}
	if p.multis[key.Partition] != nil {
		d, _ := p.allowAll(key, n)
		return d
	}
	if key.Partition != IP {
		return p.limiters[key.Partition].AllowN(key.ID, n)
	}
	var buf [prefixTextLen]byte
	return p.limiters[IP].AllowN(key.text(buf[:0]), n)
}

// Limiter returns the limiter of one partition, to peek at, reset or override a
// [PartitionKey.Key] of it, or to change its quota; nil if there is no such
// partition. It is the limiter itself, not a copy: what is done to it, Allow
// sees. Of a partition with further quotas it is that of the first; the others
// are in [PartitionLimiter.Policies].
func (p *PartitionLimiter) Limiter(part Partition) *Limiter {
	if part >= numPartitions {
		return nil
	}
	return p.limiters[part]
}

// Resolver returns the resolver that p was made with.
func (p *PartitionLimiter) Resolver() *Resolver { return p.resolver }
