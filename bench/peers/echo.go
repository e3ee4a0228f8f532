package peers

import (
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"github.com/weirhq/weir/bench/subject"
)

// Echo is the memory store of echo's rate limiting middleware. Visitors expire
// after a period: with less, as with the default of 3 minutes and a slower
// quota, buckets are forgotten before they are full.
var Echo = subject.Subject{
	Name:   "echo",
	Module: "github.com/labstack/echo/v4",
	Keeps:  subject.Text,
	Cleans: "whole map, by a caller, once a period",
	Exact:  "exact if ExpiresIn is at least the time in which a bucket fills",
	New: func(c subject.Config) (subject.Limiter, error) {
		return echo{middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate:      rate.Limit(c.PerSecond()),
			Burst:     int(c.Limit),
			ExpiresIn: c.Period,
		})}, nil
	},
}

type echo struct {
	store *middleware.RateLimiterMemoryStore
}

func (e echo) Allow(key string) bool {
	ok, err := e.store.Allow(key)
	return ok && err == nil
}

func (e echo) Close() {}
