package weirredis

import (
	"context"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// connect returns a client of a server, closed when the test ends.
func connect(tb testing.TB, addrs ...string) rueidis.Client {
	tb.Helper()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: addrs, DisableCache: true})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

// onServer makes a Limiter on a server; its timeout is that of a busy machine.
func onServer(tb testing.TB, server *redistest.Server, q weir.Quota, opts ...Option) *Limiter {
	tb.Helper()
	l, err := New(connect(tb, server.Addr()), q, append([]Option{WithTimeout(10 * time.Second), WithFallback(Closed())}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// ask runs a script on the key of that name.
func ask(l *Limiter, sc *script, name string, args ...string) reply {
	r := request{script: sc, name: name}
	copy(r.args[:], args)
	answer, _ := l.server.call(context.Background(), r, nil)
	return answer
}

// must is for calls that have no reason to fail.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}
