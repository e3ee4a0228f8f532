package weirhttp

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/weirhq/weir"
)

// This file is what becomes of a response: whether the request is sent again, and
// when.

// An Attempt is one sending of a request, as [Transport.OnAttempt] is told of it.
type Attempt struct {
	Request *http.Request // the caller's; not to be changed
	Number  int           // of this attempt, from 1
	Status  int           // of the response; 0 if there is none
	Err     error         // of Base; nil if there is a response
	Paced   time.Duration // how long Pace held it back before it was sent
	Reason  AttemptReason // why it is sent again, or why not

	// Wait is what follows from a refusal: its Retry-After, or else the backoff drawn.
	// If the Reason retries, the request now waits for that long, and Pace may add to
	// it; otherwise this is what was asked for or was too long, and 0 if nothing was.
	Wait time.Duration
}

func newAttempt(x *exchange, resp *http.Response, err error, paced time.Duration, reason AttemptReason, wait time.Duration) Attempt {
	a := Attempt{Request: x.req, Number: x.sent, Err: err, Paced: paced, Reason: reason, Wait: wait}
	if resp != nil {
		a.Status = resp.StatusCode
	}
	return a
}

// An AttemptReason says why a request is sent again, or why not. Its String is one
// of a fixed set, fit for the label of a metric.
type AttemptReason uint8

// The reasons. Only the first two retry; with the others the caller gets what Base
// returned. (A request that retries can still end without another attempt, when
// its context ends or its turn by Pace comes too late.)
const (
	AttemptRetryAfter       AttemptReason = iota // refused; sent again after its Retry-After
	AttemptBackoff                               // refused without a Retry-After; sent again after a backoff
	AttemptAnswered                              // neither 429 nor 503
	AttemptFailed                                // Base returned an error
	AttemptNotIdempotent                         // 503, and the request may have been worked on
	AttemptNotReplayable                         // refused, and there is a body, but no GetBody
	AttemptLast                                  // refused, and it was the last of MaxAttempts
	AttemptWaitTooLong                           // refused, and the wait is beyond MaxWait
	AttemptDeadlineTooClose                      // refused, and the wait is beyond the context's deadline
)

var attemptReasonNames = [...]string{
	AttemptRetryAfter:       "retry-after",
	AttemptBackoff:          "backoff",
	AttemptAnswered:         "answered",
	AttemptFailed:           "failed",
	AttemptNotIdempotent:    "not-idempotent",
	AttemptNotReplayable:    "not-replayable",
	AttemptLast:             "last-attempt",
	AttemptWaitTooLong:      "wait-too-long",
	AttemptDeadlineTooClose: "deadline-too-close",
}

// String returns the reason's name, such as "retry-after", and for a value that is
// none its number, such as "AttemptReason(99)".
func (r AttemptReason) String() string {
	if int(r) >= len(attemptReasonNames) {
		return "AttemptReason(" + strconv.Itoa(int(r)) + ")"
	}
	return attemptReasonNames[r]
}

// Retries reports whether the request is to be sent again.
func (r AttemptReason) Retries() bool { return r == AttemptRetryAfter || r == AttemptBackoff }

// judge says what to do after an attempt, and how long a refusal asks to wait. It
// leaves the wait in x.sleep or, if the key is held back, with its line.
func (x *exchange) judge(resp *http.Response, err error) (AttemptReason, time.Duration) {
	if err != nil || resp == nil {
		return AttemptFailed, 0
	}
	tooMany := resp.StatusCode == http.StatusTooManyRequests
	if !tooMany && resp.StatusCode != http.StatusServiceUnavailable {
		return AttemptAnswered, 0
	}
	asked, _ := RetryAfter(resp)
	// A 503 speaks of the service's health, perhaps of one instance of it: no
	// reason to hold back others who draw on the same budget.
	held := asked > 0 && tooMany && x.Pace != nil
	if held {
		x.hold(x.key, asked)
	}
	switch {
	case !tooMany && !idempotent(x.req):
		return AttemptNotIdempotent, asked
	case hasBody(x.req) && x.req.GetBody == nil:
		return AttemptNotReplayable, asked
	case x.sent >= x.maxAttempts():
		return AttemptLast, asked
	}
	reason, wait := AttemptRetryAfter, asked
	if asked == 0 { // "now" is no better than nothing, from who has just refused
		reason, wait = AttemptBackoff, x.backoff(x.sent)
	}
	if wait > x.maxWait() {
		return AttemptWaitTooLong, wait
	}
	if deadlineError(x.req.Context(), wait) != nil {
		return AttemptDeadlineTooClose, wait
	}
	x.sleep = wait
	if held {
		x.sleep = 0 // its place in line is behind the hold
	}
	return reason, wait
}

func (t *Transport) maxAttempts() int {
	if t.MaxAttempts == 0 {
		return defaultMaxAttempts
	}
	return t.MaxAttempts
}

func (t *Transport) maxWait() time.Duration {
	if t.MaxWait == 0 {
		return defaultMaxWait
	}
	return t.MaxWait
}

// backoff draws the wait before the n-th retry, from 0 up to a bound that doubles
// with each. Full jitter, rather than some on top of a fixed wait, spreads a crowd
// that was refused at one instant widest.
func (t *Transport) backoff(n int) time.Duration {
	base, limit := defaultBaseBackoff, defaultMaxBackoff
	if t.BaseBackoff > 0 {
		base = t.BaseBackoff
	}
	if t.MaxBackoff > 0 {
		limit = t.MaxBackoff
	}
	limit = max(min(limit, t.maxWait()), 1) // below 0 every wait is too long anyway
	if doublings := n - 1; base <= limit>>doublings {
		limit = base << doublings
	}
	if t.random != nil {
		return t.random(limit)
	}
	return rand.N(limit)
}

// idempotent reports whether r may be worked on twice, by its method (RFC 9110,
// section 9.2.2) or because it says so. As in net/http, a field is there if its
// key is, so that one with no value marks a request and sends nothing.
func idempotent(r *http.Request) bool {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	_, key := r.Header["Idempotency-Key"]
	_, xKey := r.Header["X-Idempotency-Key"]
	return key || xKey
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// maxAside is how much of a refusal is read. Refusals are short, Refuse's has
// 122 bytes; to read a long one takes more time than a new connection does.
const maxAside = 16 << 10

// setAside reads a response to its end, so that its connection is free during the
// wait. It returns the response as good as unread, in case that no other one
// comes; or nil, and has closed it, if it is too long or broken.
func setAside(resp *http.Response) *http.Response {
	body := resp.Body
	if body == nil || body == http.NoBody {
		return resp
	}
	defer body.Close()
	if resp.ContentLength > maxAside {
		return nil
	}
	read, err := io.ReadAll(io.LimitReader(body, maxAside+1)) // one more, to see the end
	if err != nil || len(read) > maxAside {
		return nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(read))
	return resp
}

// sleep waits for d, or until ctx ends, and then returns its error.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// deadlineError is the error of a wait that does not end before ctx does, or nil.
func deadlineError(ctx context.Context, wait time.Duration) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	if left := time.Until(deadline); wait >= left {
		return &weir.DeadlineError{Wait: wait, Left: left}
	}
	return nil
}
