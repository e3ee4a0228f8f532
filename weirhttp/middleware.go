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
// Authentication comes before the middleware or inside describe: what describe
// reports is believed. It is as trustworthy as its sources, so take the ids
// from a verified token, and never from a header that the caller may choose.
package weirhttp

import (
	"net/http"

	"github.com/weirhq/weir"
)

// An Option changes what the middleware of [New] or [ByKey] does.
type Option func(*middleware)

// WithRefusal has answer reply to refused requests in place of [Refuse], which it
// may call: to log them, to send a body of another shape, or both. Without it,
// the answer is Refuse's.
//
// The decision has been made, and nothing was spent on it; whatever answer does,
// the request does not reach the handler. Answer runs on the goroutine of the
// request and may be called by many at once. WithRefusal panics if it is nil.
func WithRefusal(answer func(w http.ResponseWriter, r *http.Request, d weir.Decision)) Option {
	if answer == nil {
		panic("weirhttp: WithRefusal: nil function")
	}
	return func(m *middleware) { m.refuse = answer }
}

// New returns middleware that admits a request if its partition has room:
// describe says what is known of the request, and limiter finds the partition
// and decides. Each request it admits costs the partition one.
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
// lasts.
//
// New panics if limiter or describe is nil, and the function it returns panics
// if the handler is nil, as [http.Handle] does: a service without its limits
// must fail when it starts, neither admit everybody nor answer each request
// with an error. Nothing that a caller sends leads to a panic.
func New(limiter *weir.PartitionLimiter, describe func(*http.Request) weir.Request, opts ...Option) func(http.Handler) http.Handler {
	if limiter == nil {
		panic("weirhttp: New: nil limiter")
	}
	if describe == nil {
		panic("weirhttp: New: nil describe")
	}
	return newMiddleware(func(r *http.Request) weir.Decision {
		d, _ := limiter.Allow(r.Context(), describe(r))
		return d
	}, opts).wrap
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
	return newMiddleware(func(r *http.Request) weir.Decision {
		return limiter.Allow(key(r))
	}, opts).wrap
}

// middleware is what New and ByKey have in common: they differ in how they
// decide. It does not change once it is made.
type middleware struct {
	decide func(*http.Request) weir.Decision
	refuse func(http.ResponseWriter, *http.Request, weir.Decision)
}

func newMiddleware(decide func(*http.Request) weir.Decision, opts []Option) *middleware {
	m := &middleware{decide: decide, refuse: Refuse}
	for _, opt := range opts {
		opt(m)
	}
	return m
}

func (m *middleware) wrap(next http.Handler) http.Handler {
	if next == nil {
		panic("weirhttp: nil handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := m.decide(r); !d.Allowed {
			m.refuse(w, r, d)
			return
		}
		next.ServeHTTP(w, r)
	})
}
