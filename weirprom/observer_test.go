package weirprom_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirprom"
)

// The names of weir.Reason are numbered without a gap, and the last one is the one
// that the observer takes for the last.
func TestReasonsAreAll(t *testing.T) {
	last := weir.SourceLookupFailed
	if got := last.String(); got != "source-lookup-failed" {
		t.Errorf("the last reason is %s", got)
	}
	if got := (last + 1).String(); got != "Reason(9)" {
		t.Errorf("there is one more reason, %s", got)
	}
}

// told is what one request of each outcome brings about.
var told = []struct {
	outcome         string
	allowed, shadow bool
	err             error
}{
	{"admitted", true, false, nil},
	{"refused", false, false, nil},
	{"shadow", false, true, errors.ErrUnsupported},
	{"unavailable", false, false, errors.ErrUnsupported},
}

// Each reason with each outcome has a series of its own.
func TestObserverByReason(t *testing.T) {
	observer, limiter := weirprom.NewObserver(), newPartitions(t, weir.PerMinute(1000))
	registry := registered(t, observer)
	if counters, _ := gather(t, registry); len(counters) != 40 {
		t.Errorf("%d series before the first request", len(counters))
	}
	for reason, req := range requests() {
		for _, o := range told {
			before, _ := gather(t, registry)
			ruling := limiter.Decide(t.Context(), req, 1)
			if int(ruling.Reason) != reason {
				t.Fatalf("request %d has the reason %s", reason, ruling.Reason)
			}
			ruling.Allowed, ruling.Err = o.allowed, o.err
			observer.Observe(weirhttp.Outcome{Ruling: ruling, Shadow: o.shadow, Cost: 5})
			name := fmt.Sprintf("weir_requests_total{outcome=%q,partition=%q,reason=%q}",
				o.outcome, ruling.Key.Partition, ruling.Reason)
			onlyRose(t, registry, before, name)
		}
	}
	counters, _ := gather(t, registry)
	ones := 0
	for _, value := range counters {
		if value == 1 {
			ones++
		}
	}
	if ones != 36 {
		t.Errorf("%d series are 1 after one request of each kind", ones)
	}
}

// onlyRose reports unless one counter has risen by one since before, and no other.
func onlyRose(t *testing.T, registry prometheus.Gatherer, before values, name string) {
	t.Helper()
	if _, ok := before[name]; !ok {
		t.Errorf("there is no %s", name)
	}
	after, _ := gather(t, registry)
	for other, value := range after {
		want := before[other]
		if other == name {
			want++
		}
		if value != want {
			t.Errorf("after one request of %s: %s is %v, want %v", name, other, value, want)
		}
	}
}

// Outcomes that are of no partition are told apart from those of one.
func TestObserverOfOtherOutcomes(t *testing.T) {
	for name, outcome := range map[string]weirhttp.Outcome{
		"by key":                {Text: "ada"},
		"no such reason":        {Ruling: weir.Ruling{Reason: 9}},
		"reason at the end":     {Ruling: weir.Ruling{Reason: 255}},
		"no such partition":     {Ruling: weir.Ruling{Key: weir.PartitionKey{Partition: 200}}},
		"of another partition":  {Ruling: weir.Ruling{Reason: weir.Anonymous, Key: weir.PartitionKey{Partition: weir.User}}},
		"the unmatched address": {Ruling: weir.Ruling{Reason: weir.ByUser}},
	} {
		t.Run(name, func(t *testing.T) {
			observer := weirprom.NewObserver()
			registry := registered(t, observer)
			before, _ := gather(t, registry)
			observer.Observe(outcome)
			onlyRose(t, registry, before, `weir_requests_total{outcome="refused",partition="none",reason="none"}`)

			byKey := weirprom.NewKeyObserver("logins")
			registry = registered(t, byKey)
			before, _ = gather(t, registry)
			byKey.Observe(outcome)
			onlyRose(t, registry, before, `weir_requests_total{outcome="refused",partition="logins",reason="by-key"}`)
		})
	}
}

