package peers

import (
	"net/netip"
	"time"

	"github.com/weirhq/weir"

	"github.com/weirhq/weir/bench/subject"
)

const weirModule = "github.com/weirhq/weir"

// Weir is weir as New makes it: the exact clock, and Strict at the memory bound.
var Weir = subject.Subject{
	Name:   "weir",
	Module: weirModule,
	Keeps:  subject.KeyedHash,
	Cleans: "as new keys come",
	Exact:  "exact; beyond MaxKeys live keys newcomers wait for up to one interval",
	New:    newWeir(),
}

// WeirCoarse is weir with a clock that is read once a millisecond.
var WeirCoarse = subject.Subject{
	Name:   "weir, coarse clock",
	Module: weirModule,
	Keeps:  subject.KeyedHash,
	Cleans: "as new keys come",
	Exact:  "exact for readings up to 1 ms old; beyond MaxKeys live keys newcomers wait for up to one interval",
	New:    newWeir(weir.WithCoarseClock(time.Millisecond)),
}

// WeirLenient is weir with forgiveness at the memory bound.
var WeirLenient = subject.Subject{
	Name:   "weir, lenient",
	Module: weirModule,
	Keeps:  subject.KeyedHash,
	Cleans: "as new keys come",
	Exact:  "exact up to MaxKeys live keys; beyond, forgives those with the least debt and counts what that may admit",
	New:    newWeir(weir.WithOverflow(weir.Lenient)),
}

func newWeir(opts ...weir.Option) func(subject.Config) (subject.Limiter, error) {
	return func(c subject.Config) (subject.Limiter, error) {
		quota := weir.Quota{Limit: c.Limit, Period: c.Period}
		all := append([]weir.Option{weir.WithMaxKeys(c.MaxKeys)}, opts...)
		l, err := weir.New(quota, all...)
		if err != nil {
			return nil, err
		}
		return weirLimiter{l}, nil
	}
}

type weirLimiter struct{ l *weir.Limiter }

func (w weirLimiter) Allow(key string) bool { return w.l.Allow(key).Allowed }

// AllowAddr takes the address's bytes for the key. weir keeps no key, so the
// string never leaves the stack.
func (w weirLimiter) AllowAddr(addr netip.Addr) bool {
	b := addr.As16()
	return w.l.Allow(string(b[:])).Allowed
}

func (w weirLimiter) Close() {}
