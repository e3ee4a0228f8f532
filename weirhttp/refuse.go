package weirhttp

import (
	"io"
	"net/http"
	"strconv"

	"github.com/weirhq/weir"
)

// The refusal of rate-limits.md, to the byte: a problem document (RFC 9457)
// without a type, and without a newline at its end.
const (
	problemType = "application/problem+json"
	problem     = `{
  "status": 429,
  "title": "Too many requests.",
  "detail": "The API rate limit for this account has been exceeded."
}`
)

// unavailable is the problem document of a 503. Without a type, the title is that
// of the status (RFC 9457, section 4.2.1).
const unavailable = `{
  "status": 503,
  "title": "Service Unavailable",
  "detail": "The API rate limit cannot be checked at the moment."
}`

// problemLength is a string because making it anew would cost an allocation.
var problemLength = strconv.Itoa(len(problem))

// Refuse answers a refused request, and is what the middleware answers with:
//
//	HTTP/1.1 429 Too Many Requests
//	Cache-Control: no-store
//	Content-Length: 122
//	Content-Type: application/problem+json
//	Retry-After: 17
//
//	{
//	  "status": 429,
//	  "title": "Too many requests.",
//	  "detail": "The API rate limit for this account has been exceeded."
//	}
//
// Handlers that limit something of their own, such as logins of one account,
// call it to answer alike.
//
// Retry-After is [weir.Decision.RetryAfterSeconds], the least whole number of
// seconds that is enough. It is absent if d.RetryAfter is [weir.Never]: no wait
// would help. A HEAD request gets the same headers and no body.
//
// Headers that w carries already are sent along, those of tracing and CORS for
// example, except the ones that were meant for the response that now does not
// come: Etag, Last-Modified and Expires are removed, as net/http removes them from
// its own errors, and Cache-Control is no-store: a cache must not keep a 429 (RFC
// 6585, section 4). A Content-Encoding stays, because who sets one this early is a compressor that
// has wrapped w (see https://go.dev/issue/66343); Content-Length is then left to
// it.
//
// Refuse never reads the request's body. What net/http does with an unread body
// is net/http's: it skips a short one and keeps an HTTP/1 connection, and closes
// the connection of a long one, or of one that still waits for 100 Continue.
//
// It makes one allocation of its own (two from 100 seconds on), and
// blocks only as w.Write does.
func Refuse(w http.ResponseWriter, r *http.Request, d weir.Decision) {
	respond(w, r, d, http.StatusTooManyRequests, problem)
}

// Unavailable answers a request that is refused because nobody could decide on it,
// and is what the middleware answers with if [Outcome].Err is not nil:
//
//	HTTP/1.1 503 Service Unavailable
//	Cache-Control: no-store
//	Content-Length: 120
//	Content-Type: application/problem+json
//	Retry-After: 1
//
//	{
//	  "status": 503,
//	  "title": "Service Unavailable",
//	  "detail": "The API rate limit cannot be checked at the moment."
//	}
//
// It is 503 (RFC 9110, section 15.6.4) because the service, not the caller, has to
// do something about it, and what watches over a service watches its 5xx. Retry-After
// is as in [Refuse]: at least 1, which a wait of 0 gives, too, so that nobody comes
// back at once; absent for [weir.Never]. The rest of d is not used, and all else
// is as in Refuse, for the price of one allocation more.
func Unavailable(w http.ResponseWriter, r *http.Request, d weir.Decision) {
	respond(w, r, d, http.StatusServiceUnavailable, unavailable)
}

// respond refuses with that status and body.
func respond(w http.ResponseWriter, r *http.Request, d weir.Decision, status int, body string) {
	h := w.Header()
	delete(h, "Etag")
	delete(h, "Last-Modified")
	delete(h, "Expires")

	// The keys are in canonical form, and the values are cut from one array with
	// no room to append. It is made anew each time: with a shared one, middleware
	// that edits a value in place would edit it for all later refusals.
	values := [...]string{problemType, "no-store", "", ""}
	h["Content-Type"] = values[0:1:1]
	h["Cache-Control"] = values[1:2:2]
	if d.RetryAfter == weir.Never {
		delete(h, "Retry-After")
	} else {
		values[2] = strconv.FormatInt(d.RetryAfterSeconds(), 10)
		h["Retry-After"] = values[2:3:3]
	}
	if len(h["Content-Encoding"]) > 0 {
		delete(h, "Content-Length")
	} else {
		if values[3] = problemLength; len(body) != len(problem) {
			values[3] = strconv.Itoa(len(body))
		}
		h["Content-Length"] = values[3:4:4]
	}

	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// An error means that the caller has gone; there is nobody to tell.
		_, _ = io.WriteString(w, body)
	}
}
