package weirredis

import (
	"context"
	"errors"
	"strings"
	"sync"
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

	deadlines deadlines

	settlers []func(ctx context.Context, part int) error // of each Limiter: charge what was admitted without the server

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
func (s *server) ask(ctx context.Context, sc *script, name string, args ...string) (rueidis.RedisResult, error) {
	if err := ctx.Err(); err != nil {
		return rueidis.RedisResult{}, err
	}
	b := &s.breakers[s.part(name)]
	if o := b.outage.Load(); o != nil {
		return rueidis.RedisResult{}, o.err
	}
	reply, err := s.call(ctx, sc, name, args...)
	if err == nil {
		b.succeeded(s.now())
		return reply, nil
	}
	s.failures.Inc()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// The caller's own deadline, which may be anything: no proof against the
		// server, but a reason to look.
		s.suspect(b, name)
	case ctx.Err() != nil:
		// It has lost interest.
	case blames(err):
		s.failed(b, name, err)
	}
	return reply, err
}

// blames reports whether an error speaks against the server or the way to it, rather
// than against one key.
func blames(err error) bool {
	reply, ok := rueidis.IsRedisErr(err)
	if !ok {
		return !rueidis.IsParseErr(err)
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	// A key with a value that is none of ours.
	return code != "WEIR" && code != "WRONGTYPE"
}
