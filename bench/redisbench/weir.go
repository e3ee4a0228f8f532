package redisbench

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir/weirredis"
)

// What the third of them leases: 64 requests, for a tenth of a second.
const (
	leaseBatch = 64
	leaseAge   = 100 * time.Millisecond
)

// ourTimeout is how long go-redis waits by default. With weirredis's own, of 100 ms, some
// decisions under the heaviest loads here are made without the server: callers that do
// nothing but ask, and are refused in 80 ns, leave it no processor.
const ourTimeout = 3 * time.Second

const (
	weirModule = "github.com/weirhq/weir/weirredis"
	viaRueidis = "rueidis, defaults"
)

var (
	weirPlain = Subject{
		Name: "weirredis, no shortcuts", Module: weirModule, Client: viaRueidis, Counts: "GCRA", Space: "weir", Kind: Ours,
		New: func(e Env) (Limiter, error) { return newWeir(e, weirredis.WithRefusalCache(0)) },
	}
	weirBusy = Subject{
		Name: "weirredis, no shortcuts, busy poll", Module: weirModule, Space: "weir", Kind: Ours, Counts: "GCRA",
		Client: "rueidis without its pipelining, connections by weirredis.BusyPoll",
		New:    newBusyWeir,
	}
	weirDefault = Subject{
		Name: "weirredis", Module: weirModule, Client: viaRueidis, Counts: "GCRA; refusals are kept in the process", Space: "weir", Kind: Ours,
		New: func(e Env) (Limiter, error) { return newWeir(e) },
	}
	weirLeases = Subject{
		Name: "weirredis, leases", Module: weirModule, Client: viaRueidis, Space: "weir", Kind: Ours,
		Counts: "GCRA; refusals are kept in the process, and up to 64 requests leased for 100 ms",
		New:    func(e Env) (Limiter, error) { return newWeir(e, weirredis.WithLeases(leaseBatch, leaseAge)) },
	}
)

type weirLimiter struct {
	*weirredis.Limiter
	client rueidis.Client
}

func newWeir(e Env, opts ...weirredis.Option) (*weirLimiter, error) {
	client, err := newRueidis(e)
	if err != nil {
		return nil, err
	}
	return newWeirOver(client, e, opts...)
}

// busyPoll is one round trip here, or two.
const busyPoll = 50 * time.Microsecond

func newBusyWeir(e Env) (Limiter, error) {
	poll, err := weirredis.NewBusyPoll(busyPoll)
	if err != nil {
		return nil, err
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{e.Addr}, DisableCache: true, DialCtxFn: poll.Dial, DisableAutoPipelining: true,
	})
	if err != nil {
		return nil, err
	}
	return newWeirOver(client, e, weirredis.WithRefusalCache(0), weirredis.WithBusyPoll(poll))
}

func newWeirOver(client rueidis.Client, e Env, opts ...weirredis.Option) (*weirLimiter, error) {
	l, err := weirredis.New(client, e.Quota, append(opts, weirredis.WithTimeout(ourTimeout))...)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &weirLimiter{l, client}, nil
}

// newRueidis makes a client with the defaults, but for the cache of values, which
// nobody here asks for.
func newRueidis(e Env) (rueidis.Client, error) {
	return rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{e.Addr}, DisableCache: true})
}

func (w *weirLimiter) Allow(ctx context.Context, key string) (bool, error) {
	d, err := w.Limiter.Allow(ctx, key)
	return d.Allowed, err
}

func (w *weirLimiter) FellBack() int64 { return w.Stats().FellBack }

func (w *weirLimiter) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := w.Limiter.Close(ctx)
	w.client.Close()
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("weirredis: Close took more than 1 s")
	}
	return err
}
