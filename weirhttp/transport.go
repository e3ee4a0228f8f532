package weirhttp

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir"
)

// A Transport is an [http.RoundTripper] for the clients of services that limit
// them. It sends a refused request again when the server has said that it may,
// and by choice paces itself so that it is seldom refused. The zero value is
// ready to use:
//
//	client := &http.Client{Transport: &weirhttp.Transport{}}
//
// # What is sent again
//
// A response of 429 (Too Many Requests) to any method: the request was refused,
// not worked on. One of 503 (Service Unavailable) only to the idempotent methods
// (RFC 9110, section 9.2.2: GET, HEAD, OPTIONS, TRACE, PUT and DELETE) and to
// requests with an Idempotency-Key or X-Idempotency-Key field, since a server may
// have begun. A body must be there again: Request.GetBody, which
// [http.NewRequest] sets for the common readers, has to give it. Every other
// response, and every error of Base, goes to the caller as it is.
//
// # How long it waits
//
// As long as Retry-After says (see [RetryAfter]), from the arrival of the
// response. Without it, or where it says 0, for an exponential backoff with full
// jitter: before the n-th retry for a random time from 0 up to BaseBackoff·2^(n-1),
// but no longer than MaxBackoff and MaxWait.
//
// It does not begin a wait that is longer than MaxWait or would not end before the
// context's deadline. The caller then gets the refusal itself, at once and
// unread: it is the server's answer, and says more, Retry-After included, than an
// error could. If the context ends during a wait, the wait ends with it, and its
// error is returned. An [http.Client]'s Timeout is such a deadline, and covers all
// attempts and waits together.
//
// # Requests and responses
//
// The caller's request is never changed; each attempt sends a clone. Its body is
// always closed. A refusal that is not returned is read, up to 16 KiB, and closed
// before the wait, so that others can use its connection meanwhile; a longer body
// costs the connection. Like net/http before a redirect, it waits for these bytes
// as long as the context lasts.
//
// A Transport may be used by many goroutines at once, and should be shared: pace
// and holds are its own. Its fields must not be changed, nor the struct copied,
// after the first request. It starts no goroutine.
type Transport struct {
	// Base sends each attempt. Nil means [http.DefaultTransport].
	Base http.RoundTripper

	// MaxAttempts is how often one request is sent at most, the first time
	// included. 0 means 4; 1 or less means that nothing is sent again. With
	// BaseBackoff's default, 4 attempts spread over up to 7 seconds where the server
	// gives no time; and no outage meets with more than 4 times its ordinary load.
	MaxAttempts int

	// MaxWait is the longest wait that a server may ask for. A request that would
	// have to wait longer is not sent again. 0 means 2 minutes: most public quotas
	// count by the minute, and the rest is room for jitter on top. Below 0 nothing is
	// waited for, so nothing is sent again. The time that Pace takes is not bounded by it.
	MaxWait time.Duration

	// BaseBackoff is the bound of the first backoff. 0 or less means 1 second, the
	// least that Retry-After could have said.
	BaseBackoff time.Duration

	// MaxBackoff bounds every backoff. 0 or less means 30 seconds.
	MaxBackoff time.Duration

	// Pace, if not nil, has each attempt wait by [weir.Limiter.Wait] before it is
	// sent, first come, first served, at a cost of 1. The quota is best that of the
	// server; its Burst is what may be refused at once where the server has less left than
	// Pace believes, after a restart for example: choose it small if the server's budget
	// is shared.
	//
	// A 429 with Retry-After then holds back the whole key, not only the
	// request: nothing of that key is sent until the time has passed, and those who
	// wait move back with their distances kept, so that they do not all come at once.
	// See [HeldError] for waits beyond MaxWait. To hold a key, the Transport spends
	// from its future in Pace, which Pace's Stats count, and which takes some 32 bytes a key
	// in Pace beyond its WithMaxKeys, until the hold is over (an hour at most, or MaxWait).
	//
	// A request whose turn comes after its deadline is refused at once: with a
	// [weir.DeadlineError] if it was never sent, and otherwise with the server's refusal.
	Pace *weir.Limiter

	// Key says on which key of Pace a request draws: what the server counts by,
	// such as the account. It is called once a request and must not change it. Nil means
	// the host of the URL in lower case, with its port unless that is the scheme's
	// own. Key is not used without Pace.
	Key func(*http.Request) string

	// OnAttempt, if not nil, is called once for each attempt, as soon as its
	// response or error is known and before any wait, on the goroutine of
	// RoundTrip, by many at once.
	OnAttempt func(Attempt)

	random func(below time.Duration) time.Duration // tests replace it; nil: rand.N
	lines  lines
}

