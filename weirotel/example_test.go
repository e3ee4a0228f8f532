package weirotel_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirotel"
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
func request(h http.Handler, method, path string) {
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
}

// show collects, and prints the integer counts of one name that are not 0.
func show(reader sdk.Reader, name string) {
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		log.Fatal(err)
	}
	var lines []string
	for _, m := range data.ScopeMetrics[0].Metrics {
		if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
			for _, p := range sum.DataPoints {
				if p.Value != 0 {
					lines = append(lines, fmt.Sprintf("%s %s %d", name, nameOf(p.Attributes), p.Value))
				}
			}
		}
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))
}

// A service with its metrics. The reader would be that of an exporter.
func Example() {
	limiter, describe, api := exampleLimiter(), weirhttp.Anonymous, http.NotFoundHandler()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))

	meter := provider.Meter(weirotel.ScopeName)
	requests, err := weirotel.NewObserver(meter)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := weirotel.Instrument(meter, limiter); err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(requests.Observe))
	handler := limit(api)

	request(handler, "GET", "/contacts")
	request(handler, "GET", "/contacts")
	request(handler, "GET", "/contacts")
	request(handler, "POST", "/leads")
	show(reader, "weir.requests")
	show(reader, "weir.decisions")
	show(reader, "weir.keys")
	// Output:
	// weir.requests {weir.outcome=admitted,weir.partition=ip,weir.reason=anonymous} 2
	// weir.requests {weir.outcome=refused,weir.partition=ip,weir.reason=anonymous} 1
	// weir.requests {weir.outcome=refused,weir.partition=ip,weir.reason=source-missing} 1
	// weir.decisions {weir.outcome=admitted,weir.partition=ip,weir.policy=ip} 2
	// weir.decisions {weir.outcome=refused,weir.partition=ip,weir.policy=ip} 2
	// weir.keys {weir.partition=ip,weir.policy=ip} 1
}

// A limiter of its own, with a middleware by key, until it is no longer used.
func ExampleInstrumentLimiter() {
	reader := sdk.NewManualReader()
	meter := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter(weirotel.ScopeName)
	logins, err := weir.New(weir.PerMinute(1), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	account, handler := func(*http.Request) string { return "ada" }, http.NotFoundHandler()

	requests, err := weirotel.NewKeyObserver(meter, "logins")
	if err != nil {
		log.Fatal(err)
	}
	defer requests.Unregister()
	registration, err := weirotel.InstrumentLimiter(meter, "logins", logins)
	if err != nil {
		log.Fatal(err)
	}
	defer registration.Unregister()
	limit := weirhttp.ByKey(logins, account, weirhttp.WithOnDecision(requests.Observe))

	request(limit(handler), "POST", "/login")
	request(limit(handler), "POST", "/login")
	show(reader, "weir.requests")
	show(reader, "weir.decisions")
	// Output:
	// weir.requests {weir.outcome=admitted,weir.partition=logins,weir.reason=by-key} 1
	// weir.requests {weir.outcome=refused,weir.partition=logins,weir.reason=by-key} 1
	// weir.decisions {weir.outcome=admitted,weir.partition=logins,weir.policy=logins} 1
	// weir.decisions {weir.outcome=refused,weir.partition=logins,weir.policy=logins} 1
}

// The quotas of a weir.Multi, each under a name.
func ExampleInstrumentPolicies() {
	reader := sdk.NewManualReader()
	meter := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter(weirotel.ScopeName)
	searches, err := weir.NewMulti([]weir.Quota{weir.PerSecond(1), weir.PerMinute(30)},
		weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	if _, err := weirotel.InstrumentPolicies(meter, "search", []weir.Policy{
		{Name: "second", Limiter: searches.Limiter(0)},
		{Name: "minute", Limiter: searches.Limiter(1)},
	}); err != nil {
		log.Fatal(err)
	}

	searches.Allow("ada")
	searches.Allow("ada")
	show(reader, "weir.decisions")
	// Output:
	// weir.decisions {weir.outcome=admitted,weir.partition=search,weir.policy=minute} 1
	// weir.decisions {weir.outcome=admitted,weir.partition=search,weir.policy=second} 1
	// weir.decisions {weir.outcome=refused,weir.partition=search,weir.policy=second} 1
}

// Where tens of millions of keys make a collection long, and there are several
// readers: at most one look at all keys in ten seconds.
func ExampleWithMaxAge() {
	reader := sdk.NewManualReader()
	meter := sdk.NewMeterProvider(sdk.WithReader(reader)).Meter(weirotel.ScopeName)
	limiter := exampleLimiter()
	if _, err := weirotel.Instrument(meter, limiter, weirotel.WithMaxAge(10*time.Second)); err != nil {
		log.Fatal(err)
	}

	for range 2 {
		limiter.AllowKey(weir.PartitionKey{Partition: weir.User, ID: "7"}, 1)
		show(reader, "weir.decisions")
	}
	// Output:
	// weir.decisions {weir.outcome=admitted,weir.partition=user,weir.policy=user} 1
	// weir.decisions {weir.outcome=admitted,weir.partition=user,weir.policy=user} 1
}
