package peers

import (
	"net/netip"

	"tailscale.com/util/limiter"

	"github.com/weirhq/weir/bench/subject"
)

// Tailscale is the keyed limiter of tailscale.com/util, without overdraft.
var Tailscale = subject.Subject{
	Name:   "tailscale",
	Module: "tailscale.com",
	Keeps:  subject.Text,
	Cleans: "least recently used, at MaxKeys",
	Exact: "refills a bucket only when it is empty, so up to one less than twice the burst at once; " +
		"beyond MaxKeys keys forgives the one not seen for longest",
	New: func(c subject.Config) (subject.Limiter, error) {
		return &tailscale{
			byName: limiter.Limiter[string]{Size: c.MaxKeys, Max: c.Limit, RefillInterval: c.Interval()},
			byAddr: limiter.Limiter[netip.Addr]{Size: c.MaxKeys, Max: c.Limit, RefillInterval: c.Interval()},
		}, nil
	},
}

type tailscale struct {
	byName limiter.Limiter[string]
	byAddr limiter.Limiter[netip.Addr]
}

func (t *tailscale) Allow(key string) bool          { return t.byName.Allow(key) }
func (t *tailscale) AllowAddr(addr netip.Addr) bool { return t.byAddr.Allow(addr) }
func (t *tailscale) Close()                         {}
