package weirredis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// A server is what the Limiters of one New share: the way to the server, and what is
// known of its health.
type server struct {
	client rueidis.Client
	config
	base     time.Time
	breakers []breaker // one, or one for each 256 slots of a cluster

	batches  []*batches // one for each breaker
	deadline atomic.Pointer[deadline]

	settlers []func(ctx context.Context, part int) error // of each Limiter: charge what was admitted without the server

	settling atomic.Bool // they will be called soon; see settleSoon

	calls, failures counter

	stopped context.Context // ended by Close
	stop    context.CancelFunc
	probes  sync.WaitGroup

	health struct {
		sync.Mutex
		queue   []Health
		telling bool
	}
}

// clusterParts is how many breakers a cluster has: each is for 256 of its 16,384 slots.
const clusterParts = 64

func newServer(client rueidis.Client, c config) *server {
	s := &server{client: client, config: c, base: time.Now(), calls: newCounter(), failures: newCounter()}
	s.breakers = make([]breaker, 1)
	if client.Mode() == rueidis.ClientModeCluster {
		s.breakers = make([]breaker, clusterParts)
	}
	for range s.breakers {
		s.batches = append(s.batches, newBatches())
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// now is this process's clock. It does not run backward.
func (s *server) now() time.Duration { return time.Since(s.base) }

// part is the one of the breakers that a name's server answers for.
func (s *server) part(name string) int {
	if len(s.breakers) == 1 {
		return 0
	}
	return int(slot(name)) * clusterParts / slots
}

// ask runs a script on the server of the key with that name. Whatever the server, the
// network and the client do, it returns within the timeout, or when ctx ends. An error
// means that there is no answer; the server may have run the script, or yet run it.
func (s *server) ask(ctx context.Context, sc *script, name string, args ...string) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, err
	}
	b := &s.breakers[s.part(name)]
	if o := b.outage.Load(); o != nil {
		return reply{}, o.err
	}
	r := s.call(ctx, sc, name, args...)
	if r.err == nil {
		b.succeeded(s.now())
		return r, nil
	}
	s.failures.Inc()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// The caller's own deadline, which may be anything: no proof against the
		// server, but a reason to look.
		s.suspect(b, name)
	case ctx.Err() != nil:
		// It has lost interest.
	case blames(r.err):
		s.failed(b, name, r.err)
	}
	return r, r.err
}

// call runs a script, within the timeout. It neither looks at the breaker nor tells it.
//
// A caller's deadline that is sooner than ours is kept. Who leads a batch does not look
// for the cancellation of his context, which takes no longer than the timeout.
func (s *server) call(ctx context.Context, sc *script, name string, args ...string) reply {
	now := s.now()
	ours := s.soon(now)
	part := s.part(name)
	bs := s.batches[part]
	bs.callers.Add(1)
	defer bs.callers.Add(-1)
	r := request{script: sc, name: name}
	copy(r.args[:], args)
	b, place := bs.join(r)
	if place == 0 {
		at, ok := ctx.Deadline()
		if s.breakers[part].answered(now) && (!ok || time.Until(at) > s.timeout) {
			bs.lead(ours, b, s)
			return b.replies[0]
		}
		// There may be no connection: while somebody makes one, the client has others
		// wait for it without looking at their contexts. Or this caller cannot wait as
		// long as the others of his batch.
		go bs.lead(ours, b, s)
	}
	select {
	case <-b.done:
		return b.replies[place]
	case <-ctx.Done():
		return reply{err: ctx.Err()}
	case <-ours.Done():
		return reply{err: ours.Err()}
	}
}

// A deadline ends the calls of a short while together: a timer for each would cost a
// fifth of what the client takes for one.
type deadline struct {
	context.Context
	born time.Duration // by server.now
}

// soon is a deadline at most timeout from now, and at least 7/8 of that.
func (s *server) soon(now time.Duration) *deadline {
	d := s.deadline.Load()
	if d != nil && now-d.born < s.timeout/8 {
		return d
	}
	// Its timer is what frees it: nobody knows when the last call is through.
	ctx, cancel := context.WithTimeout(context.Background(), s.timeout)
	context.AfterFunc(ctx, cancel)
	fresh := &deadline{ctx, now}
	if !s.deadline.CompareAndSwap(d, fresh) {
		cancel()
		return s.deadline.Load() // as young
	}
	return fresh
}

// blames reports whether an error speaks against the server or the way to it, rather
// than against one key.
func blames(err error) bool {
	answer, ok := rueidis.IsRedisErr(err)
	if !ok {
		return !rueidis.IsParseErr(err)
	}
	code, _, _ := strings.Cut(answer.Error(), " ")
	// A key with a value that is none of ours.
	return code != "WEIR" && code != "WRONGTYPE"
}
