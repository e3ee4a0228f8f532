package leads

import (
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// A row is what became of the traffic of one partition key.
type row struct {
	partition string

	// As planned.
	planned        int
	plannedReasons map[weir.Reason]int

	// As the clients saw it.
	mu                      sync.Mutex // guards these while requests are under way
	sent, admitted, refused int
	retryAfter              map[string]int // of the refusals
	odd                     map[string]int // what is wrong with responses that are neither
	longest, shortest       window

	// As the service counted it.
	reasons map[weir.Reason]int
}

// A window is a stretch of time since the traffic began. A client cannot see when
// the service decides, only that it was between the request and its response; so
// a row has two windows. The longest is sure to hold every decision: from the
// first request to the last response. The shortest is sure to lie between the
// first admission and the last refusal: from the response to the request.
type window struct{ from, to time.Duration }

func (w window) length() time.Duration { return max(0, w.to-w.from) }

// rowsOf makes the empty rows that the streams will fill, in their order.
func rowsOf(streams []stream) []*row {
	var rows []*row
	for _, s := range streams {
		r := rowOf(rows, s.partition)
		if r == nil {
			r = &row{
				partition:      s.partition,
				plannedReasons: map[weir.Reason]int{},
				retryAfter:     map[string]int{},
				odd:            map[string]int{},
				reasons:        map[weir.Reason]int{},
				longest:        window{from: math.MaxInt64},
				shortest:       window{from: math.MaxInt64},
			}
			rows = append(rows, r)
		}
		r.planned += s.requests
		r.plannedReasons[s.reason] += s.requests
	}
	return rows
}

// rowOf returns the row of a partition key, nil if there is none.
func rowOf(rows []*row, partition string) *row {
	for _, r := range rows {
		if r.partition == partition {
			return r
		}
	}
	return nil
}

// add enters the response to one request of s.
func (r *row) add(s *stream, got reply, err error, during window) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent++
	r.longest.from = min(r.longest.from, during.from)
	r.longest.to = max(r.longest.to, during.to)
	switch {
	case err != nil:
		r.odd[err.Error()]++
	case got.status == http.StatusTooManyRequests:
		r.refused++
		r.shortest.to = max(r.shortest.to, during.from)
		r.retryAfter[got.retryAfter]++
		if got.body != refusal {
			r.odd[fmt.Sprintf("429 with another body: %q", got.body)]++
		}
	case got.status == s.status:
		r.admitted++
		r.shortest.from = min(r.shortest.from, during.to)
	default:
		r.odd[fmt.Sprintf("status %d", got.status)]++
	}
}

// together is what became of the traffic that two processes had for one partition key.
// It has no reasons, which only one of the two counted.
func together(a, b *row) *row {
	sum := rowsOf([]stream{{partition: a.partition}})[0]
	clear(sum.plannedReasons)
	for _, r := range []*row{a, b} {
		sum.planned += r.planned
		sum.sent += r.sent
		sum.admitted += r.admitted
		sum.refused += r.refused
		for seen, n := range r.retryAfter {
			sum.retryAfter[seen] += n
		}
		for what, n := range r.odd {
			sum.odd[what] += n
		}
		sum.longest = window{min(sum.longest.from, r.longest.from), max(sum.longest.to, r.longest.to)}
		sum.shortest = window{min(sum.shortest.from, r.shortest.from), max(sum.shortest.to, r.shortest.to)}
	}
	return sum
}

// enterReasons enters what the service counted. Requests that it counted for a
// partition that has no row are missing in the row that they were planned for.
func enterReasons(rows []*row, counted map[resolved]int) {
	for at, n := range counted {
		if r := rowOf(rows, at.key.String()); r != nil {
			r.reasons[at.reason] += n
		}
	}
}
