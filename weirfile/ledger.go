package weirfile

import (
	"time"

	"github.com/weirhq/weir"
)

// A ledger knows which keys of a limiter have a quota of their own because a
// config said so. The limiter cannot tell: it does not keep the text of keys.
// It is used by one goroutine at a time.
type ledger struct {
	limiter *weir.PartitionLimiter
	own     map[budget]weir.Quota
}

// A budget names a key of a partition.
type budget struct {
	partition weir.Partition
	key       string
}

// put puts a config in force that has been checked, in place of the one before.
//
// The order makes every key go straight from its old quota to its new one. A key
// that gets an override has it before its partition changes, and one that loses
// it keeps it until its partition has changed. Otherwise a business that moves
// from a partition's 300 to an override of 3,000, while the partition goes down
// to 30, would be under 30 for a moment, and with a burst spent beyond 30 be
// refused.
func (l *ledger) put(c *Config, now time.Time) {
	own := make(map[budget]weir.Quota, len(c.overrides))
	for i := range c.overrides {
		o := &c.overrides[i]
		if !o.InForce(now) {
			continue
		}
		b := budget{o.Partition, o.Key}
		own[b] = o.Quota
		if had, ok := l.own[b]; !ok || had != o.Quota {
			valid(l.limiter.Limiter(b.partition).SetKeyQuota(b.key, o.Quota))
		}
	}
	for _, part := range partitions {
		// Asked rather than remembered, because it can be: then other code may
		// have changed it.
		if limiter := l.limiter.Limiter(part); limiter.Quota() != c.quotas[part] {
			valid(limiter.SetQuota(c.quotas[part]))
		}
	}
	for b := range l.own {
		if _, ok := own[b]; !ok {
			l.limiter.Limiter(b.partition).ClearKeyQuota(b.key)
		}
	}
	l.own = own
}

// end clears the overrides of the config in force whose time is over, and touches
// nothing else.
func (l *ledger) end(c *Config, now time.Time) {
	for i := range c.overrides {
		o := &c.overrides[i]
		if o.InForce(now) {
			continue
		}
		b := budget{o.Partition, o.Key}
		if _, ok := l.own[b]; ok {
			l.limiter.Limiter(b.partition).ClearKeyQuota(b.key)
			delete(l.own, b)
		}
	}
}

// valid asserts that a setter took its quota. It refuses those that
// Quota.Validate refuses, and ParseQuota returns none of these; so applying a
// checked config cannot fail halfway.
func valid(err error) {
	if err != nil {
		panic("weirfile: a quota that ParseQuota returned is refused: " + err.Error())
	}
}
