package peers

import (
	"context"

	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/weirhq/weir/bench/subject"
)

// Ulule is ulule/limiter with its memory store, cleaned once a period.
var Ulule = subject.Subject{
	Name:   "ulule/limiter",
	Module: "github.com/ulule/limiter/v3",
	Keeps:  subject.Text,
	Cleans: "janitor",
	Exact:  "a window from each key's first request: twice the limit around a window's edge",
	New: func(c subject.Config) (subject.Limiter, error) {
		store := memory.NewStoreWithOptions(limiter.StoreOptions{
			Prefix:          limiter.DefaultPrefix,
			CleanUpInterval: c.Period,
		})
		return ulule{limiter.New(store, limiter.Rate{Period: c.Period, Limit: c.Limit})}, nil
	},
}

type ulule struct{ l *limiter.Limiter }

func (u ulule) Allow(key string) bool {
	state, err := u.l.Get(context.Background(), key)
	return err == nil && !state.Reached
}

// Close leaves the janitor to a finalizer, which is how this store ends it.
func (u ulule) Close() {}
