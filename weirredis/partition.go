package weirredis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
)

// A PartitionLimiter limits requests by partition, as a [weir.PartitionLimiter] does,
// with limits that hold on many machines together. It is a [weir.Decider], so
// weirhttp.New takes it. It is safe for concurrent use.
type PartitionLimiter struct {
	resolver *weir.Resolver
	server   *server
	limiters []*Limiter // by partition
}

var _ weir.Decider = (*PartitionLimiter)(nil)

// NewPartitionLimiter returns a limiter with a quota for each of the four partitions, on
// the server, or cluster, that client speaks to. A key's name there is the prefix (see
// [WithPrefix]), the partition, a colon, and [weir.PartitionKey.Key]:
// "weir:business:42", "weir:ip:203.0.113.7/32". Each partition has one quota: there are
// no tiers and no further quotas.
//
// Every option applies to all partitions, except that they share one breaker, and one
// hook. It is an error if client or r is nil, a partition has no quota, quotas names one
// that does not exist, or [New] would refuse a quota or an option.
func NewPartitionLimiter(client rueidis.Client, r *weir.Resolver, quotas map[weir.Partition]weir.Quota, opts ...Option) (*PartitionLimiter, error) {
	if client == nil {
		return nil, &ConfigError{"NewPartitionLimiter: client", "nil", "a rueidis.Client"}
	}
	if r == nil {
		return nil, &ConfigError{"NewPartitionLimiter: resolver", "nil", "one made by weir.NewResolver"}
	}
	all := []weir.Partition{weir.IP, weir.User, weir.Business, weir.BusinessIntake}
	for _, part := range slices.Sorted(maps.Keys(quotas)) {
		if !slices.Contains(all, part) {
			return nil, &ConfigError{"NewPartitionLimiter: quotas key", part, "IP, User, Business or BusinessIntake"}
		}
	}
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	p := &PartitionLimiter{resolver: r, server: newServer(client, c)}
	for _, part := range all {
		quota, ok := quotas[part]
		if !ok {
			return nil, &ConfigError{"NewPartitionLimiter: quotas[" + part.String() + "]", "missing", "given, as for each of the four partitions"}
		}
		l, err := newLimiter(p.server, c.prefix+part.String()+":", quota)
		if err != nil {
			return nil, fmt.Errorf("weirredis: partition %s: %w", part, err)
		}
		p.limiters = append(p.limiters, l)
	}
	return p, nil
}

// Allow resolves the partition of a request, and decides whether a request of cost 1 may
// pass there, as [Limiter.AllowN] does. It returns the key that it decided for.
func (p *PartitionLimiter) Allow(ctx context.Context, req weir.Request) (weir.Decision, weir.PartitionKey, error) {
	r := p.Decide(ctx, req, 1)
	return r.Decision, r.Key, r.Err
}

// Decide is Allow for a cost of n and for those who want to know everything. The
// ruling's Err is the error of [Limiter.AllowN].
func (p *PartitionLimiter) Decide(ctx context.Context, req weir.Request, n int64) weir.Ruling {
	key, reason := p.resolver.Resolve(ctx, req)
	r := p.DecideKey(ctx, key, n)
	r.Reason = reason
	return r
}

// DecideKey is Decide for a key that is known already. One of a partition that does not
// exist is refused with [weir.Never].
func (p *PartitionLimiter) DecideKey(ctx context.Context, key weir.PartitionKey, n int64) weir.Ruling {
	r := weir.Ruling{Key: key}
	l := p.Limiter(key.Partition)
	if l == nil {
		r.RetryAfter = weir.Never
		return r
	}
	r.Decision, r.Err = l.AllowN(ctx, key.Key(), n)
	return r
}

// Refund gives back n requests of a key, as [Limiter.Refund] does. It blocks for at most
// [WithTimeout]. What cannot be given back while there is no server is lost.
func (p *PartitionLimiter) Refund(key weir.PartitionKey, n int64) {
	if l := p.Limiter(key.Partition); l != nil {
		_ = l.Refund(context.Background(), key.Key(), n)
	}
}

// Reset forgets what a key has consumed; see [Limiter.Reset]. Nothing happens for a
// partition that does not exist.
func (p *PartitionLimiter) Reset(ctx context.Context, key weir.PartitionKey) error {
	if l := p.Limiter(key.Partition); l != nil {
		return l.Reset(ctx, key.Key())
	}
	return nil
}

// Limiter returns the limiter of one partition, to peek at, reset or wait for a
// [weir.PartitionKey.Key] of it, or to change its quota; nil if there is no such
// partition. It must not be closed by itself.
func (p *PartitionLimiter) Limiter(part weir.Partition) *Limiter {
	if int(part) >= len(p.limiters) {
		return nil
	}
	return p.limiters[part]
}

// Resolver returns the resolver that p was made with.
func (p *PartitionLimiter) Resolver() *weir.Resolver { return p.resolver }

// Policies lists the one quota of a partition, by name; nil if there is no such
// partition. Its Limiter is nil, since the quota is not kept in this process.
func (p *PartitionLimiter) Policies(part weir.Partition) []weir.Policy {
	if p.Limiter(part) == nil {
		return nil
	}
	return []weir.Policy{{Name: part.String()}}
}

// Quota returns the quota of the key's partition, for policy 0, and otherwise the zero
// Quota. It neither allocates nor blocks.
func (p *PartitionLimiter) Quota(key weir.PartitionKey, policy int) weir.Quota {
	if l := p.Limiter(key.Partition); l != nil && policy == 0 {
		return l.Quota()
	}
	return weir.Quota{}
}

// Close is [Limiter.Close] for all partitions.
func (p *PartitionLimiter) Close(ctx context.Context) error {
	var errs []error
	for _, l := range p.limiters {
		errs = append(errs, l.endLeases(ctx))
	}
	return errors.Join(append(errs, p.server.settleAll(ctx), p.server.close(ctx))...)
}
