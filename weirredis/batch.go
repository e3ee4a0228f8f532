package weirredis

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// batches sends requests together that are asked for while others are under way.
//
// The client writes what it is given at once, and with some dozens of callers that is
// one request a write, or two: two thirds of its time, and a third of the server's, go
// into system calls. Here no more than a few batches are under way; who comes meanwhile
// joins the next one, whose first member sends it when a batch is through. So a single
// caller never waits, and many callers share their writes. Requests of one batch for the
// same key, at the same cost, are one call.
type batches struct {
	slots   chan struct{} // one taken by each batch under way
	callers atomic.Int64  // in call

	mu   sync.Mutex
	open *batch // to join; nil if there is none
}

// A batch is open until its first member sends it.
type batch struct {
	requests []request
	replies  []reply
	done     chan struct{} // closed once there are replies
}

// maxUnderWay batches may be sent and not answered. On loopback 3 and 64 are the same;
// over a network, who finds them all under way waits for an eighth of a round trip. The
// client has room for 1,024 by default, for 256 if it is told to save memory; who found
// no room there would wait without looking at his context.
const maxUnderWay = 8

// maxBatch is the number of requests in a batch that nobody joins any more: some
// milliseconds of the server's time.
const maxBatch = 256

func newBatches() *batches { return &batches{slots: make(chan struct{}, maxUnderWay)} }

// join puts a request into the open batch, or opens one, to be led by the caller.
func (bs *batches) join(r request) (b *batch, place int) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b = bs.open
	if b == nil || len(b.requests) == maxBatch {
		b = &batch{done: make(chan struct{})}
		bs.open = b
	}
	b.requests = append(b.requests, r)
	return b, len(b.requests) - 1
}

// lead waits for its turn, and sends the batch.
func (bs *batches) lead(ctx context.Context, b *batch, s *server) {
	var turn error
	select {
	case bs.slots <- struct{}{}:
		defer func() { <-bs.slots }()
	case <-ctx.Done():
		turn = ctx.Err()
	}
	if bs.callers.Load() > 1 {
		// Those whom the last batch has just answered may have something to add. (For a
		// single caller this would only wake a thread, and cost as much as its call.)
		runtime.Gosched()
	}
	bs.mu.Lock()
	if bs.open == b {
		bs.open = nil
	}
	bs.mu.Unlock()
	// From here on nobody joins.
	b.replies = make([]reply, len(b.requests))
	if turn != nil {
		for i := range b.replies {
			b.replies[i].err = turn
		}
	} else {
		s.calls.Add(int64(b.send(ctx, s.client)))
	}
	close(b.done)
}

// send runs the requests of a batch, those that are alike in one call. It returns the
// number of calls.
func (b *batch) send(ctx context.Context, client rueidis.Client) int {
	if len(b.requests) == 1 {
		b.replies[0] = b.requests[0].run(ctx, client)
		return 1
	}
	calls := b.merged()
	commands := make(rueidis.Commands, len(calls))
	for i, c := range calls {
		commands[i] = c.request.command(client, false)
	}
	for i, result := range client.DoMulti(ctx, commands...) {
		if unknown(result) {
			result = client.Do(ctx, calls[i].request.command(client, true))
		}
		b.tell(&calls[i], parse(result))
	}
	return len(calls)
}

// A merged call is for one request of a batch, or for several that are alike.
type mergedCall struct {
	request request
	places  []int // in the batch
}

func (b *batch) merged() []mergedCall {
	calls := make([]mergedCall, 0, len(b.requests))
	places := make([]int, len(b.requests)) // of which those of single calls are slices
	alike := make(map[request]int, len(b.requests))
	for i, r := range b.requests {
		places[i] = i
		if at, ok := alike[r]; ok && r.script == allowScript {
			calls[at].places = append(calls[at].places, i)
			continue
		}
		alike[r] = len(calls)
		calls = append(calls, mergedCall{r, places[i : i+1 : i+1]})
	}
	for i := range calls {
		if n := len(calls[i].places); n > 1 {
			calls[i].request.script = severalScript
			calls[i].request.args[3] = digits(int64(n))
		}
	}
	return calls
}

// tell gives the members of a call their replies. Of several that are alike, those who
// came first are admitted, as if they had been decided one after the other.
func (b *batch) tell(c *mergedCall, r reply) {
	if len(c.places) == 1 || r.err != nil {
		for _, place := range c.places {
			b.replies[place] = r
		}
		return
	}
	admitted, debt := r.more[0], r.more[1]
	cost := number(c.request.args[2])
	for i, place := range c.places {
		if behind := admitted - int64(i); behind > 0 {
			b.replies[place].n = debt - (behind-1)*cost
		} else {
			b.replies[place].n = -1 - debt
		}
	}
}
