package leads

import (
	"net/http"
	"net/netip"

	"github.com/weirhq/weir"
)

// A stream is the traffic of one kind of caller, and what must become of it.
type stream struct {
	from      netip.Addr // loopback address that it comes from
	token     string     // bearer token, if any
	sourceKey string     // of lead intake, if any
	endpoints []endpoint // called in turn
	requests  int
	conns     int // requests under way at once

	partition string      // that it counts against
	reason    weir.Reason // why that one
	status    int         // of the response when admitted
}

type endpoint struct{ method, path string }

var (
	business = []endpoint{{http.MethodGet, "/contacts"}, {http.MethodPost, "/messages"}}
	profile  = []endpoint{{http.MethodGet, "/me"}}
	health   = []endpoint{{http.MethodGet, "/health"}}
	intake   = []endpoint{{http.MethodPost, "/leads"}, {http.MethodPost, "/leads/intake"}, {http.MethodGet, "/leads/intake"}}
)

// plan is the traffic of the demonstration: 500 requests for each of five
// budgets of 300, from every row of the decision table and for every reason.
//
// The callers come from four addresses, 127.0.0.2 and on. With oneAddress all
// come from 127.0.0.1, and those that are counted by address share its budget.
func plan(oneAddress bool) []stream {
	from := func(last byte) netip.Addr {
		if oneAddress {
			last = 1
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, last})
	}
	ip := func(last byte) string { return "ip:" + from(last).String() }
	const (
		acme, globex, ada = "acme-token", "globex-token", "ada-token" // of business 42, business 7, user 42
		ok, accepted      = http.StatusOK, http.StatusAccepted
		forbidden         = http.StatusForbidden
		unavailable       = http.StatusServiceUnavailable
	)
	return []stream{
		// One budget, wherever the business calls from.
		{from(2), acme, "", business, 250, 4, "business:42", weir.ByBusiness, ok},
		{from(3), acme, "", business, 250, 4, "business:42", weir.ByBusiness, ok},
		// The same number is another budget for a user,
		{from(2), ada, "", profile, 500, 4, "user:42", weir.ByUser, ok},
		// and another for the leads of the business, sent by itself or by a visitor of its web site.
		{from(2), acme, "spring", intake, 250, 4, "business-intake:42", weir.BySource, accepted},
		{from(4), "", "spring", intake, 250, 4, "business-intake:42", weir.BySource, accepted},
		// Whoever cannot be told counts by address,
		{from(4), "", "", health, 500, 4, ip(4), weir.Anonymous, ok},
		// and so does intake without a good source key, whoever is authenticated.
		{from(5), acme, "", intake, 120, 2, ip(5), weir.SourceMissing, forbidden},
		{from(5), acme, "summer", intake, 120, 2, ip(5), weir.SourceUnknown, forbidden},
		{from(5), acme, "winter", intake, 120, 2, ip(5), weir.SourceDisabled, forbidden},
		{from(5), globex, "spring", intake, 120, 2, ip(5), weir.SourceMismatched, forbidden},
		// One at a time: lookups that fail at the same time would be one lookup.
		{from(5), "", unreachable, intake, 20, 1, ip(5), weir.SourceLookupFailed, unavailable},
	}
}

// endpoint is what the stream's n-th request asks for.
func (s *stream) endpoint(n int) endpoint {
	e := s.endpoints[n%len(s.endpoints)]
	if s.sourceKey != "" {
		e.path += "?sourceKey=" + s.sourceKey
	}
	return e
}

// lookupsDemanded is how often a limiter that has seen nothing yet must look up
// each source key of the streams: once, however many ask for it at the same
// time, because found and unknown keys are both remembered; but a lookup that
// fails is not, so it is made for each request.
func lookupsDemanded(streams []stream) map[string]int {
	demanded := map[string]int{}
	for _, s := range streams {
		switch {
		case s.sourceKey == "":
		case s.reason == weir.SourceLookupFailed:
			demanded[s.sourceKey] += s.requests
		default:
			demanded[s.sourceKey] = 1
		}
	}
	return demanded
}
