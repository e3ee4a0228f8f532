// Package weirhttp puts weir's limits in front of net/http handlers.
//
//	limit := weirhttp.New(limiter, func(r *http.Request) weir.Request {
//		req := weirhttp.Anonymous(r) // method, path and the peer's address
//		req.BusinessID = businessOf(r)
//		return req
//	})
//	http.ListenAndServe(":8080", limit(mux))
//
// An admitted request goes on to the handler untouched: no header is added, the
// ResponseWriter is not wrapped, nothing is allocated. A refused one is answered
// at once by [Refuse] and never reaches the handler. Nothing is ever queued.
//
// Options change that: what a request costs ([WithCost]), who is not limited
// ([WithSkip]), what is given back ([WithRefund]), what is told ([WithFields],
// [WithProblemType], [WithRefusal], [WithUnavailable]), who hears of it
// ([WithOnDecision]), and whether it is refused at all ([WithShadow]).
//
// Limits that hold for many machines are kept by a server, and so need not be in
// reach. What becomes of a request then is the limiter's to say; if it is refused,
// the answer is not 429, since nobody knows of a quota exceeded, but 503:
// [Unavailable].
//
// Authentication comes before the middleware or inside describe: what describe
// reports is believed. It is as trustworthy as its sources, so take the ids
// from a verified token, and never from a header that the caller may choose.
package weirhttp

import (
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/weirhq/weir"
)

// New returns middleware that admits a request if its partition has room:
// describe says what is known of the request, and limiter finds the partition
// and decides: a [weir.PartitionLimiter], or another [weir.Decider]. Each request
// it admits costs the partition one.
//
// Describe is called once a request, before the handler, and may be called by
// many goroutines at once. [Anonymous] is a describe for services without
// authentication, and where others start from. It must not read the body, which
// is the handler's. If it panics, net/http ends the request as it would for a
// panic of the handler.
//
// An admitted request costs one call of describe, one [weir.PartitionLimiter.Allow]
// and no allocation of its own. It blocks only where Allow does: while a source
// key that is not cached is looked up, for as long as the request's context
// lasts. Another Decider costs what its Decide costs, and blocks where that does.
//
// New panics if limiter or describe is nil, also if limiter is a nil pointer, such
// as that of a constructor that has failed, and the function it returns panics
// if the handler is nil, as [http.Handle] does: a service without its limits
// must fail when it starts, neither admit everybody nor answer each request
// with an error. Nothing that a caller sends leads to a panic.
func New(limiter weir.Decider, describe func(*http.Request) weir.Request, opts ...Option) func(http.Handler) http.Handler {
	if isNil(limiter) {
		panic("weirhttp: New: nil limiter")
	}
	if describe == nil {
		panic("weirhttp: New: nil describe")
	}
	return newMiddleware(opts).on(&partitions{limiter, describe})
}

// ByKey returns middleware for those without partitions: it admits a request if
// the key that key reports for it has room in limiter. Requests with the same
// key share a budget; the empty key is a key like any other, so requests for
// which nothing is known share one too.
//
//	weirhttp.ByKey(limiter, func(r *http.Request) string { return r.PathValue("tenant") })
//
// (Path values are known only inside a [http.ServeMux]: wrap the handlers that
// it serves, rather than the mux.)
//
// Key is called once a request, before the handler, and may be called by many
// goroutines at once. An admitted request costs one call of key, one
// [weir.Limiter.Allow] and no allocation of its own, and never blocks. ByKey
// panics if limiter or key is nil; see [New].
func ByKey(limiter *weir.Limiter, key func(*http.Request) string, opts ...Option) func(http.Handler) http.Handler {
	if limiter == nil {
		panic("weirhttp: ByKey: nil limiter")
	}
	if key == nil {
		panic("weirhttp: ByKey: nil key")
	}
	m := newMiddleware(opts)
	return m.on(&keyed{limiter, key, m.policyName})
}

// ByMulti is [ByKey] for several quotas at once, all or nothing: see [weir.Multi].
// The policies are named "default", "default-2" and so on, see [WithPolicyName].
func ByMulti(limiter *weir.Multi, key func(*http.Request) string, opts ...Option) func(http.Handler) http.Handler {
	if limiter == nil || limiter.Limiter(0) == nil {
		panic("weirhttp: ByMulti: nil limiter, or one that NewMulti has not made")
	}
	if key == nil {
		panic("weirhttp: ByMulti: nil key")
	}
	m := newMiddleware(opts)
	b := &multi{limiter: limiter, key: key}
	for i := 0; limiter.Limiter(i) != nil; i++ {
		name := m.policyName
		if i > 0 {
			name += "-" + strconv.Itoa(i+1)
		}
		b.names = append(b.names, name)
	}
	return m.on(b)
}

// isNil also knows the nil pointer in an interface that is not nil: a variable that
// nobody has set, or the result of a constructor whose error was not looked at. It
// would panic at the first request.
func isNil(limiter any) bool {
	v := reflect.ValueOf(limiter)
	return !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil()
}

// middleware is what all of them have in common: they differ in their budgets. It
// does not change once it is made.
type middleware struct {
	budget     budget
	cost       func(*http.Request) int64
	skip       func(*http.Request) bool
	giveBack   func(*http.Request, int) bool
	shadow     bool
	observe    []func(Outcome)
	refuse     answer // nil: as problem says
	problem    bool
	undecided  answer // refuses where no decision could be made
	jitter     time.Duration
	fields     []Fields
	policyName string
	tell       *teller
}

// An answer refuses a request.
type answer = func(http.ResponseWriter, *http.Request, weir.Decision)

func newMiddleware(opts []Option) *middleware {
	m := &middleware{policyName: "default", undecided: Unavailable}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

// on completes m for a budget. All handlers that the result wraps are one
// middleware, also where a framework wraps them anew for each request.
func (m *middleware) on(b budget) func(http.Handler) http.Handler {
	m.budget, m.tell = b, newTeller(m.fields, b)
	return m.wrap
}

func (m *middleware) wrap(next http.Handler) http.Handler {
	if next == nil {
		panic("weirhttp: nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.skip != nil && m.skip(r) {
			next.ServeHTTP(w, r)
			return
		}
		cost := int64(1)
		if m.cost != nil {
			if cost = m.cost(r); cost == 0 {
				next.ServeHTTP(w, r)
				return
			}
		}
		o := m.budget.decide(r, cost)
		if o.Route == unrouted {
			next.ServeHTTP(w, r)
			return
		}
		o.Request, o.Cost = r, cost
		o.Shadow = m.shadow && !o.Allowed
		for _, observe := range m.observe {
			observe(o)
		}
		if !o.Allowed && !o.Shadow && m.jitter > 0 {
			o.RetryAfter = later(o.RetryAfter, m.jitter)
		}
		if o.Err == nil { // otherwise nobody knows where the caller stands
			m.tell.fields(w.Header(), o)
		}
		switch {
		case !o.Allowed && !o.Shadow:
			m.answer(w, r, o)
		case m.giveBack != nil && o.Allowed && o.Err == nil:
			m.serveAndRefund(w, r, o, next)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// answer refuses.
func (m *middleware) answer(w http.ResponseWriter, r *http.Request, o Outcome) {
	switch {
	case o.Err != nil:
		m.undecided(w, r, o.Decision)
	case m.refuse != nil:
		m.refuse(w, r, o.Decision)
	case m.problem:
		respond(w, r, o.Decision, http.StatusTooManyRequests, m.tell.problem(o))
	default:
		Refuse(w, r, o.Decision)
	}
}
