package weir

import (
	"context"
	"errors"
	"net/netip"
	"strconv"
	"time"
)

// A Request is what is known of a request once authentication has run. None of
// its memory is kept after the call that it is given to.
type Request struct {
	// Method is the HTTP method. It is compared exactly; "" is not GET.
	Method string

	// Path is the path that the request is routed by; see [Route] for how it is
	// read. [net/url.URL.EscapedPath] is exact. URL.Path, which is decoded
	// already, does as well wherever the router redirects or refuses a path that
	// is not clean, as http.ServeMux does.
	Path string

	BusinessID string     // of the business that it is authenticated for; "" if none
	UserID     string     // of the authenticated user; "" if none
	SourceKey  string     // the source credential it carries; "" if none was sent
	Addr       netip.Addr // of the client; the zero Addr is a partition of its own
}

// A Reason says which row of the decision table a request fell under, one for
// each way a source credential can fail. There are few and their names never
// change, so that they can be the label of a metric.
type Reason uint8

// The reasons. The first four are requests whose partition is what they asked
// for; the others are intake requests whose source key failed, and use the
// address, whoever is authenticated.
const (
	ByBusiness         Reason = iota // not intake; authenticated for a business
	ByUser                           // not intake; authenticated as a user only
	BySource                         // intake through an enabled source, of the authenticated business if there is one
	Anonymous                        // not intake; nobody is authenticated
	SourceMissing                    // intake without a source key
	SourceUnknown                    // intake; there is no such source
	SourceDisabled                   // intake; the source is not enabled
	SourceMismatched                 // intake; authenticated for another business than the source's
	SourceLookupFailed               // intake; the lookup failed, or the caller's context ended first
)

const numReasons = 9

// decisionTable is the right-hand side of the decision table: what a request
// draws on, by the row that it fell under. Resolve is the left-hand side.
var decisionTable = [numReasons]struct {
	name      string
	partition Partition
}{
	ByBusiness:         {"by-business", Business},
	ByUser:             {"by-user", User},
	BySource:           {"by-source", BusinessIntake},
	Anonymous:          {"anonymous", IP},
	SourceMissing:      {"source-missing", IP},
	SourceUnknown:      {"source-unknown", IP},
	SourceDisabled:     {"source-disabled", IP},
	SourceMismatched:   {"source-mismatched", IP},
	SourceLookupFailed: {"source-lookup-failed", IP},
}

// String returns the reason as a label: "by-business", "by-user", "by-source",
// "anonymous", "source-missing", "source-unknown", "source-disabled",
// "source-mismatched" or "source-lookup-failed"; and for a value that is none of
// these its number, such as "Reason(42)". It allocates only for the latter.
func (r Reason) String() string {
	if r >= numReasons {
		return "Reason(" + strconv.Itoa(int(r)) + ")"
	}
	return decisionTable[r].name
}

// Partition returns the partition that requests of this reason draw on; IP for a
// value that is no reason.
func (r Reason) Partition() Partition {
	if r >= numReasons {
		return IP
	}
	return decisionTable[r].partition
}

// A Resolver finds out which budget a request draws on. It is safe for
// concurrent use, needs no Close and leaves nothing running but lookups, which
// end by themselves.
type Resolver struct {
	intake   routeSet
	ipv6Bits int
	sources  *sourceStore
}

// resolverConfig is what the options set.
type resolverConfig struct {
	intake   routeSet
	ipv6Bits int
	sources  sourceConfig
}

// A ResolverOption changes a default of [NewResolver]. Of two that set the same
// thing the last one wins; one with a value that is not allowed is an error all
// the same.
type ResolverOption func(*resolverConfig) error

// WithIPv6Prefix sets how many leading bits of an IPv6 address make its
// partition, from 1 to 128. The default is 64: a network of that size is what a
// single subscriber is given at the least, so that a longer prefix would let one
// client have any number of budgets. IPv4 addresses are always whole.
func WithIPv6Prefix(bits int) ResolverOption {
	return func(c *resolverConfig) error {
		if bits < 1 || bits > 128 {
			return &ConfigError{"WithIPv6Prefix: bits", bits, "from 1 to 128"}
		}
		c.ipv6Bits = bits
		return nil
	}
}

// WithIntakeRoutes sets the routes on which a source key decides, in place of
// the default ones: POST /leads, POST /leads/intake and GET /leads/intake. See
// [Route] for what they match. Without any route there is no intake.
func WithIntakeRoutes(routes ...Route) ResolverOption {
	return func(c *resolverConfig) error {
		set, err := newRouteSet(routes)
		if err != nil {
			return err
		}
		c.intake = set
		return nil
	}
}

// WithSourceTTL sets how long a source that was found, enabled or not, is used
// without asking again, and how long a key is refused because there was no such
// source. Both must be above 0; the defaults are a minute and ten seconds. They
// are also how long it can take until a source that was disabled, or one that
// has just been made, is treated as what it is.
func WithSourceTTL(found, failed time.Duration) ResolverOption {
	return func(c *resolverConfig) error {
		if found <= 0 {
			return &ConfigError{"WithSourceTTL: found", found, "above 0"}
		}
		if failed <= 0 {
			return &ConfigError{"WithSourceTTL: failed", failed, "above 0"}
		}
		c.sources.foundTTL, c.sources.failedTTL = found, failed
		return nil
	}
}

