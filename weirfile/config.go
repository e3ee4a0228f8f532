package weirfile

import (
	"context"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/weirhq/weir"
)

// partitions are all that there are, in the order in which messages name them.
var partitions = [...]weir.Partition{weir.IP, weir.User, weir.Business, weir.BusinessIntake}

// A Config is what a quota file says. It does not change once it is made.
type Config struct {
	quotas    [len(partitions)]weir.Quota // by partition
	overrides []Override
}

// An Override is a quota for one key of a partition.
type Override struct {
	Partition weir.Partition
	Key       string     // as weir.PartitionKey.Key writes it
	Quota     weir.Quota // valid
	Note      string     // "" if there is none
	Until     time.Time  // void from then on; the zero Time if it has no end

	Line, Column int // of the key in the file, as in Error
}

// InForce reports whether the override is in force at that time: it has no end,
// or its end is still to come.
func (o Override) InForce(now time.Time) bool {
	return o.Until.IsZero() || now.Before(o.Until)
}

// Parse reads the content of a quota file and checks all that can be checked
// without a limiter; see [Config.Check] for the rest. An error is [Errors].
// Overrides whose time is over are no error, so that a file does not become a bad
// one while nobody looks.
//
// Parse takes some 30 ns a byte, keeps none of data, and does not block.
func Parse(data []byte) (*Config, error) {
	config, errs := parse(data)
	if len(errs) > 0 {
		return nil, errs
	}
	return config, nil
}

// Quota returns the quota of a partition, the zero Quota if there is no such
// partition.
func (c *Config) Quota(part weir.Partition) weir.Quota {
	if int(part) >= len(c.quotas) {
		return weir.Quota{}
	}
	return c.quotas[part]
}

// Overrides returns all overrides in the order of the file, those included whose
// time is over.
func (c *Config) Overrides() iter.Seq[Override] { return slices.Values(c.overrides) }

// Check reports whether c fits the limiter, which must not be nil: an override of
// an IPv6 prefix of another length than the limiter's resolver counts by would
// never match a request. An error is [Errors]. Check changes nothing and takes
// some 200 ns an override of an address.
func (c *Config) Check(limiter *weir.PartitionLimiter) error {
	return c.check(limiter.Resolver(), nil).orNil()
}

// check appends the errors of Check to those of parse.
func (c *Config) check(resolver *weir.Resolver, errs Errors) Errors {
	for i := range c.overrides {
		o := &c.overrides[i]
		if o.Partition != weir.IP {
			continue
		}
		prefix, err := netip.ParsePrefix(o.Key)
		if err != nil {
			continue // the unknown address, which is counted as it is
		}
		// A request of which only an address is known is counted by that.
		counted, _ := resolver.Resolve(context.Background(), weir.Request{Addr: prefix.Addr()})
		want := counted.Key()
		if want == o.Key {
			continue
		}
		e := &Error{
			Line: o.Line, Column: o.Column,
			Field:   fieldOf("overrides", weir.IP.String(), o.Key),
			Value:   "a prefix of " + strconv.Itoa(prefix.Bits()) + " bits",
			Allowed: "one of " + strconv.Itoa(counted.Prefix.Bits()) + ", as the resolver counts, such as " + want,
		}
		if len(errs) >= maxErrors {
			return append(errs, tooMany(e))
		}
		errs = append(errs, e)
	}
	return errs
}

// Apply checks c against the limiter, which must not be nil, and sets every quota
// and every override that is in force now. It clears nothing, and does nothing
// later: it is for quotas that come from elsewhere than a file, once, at the
// start. For those that change there is [Open]. If it returns an error, which is
// that of [Config.Check], nothing has changed. For what it costs see Open.
func (c *Config) Apply(limiter *weir.PartitionLimiter) error {
	if err := c.Check(limiter); err != nil {
		return err
	}
	l := ledger{limiter: limiter}
	l.put(c, time.Now())
	return nil
}
