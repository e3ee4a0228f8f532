// Package limits has what is the same in every framework: the middleware of
// weirhttp, and the options that it is made with.
package limits

import (
	"context"
	"net/http"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// Addr is where the examples listen.
const Addr = "127.0.0.1:8080"

// PerClient is the quota of the examples: 300 requests a minute for each address.
var PerClient = weir.Quota{Limit: 300, Period: time.Minute}

// New makes middleware that gives each client address the quota, does not limit
// /health, and does not count what the service itself has failed to do.
func New(quota weir.Quota, opts ...weir.Option) (func(http.Handler) http.Handler, error) {
	resolver, err := weir.NewResolver(noSources)
	if err != nil {
		return nil, err
	}
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP:             quota,
		weir.User:           quota, // for a describe that sets UserID
		weir.Business:       quota, // or BusinessID, from a verified token
		weir.BusinessIntake: quota,
	}, opts...)
	if err != nil {
		return nil, err
	}
	return weirhttp.New(limiter, weirhttp.Anonymous,
		weirhttp.WithSkip(func(r *http.Request) bool { return r.URL.Path == "/health" }),
		weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status >= 500 }),
	), nil
}

// noSources is the lookup of a service without source keys.
func noSources(context.Context, string) (weir.Source, error) {
	return weir.Source{}, weir.ErrNoSource
}
