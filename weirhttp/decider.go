package weirhttp

import (
	"context"
	"net/http"

	"github.com/weirhq/weir"
)

// A KeyDecider decides for keys, and may have to wait for it or fail: limits that a
// server keeps for many machines. A Limiter of weirredis is one. All methods may be
// called by any number of goroutines at once.
type KeyDecider interface {
	// AllowN decides a request of cost n, as [weir.Limiter.AllowN] does. It waits
	// while ctx lasts, and for no longer than the limiter was told to. With an error,
	// no decision could be made, and nothing is given back later; of the Decision,
	// Allowed then says what becomes of the request, RetryAfter when to try again (0
	// if nobody knows), and the rest means nothing. The zero Decision refuses.
	AllowN(ctx context.Context, key string, n int64) (weir.Decision, error)

	// Refund gives back n requests of a key, as [weir.Limiter.Refund] does. It bounds
	// the time that it takes by itself, since ctx has no end here, and keeps count
	// of what failed: nobody looks at its error.
	Refund(ctx context.Context, key string, n int64) error

	// Quota returns the quota of all keys. It is called for each response that tells
	// of quotas, so it does not wait.
	Quota() weir.Quota
}

// ByKeyContext is [ByKey] for limits that are kept elsewhere: limiter decides within
// the request's context. If it cannot, and therefore refuses, the answer is
// [Unavailable], and [Outcome].Err says why.
//
//	weirhttp.ByKeyContext(limiter, func(r *http.Request) string { return r.PathValue("tenant") })
//
// What [WithRefund] gives back is given back also if the caller has hung up and so
// ended that context: the refund gets its values, and neither its end nor its
// deadline.
//
// An admitted request costs one call of key, one of limiter.AllowN, which is all it
// may wait for, and no allocation of its own. ByKeyContext panics if limiter or key
// is nil; see [New].
func ByKeyContext(limiter KeyDecider, key func(*http.Request) string, opts ...Option) func(http.Handler) http.Handler {
	if isNil(limiter) {
		panic("weirhttp: ByKeyContext: nil limiter")
	}
	if key == nil {
		panic("weirhttp: ByKeyContext: nil key")
	}
	m := newMiddleware(opts)
	return m.on(&keyedElsewhere{limiter, key, m.policyName})
}

// keyedElsewhere is the budget of ByKeyContext.
type keyedElsewhere struct {
	limiter KeyDecider
	key     func(*http.Request) string
	name    string
}

func (b *keyedElsewhere) decide(r *http.Request, cost int64) (o Outcome) {
	o.Text = b.key(r)
	o.Decision, o.Err = b.limiter.AllowN(r.Context(), o.Text, cost)
	return o
}

func (b *keyedElsewhere) refund(o Outcome) {
	// An error means that it does not come back before time brings it; the limiter
	// has counted it, and the caller has his response.
	_ = b.limiter.Refund(context.WithoutCancel(o.Request.Context()), o.Text, o.Cost)
}

func (b *keyedElsewhere) group(Outcome) int             { return 0 }
func (b *keyedElsewhere) groups() [][]weir.Policy       { return [][]weir.Policy{{{Name: b.name}}} }
func (b *keyedElsewhere) quota(Outcome, int) weir.Quota { return b.limiter.Quota() }
