package weir

import "context"

// A Decider decides for requests by partition: a [PartitionLimiter], whose limits
// hold in this process, or one whose limits hold for many machines, such as that of
// weirredis. The middleware of weirhttp takes either. All methods may be called by
// any number of goroutines at once.
//
// Who writes one, to wrap another for example, keeps to what is said here: users
// of a Decider use the Key and the Policy of a [Ruling] as indexes, unchecked.
type Decider interface {
	// Decide resolves the partition of a request and decides whether a request of
	// cost n may pass there, all or nothing: n = 0 asks without spending, n < 0 is
	// refused with [Never]. Key is set whatever is decided, and Policy is an index
	// of Policies(Key.Partition).
	//
	// It may wait for what the decision needs, a source or a server, while ctx lasts,
	// and for no longer than the Decider was told to. That a decision could not be
	// made is said by [Ruling].Err, and Allowed then says what becomes of the request.
	Decide(ctx context.Context, req Request, n int64) Ruling

	// Refund gives back n requests of a key to every quota that Decide has spent
	// them on; see [Limiter.Refund]. It is given no context, because what was spent
	// is to come back whoever has hung up: where it waits for a server, the Decider
	// bounds the time, and keeps count of refunds that failed.
	Refund(key PartitionKey, n int64)

	// Policies lists the quotas of a partition in the order in which Policy counts
	// them, at least one, with names like those of [PartitionLimiter.Policies]; nil
	// if there is no such partition. Partitions are numbered from 0 without a gap,
	// and the names and their order never change.
	Policies(part Partition) []Policy

	// Quota returns the quota that the policy of the key's partition has for the
	// key, the zero Quota if there is none. It is called for each response that
	// tells of quotas, so it does not wait.
	Quota(key PartitionKey, policy int) Quota
}

var _ Decider = (*PartitionLimiter)(nil)
