package peers

import (
	"context"

	"github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"

	"github.com/weirhq/weir/bench/subject"
)

// SethVargo is go-limiter's memory store, swept once a period.
var SethVargo = subject.Subject{
	Name:   "sethvargo/go-limiter",
	Module: "github.com/sethvargo/go-limiter",
	Keeps:  subject.Text,
	Cleans: "janitor",
	Exact:  "a window from each key's first request: twice the limit around a window's edge",
	New: func(c subject.Config) (subject.Limiter, error) {
		store, err := memorystore.New(&memorystore.Config{
			Tokens:        uint64(c.Limit),
			Interval:      c.Period,
			SweepInterval: c.Period,
			SweepMinTTL:   c.Period,
		})
		if err != nil {
			return nil, err
		}
		return sethVargo{store}, nil
	},
}

type sethVargo struct{ store limiter.Store }

func (s sethVargo) Allow(key string) bool {
	_, _, _, ok, err := s.store.Take(context.Background(), key)
	return ok && err == nil
}

func (s sethVargo) Close() { _ = s.store.Close(context.Background()) }