// WithSourceCache sets how many sources are remembered, and, apart from them,
// how many bad keys; at least 1. The default is 16,384 of each. This bounds the
// memory of a Resolver: a bad key takes some 160 bytes, however long it is, and a
// source 130 and the text of its key and its business. When there is no room,
// those not asked for lately go first.
func WithSourceCache(entries int) ResolverOption {
	return func(c *resolverConfig) error {
		if entries < 1 {
			return &ConfigError{"WithSourceCache: entries", entries, "at least 1"}
		}
		c.sources.entries = entries
		return nil
	}
}

// WithLookupTimeout sets how long a lookup may take, above 0, before its context
// ends and whoever waits for it is told that it failed. The default is five
// seconds.
func WithLookupTimeout(limit time.Duration) ResolverOption {
	return func(c *resolverConfig) error {
		if limit <= 0 {
			return &ConfigError{"WithLookupTimeout: limit", limit, "above 0"}
		}
		c.sources.timeout = limit
		return nil
	}
}

// NewResolver returns a resolver that finds sources by lookup. A nil lookup or
// option and a value that is not allowed are errors, which are, or wrap, a
// [*ConfigError].
func NewResolver(lookup SourceLookup, opts ...ResolverOption) (*Resolver, error) {
	if lookup == nil {
		return nil, &ConfigError{"NewResolver: lookup", "nil",
			"a function; without sources, one that returns ErrNoSource"}
	}
	intake, err := newRouteSet(defaultIntakeRoutes)
	if err != nil {
		return nil, err
	}
	c := resolverConfig{intake: intake, ipv6Bits: 64, sources: defaultSourceConfig}
	for i, option := range opts {
		if option == nil {
			return nil, &ConfigError{"NewResolver: option " + strconv.Itoa(i), "nil", "a ResolverOption"}
		}
		if err := option(&c); err != nil {
			return nil, err
		}
	}
	return &Resolver{c.intake, c.ipv6Bits, newSourceStore(lookup, c.sources)}, nil
}

// Resolve returns the key of the budget that a request draws on, and why:
//
//	intake   source key                            partition
//	yes      enabled, and of the business that is
//	         authenticated, if there is one        BusinessIntake of the source's business
//	yes      any other, or none                    IP, whoever is authenticated
//
//	intake   authenticated for                     partition
//	no       a business                            Business
//	no       a user only                           User
//	no       nobody                                IP
//
// An IPv4 address is its own partition, an IPv6 address that of its prefix (see
// [WithIPv6Prefix]); an IPv4 address mapped into IPv6 is the IPv4 address, and
// zones are dropped.
//
// Only intake with a source key that is not remembered makes a lookup and waits
// for it; see [SourceLookup]. If ctx, which must not be nil, ends first, Resolve
// returns at once, with SourceLookupFailed. All else takes tens of nanoseconds,
// some hundreds for a bad key that is remembered, does not look at ctx, and does
// not allocate, except for paths that are not clean and longer than 128 bytes.
func (r *Resolver) Resolve(ctx context.Context, req Request) (PartitionKey, Reason) {
	var id string
	var reason Reason
	switch {
	case r.intake.contains(req.Method, req.Path):
		id, reason = r.resolveIntake(ctx, req.SourceKey, req.BusinessID)
	case req.BusinessID != "":
		id, reason = req.BusinessID, ByBusiness
	case req.UserID != "":
		id, reason = req.UserID, ByUser
	default:
		reason = Anonymous
	}
	part := decisionTable[reason].partition
	if part == IP {
		return PartitionKey{Partition: IP, Prefix: r.prefix(req.Addr)}, reason
	}
	return PartitionKey{Partition: part, ID: id}, reason
}

// resolveIntake judges the source key of an intake request. The business is that
// of the source for BySource, and of no meaning otherwise.
func (r *Resolver) resolveIntake(ctx context.Context, sourceKey, authenticated string) (business string, reason Reason) {
	if sourceKey == "" {
		return "", SourceMissing
	}
	source, err := r.sources.find(ctx, sourceKey)
	switch {
	case errors.Is(err, ErrNoSource):
		return "", SourceUnknown
	case err != nil:
		return "", SourceLookupFailed
	case !source.Enabled:
		return "", SourceDisabled
	case authenticated != "" && authenticated != source.BusinessID:
		return "", SourceMismatched
	}
	return source.BusinessID, BySource
}

// prefix is the partition of an address; the zero Prefix for the zero Addr.
func (r *Resolver) prefix(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap()
	bits := r.ipv6Bits
	if addr.Is4() {
		bits = 32
	}
	// The error would be a length beyond the address's, which NewResolver has
	// excluded. Prefix drops the zone.
	p, _ := addr.Prefix(bits)
	return p
}
