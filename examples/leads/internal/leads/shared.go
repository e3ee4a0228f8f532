package leads

import (
	"crypto/rand"
	"fmt"

	"github.com/weirhq/weir"
)

// Shared are limits that several processes have together, since a server keeps them.
type Shared interface {
	weir.Decider

	// Stats tells what this process has done so far.
	Stats() Stats
	// Fallback says, as the end of a sentence, who decides while the server cannot be asked.
	Fallback() string
	// Close ends the connections to the server. Nothing may be decided any more.
	Close()
}

// Stats are what one of the processes that share limits has done.
type Stats struct {
	Decisions   int64
	Calls       int64 // to the server; several decisions may share one
	RefusedHere int64 // decisions that needed no call, since the server had refused already
	FellBack    int64 // decisions made without the server, since it could not be asked
}

// Connect returns limits that a server keeps, at an address of the form host:port,
// under names that begin with prefix. It is an error if there is no such server. What
// becomes of the server later is told to log, from any goroutine.
//
// It is a parameter because the clients of such servers are not in the module that
// this package is in.
type Connect func(addr, prefix string, log func(text string), r *weir.Resolver, quotas map[weir.Partition]weir.Quota) (Shared, error)

// A server keeps limits for several processes.
type server struct {
	addr, prefix string
	connect      Connect
	log          func(text string)
}

func (s *server) share(r *weir.Resolver, quotas map[weir.Partition]weir.Quota) (Shared, error) {
	shared, err := s.connect(s.addr, s.prefix, s.log, r, quotas)
	if err != nil {
		return nil, fmt.Errorf("-redis %s: %w", s.addr, err)
	}
	return shared, nil
}

// servingPrefix is the default prefix of -serve, so that all processes that serve share.
const servingPrefix = "weir:"

// ownPrefix returns a prefix that nobody else has: a demonstration knows exactly what
// is admitted of budgets that nobody else spends.
func ownPrefix() string { return "leads-" + rand.Text()[:8] + ":" }