const (
	defaultMaxAttempts = 4
	defaultMaxWait     = 2 * time.Minute
	defaultBaseBackoff = time.Second
	defaultMaxBackoff  = 30 * time.Second
)

// RoundTrip implements [http.RoundTripper]. It blocks for the waits described at
// Transport. Its errors are those of Base, the context's, a [*weir.DeadlineError]
// or [*HeldError] if Pace did not let it be sent, and one that wraps that of
// Request.GetBody.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x := exchange{Transport: t, req: req}
	if t.Pace != nil {
		x.key = t.key(req)
	}
	for {
		paced, err := x.await()
		if err != nil {
			return x.abandon(err)
		}
		attempt, err := x.clone()
		if err != nil {
			return nil, err
		}
		resp, err := x.send(attempt)
		reason, wait := x.judge(resp, err)
		if t.OnAttempt != nil {
			t.OnAttempt(newAttempt(&x, resp, err, paced, reason, wait))
		}
		if !reason.Retries() {
			return resp, err
		}
		x.refusal = setAside(resp)
	}
}

// CloseIdleConnections closes those of Base, if it can, as
// [http.Client.CloseIdleConnections] expects.
func (t *Transport) CloseIdleConnections() {
	if base, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// An exchange is one RoundTrip: a request and the attempts to have it answered.
type exchange struct {
	*Transport
	req     *http.Request
	key     string         // on which it draws, if it is paced
	sent    int            // attempts so far
	sleep   time.Duration  // before the next one; not what the line of the key takes care of
	refusal *http.Response // the last one, if it is whole and has not been returned
}

// await returns when the next attempt may be sent, and how long it stood in line.
func (x *exchange) await() (paced time.Duration, err error) {
	if err := sleep(x.req.Context(), x.sleep); err != nil {
		return 0, err
	}
	if x.Pace == nil {
		return 0, nil
	}
	start := time.Now()
	err = x.pass(x.req.Context(), x.key)
	return time.Since(start), err
}

// abandon ends an exchange whose next attempt may not be sent. Where it was the
// time that would have been too long, a refusal is the better answer.
func (x *exchange) abandon(err error) (*http.Response, error) {
	if x.sent == 0 && x.req.Body != nil {
		_ = x.req.Body.Close() // nobody else will
	}
	if x.refusal != nil && takesTooLong(err) {
		return x.refusal, nil
	}
	return nil, err
}

// clone makes the next attempt's own request. Base may go on reading one after it
// has returned, and must not find it changed.
func (x *exchange) clone() (*http.Request, error) {
	r := x.req.Clone(x.req.Context())
	r.Trailer = x.req.Trailer // whoever made the body sets the values in this map
	if x.sent > 0 && hasBody(x.req) {
		body, err := x.req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("weirhttp: the body cannot be sent again: %w", err)
		}
		r.Body = body
	}
	return r, nil
}

func (x *exchange) send(attempt *http.Request) (*http.Response, error) {
	x.sent++
	resp, err := x.base().RoundTrip(attempt)
	if resp != nil {
		resp.Request = x.req // as if there had been no clone
	}
	return resp, err
}
