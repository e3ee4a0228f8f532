package weirredis_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/conformance"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

// The suite that weir.Limiter passes, on each kind of server there is.
//
// With a clock that stands still the Limiter keeps no refusals: it counts how long one
// holds by its own clock, which goes on.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	binaries := redistest.Binaries()
	if len(binaries) == 0 {
		binaries = []string{""} // redistest says how to get one
	}
	for _, binary := range binaries {
		t.Run(binary, func(t *testing.T) {
			still := newSpace(t, redistest.Start(t, redistest.Options{Binary: binary, Clock: true}))
			live := newSpace(t, redistest.Start(t, redistest.Options{Binary: binary}))
			conformance.Run(t, conformance.Backend{
				New: func(tb testing.TB, q weir.Quota) (conformance.Limiter, conformance.Clock) {
					return still.limiter(tb, q, weirredis.WithRefusalCache(0)), still.server
				},
				NewLive: func(tb testing.TB, q weir.Quota) conformance.Limiter {
					return live.limiter(tb, q)
				},
				Resolution: time.Microsecond,
				LateQuota:  true,
			})
		})
	}
}

// A space is a server with a part of its own for each limiter.
type space struct {
	server *redistest.Server
	client rueidis.Client
	made   atomic.Int64
}

func newSpace(tb testing.TB, server *redistest.Server) *space {
	tb.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return &space{server: server, client: client}
}

func (s *space) limiter(tb testing.TB, q weir.Quota, opts ...weirredis.Option) *weirredis.Limiter {
	tb.Helper()
	opts = append([]weirredis.Option{
		weirredis.WithPrefix(fmt.Sprintf("weir-%d:", s.made.Add(1))),
		weirredis.WithTimeout(10 * time.Second),
		weirredis.WithFallback(weirredis.Closed()), // so that a missing answer is an error
	}, opts...)
	l, err := weirredis.New(s.client, q, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}
