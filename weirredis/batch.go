package weirredis

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// batches sends requests together that are asked for while others are under way.
//
// The client writes what it is given at once, and with some dozens of callers that is
// one request a write, or two: two thirds of its time, and a third of the server's, go
// into system calls. Here no more than a few batches are under way; who comes meanwhile
// joins the next one, whose first member sends it when a batch is through. So a single
// caller never waits, and many callers share their writes, and their calls: see call.
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

// maxBatch is the number of requests in a batch that nobody joins any more: a millisecond
// of the server's time. It is also the most keys that a call may have.
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
	s.calls.Add(int64(b.send(last, s.client, &s.apart)))
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
