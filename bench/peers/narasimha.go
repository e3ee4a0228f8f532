package peers

import (
	"time"

	"github.com/Narasimha1997/ratelimiter"

	"github.com/weirhq/weir/bench/subject"
)

// Narasimha is the attribute based limiter of Narasimha1997/ratelimiter in its
// synchronous mode: the other one starts a goroutine for each key.
var Narasimha = subject.Subject{
	Name:   "Narasimha1997",
	Module: "github.com/Narasimha1997/ratelimiter",
	Keeps:  subject.Text,
	Cleans: "never, unless the user deletes keys one by one",
	Exact:  "a sliding window, rounded down, so one too many",
	New: func(c subject.Config) (subject.Limiter, error) {
		return &narasimha{ratelimiter.NewAttributeBasedLimiter(false), uint64(c.Limit), c.Period}, nil
	},
}

type narasimha struct {
	l      *ratelimiter.AttributeBasedLimiter
	limit  uint64
	period time.Duration
}

func (n *narasimha) Allow(key string) bool { return n.l.MustShouldAllow(key, 1, n.limit, n.period) }
func (n *narasimha) Close()                {}
