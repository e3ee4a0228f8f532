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
	apart    atomic.Bool // each key is to have a call of its own
	breakers []breaker   // one, or clusterParts

	batches  []*batches // one for each breaker
	deadline atomic.Pointer[deadline]

	// Of each Limiter: charges what was admitted without the server, on the parts that
	// are ready for it.
	settlers []func(ctx context.Context, ready func(part int) bool) error

	settling atomic.Bool // they will be called soon; see settleSoon

	calls, failures counter

	stopped context.Context // ended by Close
	stop    context.CancelFunc

	running    sync.Mutex // guards adding to goroutines against stop
	goroutines sync.WaitGroup

	health struct {
		sync.Mutex
		queue   []Health
		telling bool
	}
}

// clusterParts is how many breakers a cluster has: each is for 64 of its 16,384 slots.
// Where the slots of two masters meet, a part is of both, and its keys fail with
// either: with three masters, 2 parts of 256.
const clusterParts = 256

func newServer(client rueidis.Client, c config) *server {
	s := &server{client: client, config: c, base: time.Now(), calls: newCounter(), failures: newCounter()}
	s.breakers = make([]breaker, 1)
	if client.Mode() == rueidis.ClientModeCluster {
		s.breakers = make([]breaker, clusterParts)
	}
	s.apart.Store(len(s.breakers) > 1 || c.keysApart)
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

// ask runs a script on the server of a key. Whatever the server, the network and the
// client do, it returns within the timeout, or at the deadline of ctx. (It does not look
// for a cancellation: who hangs up is counted like any other.) An error means that there
// is no answer; the server may have run the script, or yet run it. If there is an answer
// after all, late is called with it.
func (s *server) ask(ctx context.Context, r request, late func(reply)) (reply, error) {
	if err := ctx.Err(); errors.Is(err, context.DeadlineExceeded) {
		return reply{}, err
	}
	br := &s.breakers[s.part(r.name)]
	if o := br.outage.Load(); o != nil {
		return reply{}, o.err
	}
	answer, b := s.call(ctx, r, late)
	if answer.err == nil {
		br.succeeded(s.now())
		return answer, nil
	}
	s.failures.Inc()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		// The caller's own deadline, which may be anything: no proof against the
		// server, but a reason to look.
		s.suspect(br, r.name)
	case errors.Is(answer.err, context.Canceled):
		// The caller has lost interest.
	case blames(answer.err):
		s.failed(br, b, r.name, answer.err)
	}
	return answer, answer.err
}

// call is ask that neither looks at the breaker nor tells it.
func (s *server) call(ctx context.Context, r request, late func(reply)) (reply, *batch) {
	now := s.now()
	ours := s.soon(now)
	part := s.part(r.name)
	bs := s.batches[part]
	bs.callers.Add(1)
	defer bs.callers.Add(-1)
	s.busyPoll.began()
	defer s.busyPoll.ended()
	var early <-chan struct{}
	if at, ok := ctx.Deadline(); ok && time.Until(at) < s.timeout {
		early = ctx.Done()
	}
	b, place := bs.join(r, ours)
	if place == 0 && !s.leadHere(bs, b, early == nil && s.breakers[part].answered(now)) {
		go bs.leadInTurn(b, s)
	}
	var err error
	select {
	case <-b.done:
		return b.replies[place], b
	case <-early:
		err = ctx.Err()
	case <-ours.Done():
		err = ours.Err()
	}
	// Where the processor is busy, the answer may have come as well, and the choice been
	// a matter of chance.
	select {
	case <-b.done:
		return b.replies[place], b
	default:
	}
	if late != nil {
		s.background(func() {
			<-b.done
			if answer := b.replies[place]; answer.err == nil {
				late(answer)
			}
		})
	}
	return reply{err: err}, b
}

// leadHere leads a batch in the caller's goroutine, if it may and need not wait for a
// slot. It may not if it cannot wait as long as the others of its batch, or if there may
// be no connection: while somebody makes one, the client has others wait for it without
// looking at their contexts.
func (s *server) leadHere(bs *batches, b *batch, may bool) bool {
	if !may {
		return false
	}
	select {
	case bs.slots <- struct{}{}:
		bs.lead(b, s)
		return true
	default:
		return false
	}
}

// background runs f in a goroutine that close waits for, unless it was called before.
func (s *server) background(f func()) {
	s.running.Lock()
	defer s.running.Unlock()
	if s.stopped.Err() == nil {
		s.goroutines.Go(f)
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
	// A key with a value that is none of ours. (Redis 6.2 puts such words after its own.)
	return !strings.Contains(answer.Error(), "WEIR a value") && !strings.Contains(answer.Error(), "WRONGTYPE")
}
