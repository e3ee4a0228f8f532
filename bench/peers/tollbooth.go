package peers

import (
	"github.com/didip/tollbooth/v8/limiter"

	"github.com/weirhq/weir/bench/subject"
)

// Tollbooth is tollbooth's limiter without the HTTP around it. Its buckets live
// for a period, and are deleted once a period.
var Tollbooth = subject.Subject{
	Name:   "tollbooth",
	Module: "github.com/didip/tollbooth/v8",
	Keeps:  subject.Text,
	Cleans: "janitor, called by the user",
	Exact:  "a bucket is dropped a fixed time after it was made, whatever was taken from it: its key starts again with a full one",
	New: func(c subject.Config) (subject.Limiter, error) {
		l := limiter.New(&limiter.ExpirableOptions{DefaultExpirationTTL: c.Period}).
			SetMax(c.PerSecond()).
			SetBurst(int(c.Limit))
		return tollbooth{l, subject.Every(c.Period, l.DeleteExpiredTokenBuckets)}, nil
	},
}

type tollbooth struct {
	l    *limiter.Limiter
	stop func()
}

func (t tollbooth) Allow(key string) bool { return !t.l.LimitReached(key) }
func (t tollbooth) Close()                { t.stop() }