// What middleware of each kind tells, with a quota of one.
func TestObserverOfMiddleware(t *testing.T) {
	one := weir.PerMinute(1)
	everybody := func(*http.Request) string { return "all" }
	multi, err := weir.NewMulti([]weir.Quota{one, weir.PerHour(9)}, weir.WithClock(stopped))
	if err != nil {
		t.Fatal(err)
	}
	type middleware func(...weirhttp.Option) func(http.Handler) http.Handler
	fresh := func() *weir.Limiter { return newLimiter(t, one, weir.WithClock(stopped)) }
	for name, kind := range map[string]middleware{
		"ByKey": func(opts ...weirhttp.Option) func(http.Handler) http.Handler {
			return weirhttp.ByKey(fresh(), everybody, opts...)
		},
		"ByMulti": func(opts ...weirhttp.Option) func(http.Handler) http.Handler {
			return weirhttp.ByMulti(multi, everybody, opts...)
		},
		"ByRoute": func(opts ...weirhttp.Option) func(http.Handler) http.Handler {
			limit, err := weirhttp.ByRoute(map[string]*weir.Limiter{"/": fresh()}, everybody, opts...)
			if err != nil {
				t.Fatal(err)
			}
			return limit
		},
		"New": func(opts ...weirhttp.Option) func(http.Handler) http.Handler {
			return weirhttp.New(newPartitions(t, one), weirhttp.Anonymous, opts...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			observer, labels := weirprom.NewKeyObserver("k"), `partition="k",reason="by-key"}`
			if name == "New" {
				observer, labels = weirprom.NewObserver(), `partition="ip",reason="anonymous"}`
			}
			registry := registered(t, observer)
			served := 0
			handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
			serve := func(limited http.Handler) {
				limited.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/contacts", nil))
			}
			limit := kind(weirhttp.WithOnDecision(observer.Observe))(handler)
			serve(limit)
			serve(limit)
			shadow := kind(weirhttp.WithOnDecision(observer.Observe), weirhttp.WithShadow(),
				weirhttp.WithCost(func(*http.Request) int64 { return 2 }))(handler)
			serve(shadow) // above the burst

			counters, _ := gather(t, registry)
			for _, o := range told {
				want := 1.0
				if o.outcome == "unavailable" {
					want = 0 // limits of this process always can be asked
				}
				if got := counters[`weir_requests_total{outcome="`+o.outcome+`",`+labels]; got != want {
					t.Errorf("%v %s", got, o.outcome)
				}
			}
			if served != 2 {
				t.Errorf("%d served, want the admitted one and the one in shadow", served)
			}
		})
	}
}

// An admitted request allocates nothing, observed or not.
func TestObserveAllocatesNothing(t *testing.T) {
	observer := weirprom.NewObserver()
	limiter := newPartitions(t, weir.Quota{Limit: 1 << 40, Period: 1 << 42})
	served := 0
	handler := weirhttp.New(limiter, described, weirhttp.WithOnDecision(observer.Observe))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/contacts", nil)
	r.Header.Set("Business", "42")
	if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); got != 0 {
		t.Errorf("%v allocations a request", got)
	}
	counters, _ := gather(t, registered(t, observer))
	const admitted = `weir_requests_total{outcome="admitted",partition="business",reason="by-business"}`
	if counters[admitted] != 1001 || served != 1001 { // AllocsPerRun warms up with one
		t.Errorf("%v counted, %d served", counters[admitted], served)
	}
	for name, outcome := range map[string]weirhttp.Outcome{
		"refused": {Ruling: weir.Ruling{Reason: weir.Anonymous}}, "shadow": {Shadow: true}, "no reason": {Ruling: weir.Ruling{Reason: 77}},
	} {
		if got := testing.AllocsPerRun(100, func() { observer.Observe(outcome) }); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

func BenchmarkObserve(b *testing.B) {
	observer := weirprom.NewObserver()
	outcome := weirhttp.Outcome{Ruling: weir.Ruling{Reason: weir.Anonymous}}
	b.ReportAllocs()
	for b.Loop() {
		observer.Observe(outcome)
	}
}

// BenchmarkCollect is a scrape of four partitions with no keys, and with a million.
func BenchmarkCollect(b *testing.B) {
	for _, keys := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			limiter := newPartitions(b, weir.PerHour(10))
			flood(limiter.Policies(weir.Business), keys)
			registry := registered(b, weirprom.NewCollector(limiter), weirprom.NewObserver())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := registry.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
