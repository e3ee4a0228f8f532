package weirprom_test

import (
	"bufio"
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirprom"
)

// exampleLimiter admits two requests a minute to each, by a clock that stands still.
func exampleLimiter() *weir.PartitionLimiter {
	resolver, err := weir.NewResolver(func(_ context.Context, sourceKey string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource // ask your database here
	})
	if err != nil {
		log.Fatal(err)
	}
	two := weir.PerMinute(2)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: two, weir.User: two, weir.Business: two, weir.BusinessIntake: two,
	}, weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	return limiter
}

// request has h serve one request.
func request(h http.Handler, method, path string) string {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Body.String()
}

// show prints the samples of a scrape that begin so and are not 0.
func show(scrape, prefix string) {
	for lines := bufio.NewScanner(strings.NewReader(scrape)); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, prefix) && !strings.HasSuffix(line, " 0") {
			fmt.Println(line)
		}
	}
}

// A service with its metrics.
func Example() {
	limiter, describe, api := exampleLimiter(), weirhttp.Anonymous, http.NotFoundHandler()

	requests := weirprom.NewObserver()
	registry := prometheus.NewRegistry()
	registry.MustRegister(requests, weirprom.NewCollector(limiter))

	limit := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(requests.Observe))
	mux := http.NewServeMux()
	mux.Handle("/", limit(api))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))

	request(mux, "GET", "/contacts")
	request(mux, "GET", "/contacts")
	request(mux, "GET", "/contacts")
	request(mux, "POST", "/leads")
	scrape := request(mux, "GET", "/metrics")
	show(scrape, "weir_requests_total")
	show(scrape, "weir_decisions_total")
	show(scrape, "weir_keys")
	// Output:
	// weir_requests_total{outcome="admitted",partition="ip",reason="anonymous"} 2
	// weir_requests_total{outcome="refused",partition="ip",reason="anonymous"} 1
	// weir_requests_total{outcome="refused",partition="ip",reason="source-missing"} 1
	// weir_decisions_total{outcome="admitted",partition="ip",policy="ip"} 2
	// weir_decisions_total{outcome="refused",partition="ip",policy="ip"} 2
	// weir_keys{partition="ip",policy="ip"} 1
}

// A limiter of its own, with a middleware by key, beside others in one registry.
func ExampleNewLimiterCollector() {
	logins, err := weir.New(weir.PerMinute(1), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	account, handler := func(*http.Request) string { return "ada" }, http.NotFoundHandler()
	registry := prometheus.NewRegistry()
	registry.MustRegister(weirprom.NewCollector(exampleLimiter()), weirprom.NewObserver())

	requests := weirprom.NewKeyObserver("logins")
	registry.MustRegister(requests, weirprom.NewLimiterCollector("logins", logins))
	limit := weirhttp.ByKey(logins, account, weirhttp.WithOnDecision(requests.Observe))

	request(limit(handler), "POST", "/login")
	request(limit(handler), "POST", "/login")
	scrape := request(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), "GET", "/metrics")
	show(scrape, "weir_requests_total")
	show(scrape, "weir_quota_period_seconds{partition=\"logins\"")
	// Output:
	// weir_requests_total{outcome="admitted",partition="logins",reason="by-key"} 1
	// weir_requests_total{outcome="refused",partition="logins",reason="by-key"} 1
	// weir_quota_period_seconds{partition="logins",policy="logins"} 60
}

// The limiters of weirhttp.ByRoute, each by its pattern.
func ExampleNewPolicyCollector() {
	login, err := weir.New(weir.PerMinute(5))
	if err != nil {
		log.Fatal(err)
	}
	search, err := weir.New(weir.PerSecond(10))
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(weirprom.NewPolicyCollector("routes", []weir.Policy{
		{Name: "POST /login", Limiter: login},
		{Name: "/search/{q}", Limiter: search},
	}))

	show(request(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), "GET", "/metrics"), "weir_quota_limit")
	// Output:
	// weir_quota_limit{partition="routes",policy="/search/{q}"} 10
	// weir_quota_limit{partition="routes",policy="POST /login"} 5
}

// Where anybody may scrape, or tens of millions of keys make a scrape long: at most
// one look at all keys in ten seconds.
func ExampleWithMaxAge() {
	limiter := exampleLimiter()
	registry := prometheus.NewRegistry()
	registry.MustRegister(weirprom.NewCollector(limiter, weirprom.WithMaxAge(10*time.Second)))

	metrics := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	for range 2 {
		limiter.AllowKey(weir.PartitionKey{Partition: weir.User, ID: "7"}, 1)
		show(request(metrics, "GET", "/metrics"), "weir_decisions_total")
	}
	// Output:
	// weir_decisions_total{outcome="admitted",partition="user",policy="user"} 1
	// weir_decisions_total{outcome="admitted",partition="user",policy="user"} 1
}
