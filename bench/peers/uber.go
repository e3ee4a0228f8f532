package peers

import (
	"go.uber.org/ratelimit"

	"github.com/weirhq/weir/bench/subject"
)

// Uber is go.uber.org/ratelimit, which paces callers: it has one budget and
// never refuses, so only requests that need not wait can be compared.
var Uber = subject.Subject{
	Name:   "uber",
	Module: "go.uber.org/ratelimit",
	Keeps:  subject.OneKey,
	Cleans: "nothing to clean",
	Exact:  "one budget for all; sleeps instead of refusing",
	New: func(c subject.Config) (subject.Limiter, error) {
		return uber{ratelimit.New(int(c.Limit), ratelimit.Per(c.Period))}, nil
	},
}

type uber struct{ l ratelimit.Limiter }

func (u uber) Allow(string) bool {
	u.l.Take()
	return true
}

func (u uber) Close() {}
