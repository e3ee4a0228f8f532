// Package check tells whether a framework has been given its limits rightly. The
// same requests must have the same answers in all of them.
package check

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/examples/frameworks/internal/limits"
)

// refusal is the header and the body of the answer to a refused request.
const refusal = "Cache-Control: no-store\r\n" +
	"Content-Length: 122\r\n" +
	"Content-Type: application/problem+json\r\n" +
	"Retry-After: 17\r\n" +
	"\r\n" +
	"{\n" +
	"  \"status\": 429,\n" +
	"  \"title\": \"Too many requests.\",\n" +
	"  \"detail\": \"The API rate limit for this account has been exceeded.\"\n" +
	"}"

// Limits sends requests to what routes makes of the middleware, and looks at the
// answers. The service must have GET /contacts, which answers "ok", GET /health,
// which does too, and GET /export, which fails with 503.
func Limits(t *testing.T, routes func(limit func(http.Handler) http.Handler) http.Handler) {
	t.Helper()
	two := weir.Quota{Limit: 2, Period: 34 * time.Second}
	stopped := weir.WithClock(func() time.Duration { return time.Hour }) // nothing is earned meanwhile
	limit, err := limits.New(two, stopped)
	if err != nil {
		t.Fatal(err)
	}
	service := routes(limit)

	for i, step := range []struct {
		path   string
		status int
		why    string
	}{
		{"/contacts", 200, "the first of two"},
		{"/export", 503, "admitted, and given back because it failed"},
		{"/export", 503, "so it can be tried for ever"},
		{"/contacts", 200, "the second of two"},
		{"/contacts", 429, "nothing is left"},
		{"/export", 429, "nor here"},
		{"/nowhere", 429, "nor where no route is"},
		{"/health", 200, "not limited"},
	} {
		// A recorder and no connection: net/http would cut off, unseen, what a handler
		// that must not be reached adds to a refusal.
		w := httptest.NewRecorder()
		service.ServeHTTP(w, httptest.NewRequest(http.MethodGet, step.path, nil))
		var answer strings.Builder
		if err := w.Result().Header.Write(&answer); err != nil {
			t.Fatal(err)
		}
		answer.WriteString("\r\n" + w.Body.String())

		good := w.Code == step.status
		switch step.status {
		case http.StatusOK:
			good = good && w.Body.String() == "ok\n"
		case http.StatusTooManyRequests:
			good = good && answer.String() == refusal
		}
		if !good {
			t.Errorf("request %d, GET %s (%s): want status %d, got %d\n%s", i+1, step.path, step.why, step.status, w.Code, &answer)
		}
	}
}
