package weirredis

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

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

// A batch is open until it is sent.
type batch struct {
	requests []request
	replies  []reply
	last     *deadline     // of the one who joined last; guarded by the lock while open
	sent     time.Duration // when it was, by server.now
	done     chan struct{} // closed once there are replies
	blamed   atomic.Bool   // its failure has been counted
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

// join puts a request into the open batch, or opens one, which the caller has to lead.
func (bs *batches) join(r request, until *deadline) (b *batch, place int) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b = bs.open
	if b == nil || len(b.requests) == maxBatch {
		b = &batch{done: make(chan struct{})}
		bs.open = b
	}
	b.requests = append(b.requests, r)
	b.last = until
	return b, len(b.requests) - 1
}

// close ends joining a batch. It returns the deadline of the last one who did.
func (bs *batches) close(b *batch) *deadline {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if bs.open == b {
		bs.open = nil
	}
	return b.last
}

// lead sends a batch, for one who has a slot.
func (bs *batches) lead(b *batch, s *server) {
	defer func() { <-bs.slots }()
	if bs.callers.Load() > 1 {
		// Those whom the last batch has just answered may have something to add. (For a
		// single caller this would only wake a thread, and cost as much as its call.)
		runtime.Gosched()
	}
	last := bs.close(b)
	b.replies = make([]reply, len(b.requests))
	b.sent = s.now()
	s.calls.Add(int64(b.send(last, s.client)))
	close(b.done)
}

// leadInTurn waits for a slot, as long as anybody waits for the batch, and sends it.
func (bs *batches) leadInTurn(b *batch, s *server) {
	for {
		bs.mu.Lock()
		last := b.last
		bs.mu.Unlock()
		select {
		case bs.slots <- struct{}{}:
			bs.lead(b, s)
			return
		case <-last.Done():
		}
		bs.mu.Lock()
		given := b.last == last
		if given && bs.open == b {
			bs.open = nil
		}
		bs.mu.Unlock()
		if given {
			b.replies = make([]reply, len(b.requests))
			for i := range b.replies {
				b.replies[i].err = last.Err()
			}
			close(b.done)
			return
		}
	}
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
	var whole rueidis.Commands // of scripts that the server does not know
	var again []*mergedCall
	for i, result := range client.DoMulti(ctx, commands...) {
		if unknown(result) {
			whole = append(whole, calls[i].request.command(client, true))
			again = append(again, &calls[i])
			continue
		}
		b.tell(&calls[i], parse(result))
	}
	if len(whole) > 0 {
		for i, result := range client.DoMulti(ctx, whole...) {
			b.tell(again[i], parse(result))
		}
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
