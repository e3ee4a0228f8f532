package weirhttp

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/weirhq/weir"
)

// ByRoute returns middleware that limits each route by itself: limiters has one
// for each pattern of [http.ServeMux], such as "POST /login" or "/search/{q}", and
// key reports whose budget under it a request draws on. Requests that match no
// pattern are not limited. As in a ServeMux, the most specific pattern counts.
//
//	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{
//		"POST /login": perMinute5, "/search/{q}": perSecond10}, clientOf)
//
// It is the routing of a ServeMux of its own, so it belongs outside the one that
// serves, and a router of another kind must match paths as that does; a path that
// is not clean counts as what it is redirected to. Key does not see path values.
//
// Use the very patterns that the serving mux has. A host or a method that it does
// not insist on is the caller's choice: if "POST /login" is limited and "/login" is
// served, PUT /login is not limited.
//
// Limits by route and by partition go together as two middlewares, one around the
// other. What the outer one has spent on a request that the inner one refuses, it
// gives back by [WithRefund] for the status 429.
//
// The error is a [*weir.ConfigError] for a pattern that ServeMux refuses or for a
// nil limiter. ByRoute panics if key is nil. A request costs what the matching
// costs, some 100 ns to 1 µs, and one Allow; it allocates only for paths that are
// not clean.
func ByRoute(limiters map[string]*weir.Limiter, key func(*http.Request) string, opts ...Option) (func(http.Handler) http.Handler, error) {
	if key == nil {
		panic("weirhttp: ByRoute: nil key")
	}
	b := &routes{mux: http.NewServeMux(), key: key, at: make(map[string]int)}
	for _, pattern := range slices.Sorted(maps.Keys(limiters)) {
		if limiters[pattern] == nil {
			return nil, &weir.ConfigError{Field: "ByRoute: limiters[" + pattern + "]", Value: "nil", Allowed: "a limiter"}
		}
		if err := b.handle(pattern); err != nil {
			return nil, err
		}
		b.at[pattern] = len(b.policies)
		b.policies = append(b.policies, []weir.Policy{{Name: pattern, Limiter: limiters[pattern]}})
	}
	return newMiddleware(opts).on(b), nil
}

// unrouted is the Route of a request that no pattern matches; no pattern is so.
const unrouted = "\x00"

// routes is the budget of ByRoute; its groups are the patterns.
type routes struct {
	mux      *http.ServeMux // only to match
	key      func(*http.Request) string
	at       map[string]int // the group of a pattern
	policies [][]weir.Policy
}

// handle adds a pattern, or says why ServeMux will not have it.
func (b *routes) handle(pattern string) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = &weir.ConfigError{Field: "ByRoute: pattern", Value: fmt.Sprintf("%q (%v)", pattern, reason), Allowed: "one that http.ServeMux takes beside the others"}
		}
	}()
	b.mux.Handle(pattern, http.NotFoundHandler())
	return nil
}

func (b *routes) decide(r *http.Request, cost int64) (o Outcome) {
	if o.Route = b.match(r); o.Route == unrouted {
		return o
	}
	o.Text = b.key(r)
	o.Decision = b.limiter(o).AllowN(o.Text, cost)
	return o
}

// match returns the pattern of a request, also of one that the mux would only
// redirect: it has a budget, too. For CONNECT, ServeMux reports the path that it
// would redirect to, which is what the caller sent, in place of the pattern, and
// does not take an empty path for "/".
func (b *routes) match(r *http.Request) string {
	_, pattern := b.mux.Handler(r)
	if _, known := b.at[pattern]; known {
		return pattern
	}
	if r.Method != http.MethodConnect || pattern == "" && r.URL.Path != "" {
		return unrouted
	}
	redirected := *r
	redirected.URL = &url.URL{Host: r.URL.Host, Path: r.URL.Path + "/"}
	if _, pattern = b.mux.Handler(&redirected); pattern == "" {
		return unrouted
	}
	return pattern
}

func (b *routes) limiter(o Outcome) *weir.Limiter { return b.policies[b.group(o)][0].Limiter }
func (b *routes) refund(o Outcome)                { b.limiter(o).Refund(o.Text, o.Cost) }
func (b *routes) group(o Outcome) int             { return b.at[o.Route] }
func (b *routes) groups() [][]weir.Policy         { return b.policies }

func (b *routes) quota(o Outcome, _ int) weir.Quota {
	q, _ := b.limiter(o).KeyQuota(o.Text)
	return q
}
