package weirhttp

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/weirhq/weir"
)

// An Option changes what the middleware of [New], [ByKey], [ByKeyContext],
// [ByMulti] or [ByRoute] does. Those that take a function panic if it is nil: a
// service that is wrong must fail when it starts. The functions run on the
// goroutine of the request, and may be called by many at once.
type Option func(*middleware)

// WithRefusal has answer reply to refused requests in place of [Refuse], which it
// may call: to log them, to send a body of another shape, or both. Without it,
// the answer is Refuse's.
//
// The decision has been made, and nothing was spent on it; whatever answer does,
// the request does not reach the handler. It is not called where no decision could
// be made: an answer written for quotas would blame the caller for what is the
// service's trouble. That is for [WithUnavailable].
func WithRefusal(answer func(w http.ResponseWriter, r *http.Request, d weir.Decision)) Option {
	if answer == nil {
		panic("weirhttp: WithRefusal: nil function")
	}
	return func(m *middleware) { m.refuse = answer }
}

// WithUnavailable has answer reply, in place of [Unavailable], which it may call,
// to requests that are refused because no decision could be made. Of d only
// RetryAfter means something. Why it could not be made is [Outcome].Err, for
// [WithOnDecision]: it speaks of the service's inside, which is nothing to tell a
// caller. Only limits that are kept by a server can be out of reach.
func WithUnavailable(answer func(w http.ResponseWriter, r *http.Request, d weir.Decision)) Option {
	if answer == nil {
		panic("weirhttp: WithUnavailable: nil function")
	}
	return func(m *middleware) { m.undecided = answer }
}

// WithCost sets what a request costs, such as the number of items that it asks
// for; without it, each costs 1. One that costs 0 is not limited at all, so never
// let the caller choose that: max(1, n). Take n from where the handler takes it. A
// cost below 0, or above the burst, is refused without a Retry-After: no wait would
// help. It must not read the body, which is the handler's, as r.FormValue does.
func WithCost(cost func(*http.Request) int64) Option {
	if cost == nil {
		panic("weirhttp: WithCost: nil function")
	}
	return func(m *middleware) { m.cost = cost }
}

// WithSkip lets requests through that are not to be limited, such as those of
// health checks: no decision is made on them, and nobody is told.
func WithSkip(skip func(*http.Request) bool) Option {
	if skip == nil {
		panic("weirhttp: WithSkip: nil function")
	}
	return func(m *middleware) { m.skip = skip }
}

// WithRefund gives back what an admitted request has cost if giveBack says so of
// the status that the handler answered with, once it has returned:
//
//	weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status >= 500 || status == 304 })
//
// Until then it counts, so callers cannot have more requests on their way than
// the quota admits. The status is 200 if the handler wrote nothing. Nothing is
// given back if it panics, if it took the connection over, or if it took longer
// than the Decision's ResetAfter: then it is earned back already (see
// [weir.Limiter.Refund]).
//
// What is given back is not limited: whoever finds a request that ends in such a
// status can repeat it without end. A caller can always get a 304 from
// [http.ServeContent], and a 5xx costs the service most of all.
//
// Where limits are kept by a server, the end of the response waits for the refund,
// for as long as the limiter was told to wait at most; it is made also for a caller
// who has hung up. One that fails is not repeated: time gives back what it did not.
//
// The handler then gets a ResponseWriter that notes the status: one allocation a
// request. It flushes, can be taken over, and what else the server's own can do,
// [http.ResponseController] finds; [http.Pusher] is not passed on.
func WithRefund(giveBack func(r *http.Request, status int) bool) Option {
	if giveBack == nil {
		panic("weirhttp: WithRefund: nil function")
	}
	return func(m *middleware) { m.giveBack = giveBack }
}

// WithShadow decides, counts and tells, but refuses nobody: to see what a quota
// would do before it does it. Decisions are made inside the same bound on memory,
// and a request that is let through although it was refused spends nothing.
// [Outcome].Shadow marks it. So are those let through on which no decision could be
// made.
func WithShadow() Option {
	return func(m *middleware) { m.shadow = true }
}

// WithOnDecision has observe hear of every decision, before the handler or the
// refusal, and of every one that could not be made ([Outcome].Err): for logs,
// metrics, and [Debug]. It may be given several times. It
// should be quick, because the request waits for it.
func WithOnDecision(observe func(Outcome)) Option {
	if observe == nil {
		panic("weirhttp: WithOnDecision: nil function")
	}
	return func(m *middleware) { m.observe = append(m.observe, observe) }
}

// WithProblemType answers refusals with the problem type quota-exceeded of
// draft-ietf-httpapi-ratelimit-headers-11, which names the policy that was
// violated, in place of the body of [Refuse]. Status and header are the same.
// [WithRefusal] goes before it. The body of [Unavailable] stays: no policy was
// violated.
func WithProblemType() Option {
	return func(m *middleware) { m.problem = true }
}

// WithJitter adds up to that much to the Retry-After of each refusal, that of
// [Unavailable] too, at random, so that callers who were refused together do not
// come back together. It is never less than the truth. Whole seconds are told, so
// less than a second has little effect. It panics if most is below 0.
func WithJitter(most time.Duration) Option {
	if most < 0 {
		panic("weirhttp: WithJitter: below 0")
	}
	return func(m *middleware) { m.jitter = most }
}

// WithFields has responses tell where the caller stands, refused or not, in the
// forms given. They say nothing where no decision could be made.
func WithFields(forms ...Fields) Option {
	for _, f := range forms {
		if f >= numFields {
			panic("weirhttp: WithFields: no such form")
		}
	}
	return func(m *middleware) { m.fields = append(m.fields, forms...) }
}

// WithPolicyName names the policy of [ByKey], [ByKeyContext] or [ByMulti] in the
// fields of [WithFields] and in the problem of [WithProblemType]; without it, it is
// "default". Those of [New] are named as [weir.PartitionLimiter.Policies] names
// them, those of [ByRoute] by their patterns. It panics if the name is empty, or
// has other characters than letters, digits, '-', '_', '.' and ' '.
func WithPolicyName(name string) Option {
	if name == "" {
		panic("weirhttp: WithPolicyName: empty")
	}
	for _, c := range []byte(name) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ' ':
		default:
			panic("weirhttp: WithPolicyName: " + name)
		}
	}
	return func(m *middleware) { m.policyName = name }
}

// later is a RetryAfter with jitter.
func later(retryAfter, most time.Duration) time.Duration {
	if retryAfter >= weir.Never-most { // nothing helps, or nobody waits that long
		return retryAfter
	}
	return retryAfter + rand.N(most+1)
}
