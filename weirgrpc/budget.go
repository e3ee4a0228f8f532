package weirgrpc

import (
	"context"

	"github.com/weirhq/weir"
)

// A Decision is what an interceptor has decided about a call or a message, and for
// whom. It holds no references but strings.
type Decision struct {
	// Decision is what the limiter said.
	weir.Decision

	// Subject names the kind of budget that was drawn on: "ip", "user", "business"
	// or "business-intake" (see [weir.Partition]), or "key" where there are no
	// partitions. It is what a refused caller is told, so it never has an id in it.
	Subject string

	// Quota is the one that had the say: one of the policies of the partition, or the
	// key's own ([weir.Limiter.SetKeyQuota]).
	Quota weir.Quota

	FullMethod string // "/package.Service/Method"
	Message    bool   // a message on a stream, rather than a call or the start of a stream
	Cost       int64  // what was asked for

	// PartitionKey and Reason are what the resolver found, and Key is what the key
	// function reported: the one pair or the other, and zero otherwise. They name
	// somebody: good for logs, not for labels of metrics, Reason excepted.
	PartitionKey weir.PartitionKey
	Reason       weir.Reason
	Key          string
}

// partitions is the budget of callers told apart by partition.
type partitions struct {
	limiter  *weir.PartitionLimiter
	describe func(ctx context.Context, fullMethod string) weir.Request
}

func byPartition(name string, limiter *weir.PartitionLimiter, describe func(context.Context, string) weir.Request, opts []Option) *interceptor {
	if limiter == nil {
		panic("weirgrpc: " + name + ": nil limiter")
	}
	if describe == nil {
		panic("weirgrpc: " + name + ": nil describe")
	}
	return &interceptor{&partitions{limiter, describe}, newOptions(opts)}
}

func (p *partitions) identify(ctx context.Context, fullMethod string) Decision {
	key, reason := p.limiter.Resolver().Resolve(ctx, p.describe(ctx, fullMethod))
	return Decision{
		Subject:      key.Partition.String(),
		FullMethod:   fullMethod,
		PartitionKey: key,
		Reason:       reason,
	}
}

func (p *partitions) spend(d Decision) (weir.Decision, weir.Quota) {
	r := p.limiter.DecideKey(d.PartitionKey, d.Cost)
	return r.Decision, p.limiter.Quota(d.PartitionKey, r.Policy)
}

// keys is the budget of callers told apart by a key of any kind.
type keys struct {
	limiter *weir.Limiter
	key     func(ctx context.Context, fullMethod string) string
}

func byKey(name string, limiter *weir.Limiter, key func(context.Context, string) string, opts []Option) *interceptor {
	if limiter == nil {
		panic("weirgrpc: " + name + ": nil limiter")
	}
	if key == nil {
		panic("weirgrpc: " + name + ": nil key")
	}
	return &interceptor{&keys{limiter, key}, newOptions(opts)}
}

func (k *keys) identify(ctx context.Context, fullMethod string) Decision {
	return Decision{Subject: "key", FullMethod: fullMethod, Key: k.key(ctx, fullMethod)}
}

func (k *keys) spend(d Decision) (weir.Decision, weir.Quota) {
	quota, _ := k.limiter.KeyQuota(d.Key)
	return k.limiter.AllowN(d.Key, d.Cost), quota
}
