package weirhttp_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// customer is whose budget a request draws on, in these examples: a customer's for a
// key that is good, and one for everybody else. The key itself would be a new
// budget for each text that a caller thinks of.
func customer(r *http.Request) string {
	return map[string]string{"s3cret": "ada"}[r.Header.Get("X-Api-Key")]
}

// stoppedLimiter is a limiter by a clock that stands still, so that the examples' output
// is always the same.
func stoppedLimiter(q weir.Quota) *weir.Limiter {
	limiter, err := weir.New(q, weir.WithClock(func() time.Duration { return 0 }))
	if err != nil {
		log.Fatal(err)
	}
	return limiter
}

// ask sends requests to a handler and prints the answers.
func ask(handler http.Handler, fields []string, targets ...string) {
	for _, target := range targets {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		fmt.Println(target, w.Code)
		for _, name := range fields {
			if value := w.Header().Get(name); value != "" {
				fmt.Printf("  %s: %s\n", name, value)
			}
		}
	}
}

// Callers are told where they stand.
func ExampleWithFields() {
	limit := weirhttp.ByKey(stoppedLimiter(weir.PerMinute(2)), customer,
		weirhttp.WithFields(weirhttp.Draft11), weirhttp.WithPolicyName("api"))
	ask(limit(http.NotFoundHandler()), []string{"RateLimit-Policy", "RateLimit", "Retry-After"}, "/", "/", "/")
	// Output:
	// / 404
	//   RateLimit-Policy: "api";q=2;w=60
	//   RateLimit: "api";r=1;t=30
	// / 404
	//   RateLimit-Policy: "api";q=2;w=60
	//   RateLimit: "api";r=0;t=60
	// / 429
	//   RateLimit-Policy: "api";q=2;w=60
	//   RateLimit: "api";r=0;t=30
	//   Retry-After: 30
}

// Ten a second and three hundred a minute, all or nothing.
func ExampleByMulti() {
	limits, err := weir.NewMulti([]weir.Quota{weir.PerSecond(10), weir.PerMinute(300)})
	if err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.ByMulti(limits, customer, weirhttp.WithFields(weirhttp.Draft11))
	ask(limit(http.NotFoundHandler()), []string{"RateLimit-Policy"}, "/")
	// Output:
	// / 404
	//   RateLimit-Policy: "default";q=10;w=1, "default-2";q=300;w=60
}

// A quota for each route.
func ExampleByRoute() {
	limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{
		"/login":      stoppedLimiter(weir.PerMinute(1)),
		"/search/{q}": stoppedLimiter(weir.PerSecond(2)),
	}, customer)
	if err != nil {
		log.Fatal(err)
	}
	ask(limit(http.NotFoundHandler()), nil, "/login", "/login", "/search/a", "/search/b", "/search/c", "/other", "/other")
	// Output:
	// /login 404
	// /login 429
	// /search/a 404
	// /search/b 404
	// /search/c 429
	// /other 404
	// /other 404
}

// A request costs what it asks for.
func ExampleWithCost() {
	limit := weirhttp.ByKey(stoppedLimiter(weir.PerMinute(10)), customer, weirhttp.WithCost(func(r *http.Request) int64 {
		n, err := strconv.ParseInt(r.URL.Query().Get("items"), 10, 64) // not r.FormValue, which reads the body
		if err != nil {
			return 1
		}
		return max(n, 1) // 0 would be free
	}))
	ask(limit(http.NotFoundHandler()), []string{"Retry-After"}, "/?items=8", "/?items=8", "/?items=100")
	// Output:
	// /?items=8 404
	// /?items=8 429
	//   Retry-After: 36
	// /?items=100 429
}

// What the service failed at, and what it did not have to do, is not counted.
func ExampleWithRefund() {
	limit := weirhttp.ByKey(stoppedLimiter(weir.PerMinute(1)), customer,
		weirhttp.WithRefund(func(_ *http.Request, status int) bool { return status >= 500 || status == http.StatusNotModified }))
	mux := http.NewServeMux()
	mux.HandleFunc("/down", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/up", func(http.ResponseWriter, *http.Request) {})
	ask(limit(mux), nil, "/down", "/down", "/up", "/up")
	// Output:
	// /down 502
	// /down 502
	// /up 200
	// /up 429
}

// What would this quota do? Nobody is refused to find out.
func ExampleWithShadow() {
	limit := weirhttp.ByKey(stoppedLimiter(weir.PerMinute(1)), customer, weirhttp.WithShadow(),
		weirhttp.WithOnDecision(func(o weirhttp.Outcome) {
			if o.Shadow {
				fmt.Println("would have been told to wait", o.RetryAfter)
			}
		}))
	ask(limit(http.NotFoundHandler()), nil, "/", "/")
	// Output:
	// / 404
	// would have been told to wait 1m0s
	// / 404
}
