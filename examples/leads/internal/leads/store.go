package leads

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// An identity is what a bearer token proves. Exactly one of the two is set, or
// none for the identity of nobody.
type identity struct{ businessID, userID string }

// A store stands for the service's database, and counts what it is asked.
type store struct {
	tokens  map[string]identity
	sources map[string]weir.Source

	mu      sync.Mutex
	lookups map[string]int // by source key
}

// unreachable is a source key whose lookup fails: the database is down, say,
// for the shard that holds it.
const unreachable = "autumn"

var errUnreachable = errors.New("the store cannot be reached")

// newStore makes a store of two businesses, one user, and the lead sources of
// business 42. Business 42 and user 42 have nothing in common but a number.
func newStore() *store {
	return &store{
		tokens: map[string]identity{
			"acme-token":   {businessID: "42"},
			"globex-token": {businessID: "7"},
			"ada-token":    {userID: "42"},
		},
		sources: map[string]weir.Source{
			"spring": {BusinessID: "42", Enabled: true},
			"winter": {BusinessID: "42", Enabled: false},
		},
		lookups: map[string]int{},
	}
}

// identify returns whom the request's bearer token names.
func (s *store) identify(r *http.Request) identity {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.tokens[token]
}

// lookup is the limiter's [weir.SourceLookup]: what find knows, after the
// millisecond that a database takes, and counted.
func (s *store) lookup(ctx context.Context, sourceKey string) (weir.Source, error) {
	s.mu.Lock()
	s.lookups[sourceKey]++
	s.mu.Unlock()
	select {
	case <-time.After(time.Millisecond):
		return s.find(ctx, sourceKey)
	case <-ctx.Done():
		return weir.Source{}, ctx.Err()
	}
}

// find returns the source of a key. It is a [weir.SourceLookup] too.
func (s *store) find(_ context.Context, sourceKey string) (weir.Source, error) {
	if sourceKey == unreachable {
		return weir.Source{}, errUnreachable
	}
	source, ok := s.sources[sourceKey]
	if !ok {
		return weir.Source{}, weir.ErrNoSource
	}
	return source, nil
}

// lookupsMade returns how often each source key was looked up until now.
func (s *store) lookupsMade() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.lookups)
}
