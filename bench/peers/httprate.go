package peers

import (
	"net/http"

	"github.com/go-chi/httprate"

	"github.com/weirhq/weir/bench/subject"
)

// HTTPRate is httprate's limiter without the response headers.
var HTTPRate = subject.Subject{
	Name:   "httprate",
	Module: "github.com/go-chi/httprate",
	Keeps:  subject.PlainHash,
	Cleans: "two windows, emptied in turn",
	Exact: "a sliding window, rounded to the nearest request, so one too many; " +
		"a caller that is late at a window's edge empties both windows for everybody",
	New: func(c subject.Config) (subject.Limiter, error) {
		l := httprate.NewRateLimiter(int(c.Limit), c.Period,
			httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
		return &httpRate{l: l, r: new(http.Request)}, nil
	},
}

type httpRate struct {
	l *httprate.RateLimiter
	r *http.Request // asked for its context only
}

func (h *httpRate) Allow(key string) bool { return !h.l.OnLimit(noResponse{}, h.r, key) }
func (h *httpRate) Close()                {}

// noResponse is never written to, since the headers have no names.
type noResponse struct{}

func (noResponse) Header() http.Header         { return http.Header{} }
func (noResponse) Write(b []byte) (int, error) { return len(b), nil }
func (noResponse) WriteHeader(int)             {}
