package leads

import (
	"maps"
	"net/http"
	"sync"

	"github.com/weirhq/weir"
)

// A census counts requests by partition and by the reason for it. It asks a
// resolver of its own, over the same store but past its counter, so that the
// lookups shown are those of the limiter alone.
type census struct {
	resolver *weir.Resolver
	mu       sync.Mutex
	requests map[resolved]int
}

type resolved struct {
	key    weir.PartitionKey
	reason weir.Reason
}

func newCensus(db *store) (*census, error) {
	resolver, err := weir.NewResolver(db.find)
	return &census{resolver: resolver, requests: map[resolved]int{}}, err
}

// around counts each request that describe describes.
func (c *census) around(describe func(*http.Request) weir.Request) func(*http.Request) weir.Request {
	return func(r *http.Request) weir.Request {
		req := describe(r)
		key, reason := c.resolver.Resolve(r.Context(), req)
		c.mu.Lock()
		c.requests[resolved{key, reason}]++
		c.mu.Unlock()
		return req
	}
}

// counted returns what was counted until now.
func (c *census) counted() map[resolved]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}
