package weirprom_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirprom"
)

// described is a describe that believes everything, as no service should: callers
// choose whom they are.
func described(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID, req.UserID = r.Header.Get("Business"), r.Header.Get("User")
	req.SourceKey = r.Header.Get("Source")
	return req
}

// labels are those of each family, with all values that they may have.
var partitions = []string{"ip", "user", "business", "business-intake"}
var families = map[string]struct {
	kind   dto.MetricType
	labels map[string][]string
}{
	"weir_decisions_total": {dto.MetricType_COUNTER, map[string][]string{
		"partition": partitions, "policy": partitions, "outcome": {"admitted", "refused"}}},
	"weir_keys":                    {dto.MetricType_GAUGE, byPolicy},
	"weir_table_bytes":             {dto.MetricType_GAUGE, byPolicy},
	"weir_migrations_total":        {dto.MetricType_COUNTER, byPolicy},
	"weir_horizon_raises_total":    {dto.MetricType_COUNTER, byPolicy},
	"weir_forgiven_requests_total": {dto.MetricType_COUNTER, byPolicy},
	"weir_quota_limit":             {dto.MetricType_GAUGE, byPolicy},
	"weir_quota_period_seconds":    {dto.MetricType_GAUGE, byPolicy},
	"weir_quota_burst":             {dto.MetricType_GAUGE, byPolicy},
	"weir_requests_total": {dto.MetricType_COUNTER, map[string][]string{
		"partition": append([]string{"none"}, partitions...), "outcome": {"admitted", "refused", "shadow", "unavailable"},
		"reason": {"by-business", "by-user", "by-source", "anonymous", "source-missing", "source-unknown",
			"source-disabled", "source-mismatched", "source-lookup-failed", "none"}}},
}
var byPolicy = map[string][]string{"partition": partitions, "policy": partitions}

// A service with its metrics, over a connection. Whatever callers send, a scrape has
// the same series, and labels have no other values than those of the table above.
func TestScrapeOfAService(t *testing.T) {
	limiter, observer := newPartitions(t, weir.PerMinute(2)), weirprom.NewObserver()
	registry := registered(t, observer, weirprom.NewCollector(limiter))
	limit := weirhttp.New(limiter, described, weirhttp.WithOnDecision(observer.Observe))
	mux := http.NewServeMux()
	mux.Handle("/", limit(http.NotFoundHandler()))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := httptest.NewServer(mux)
	defer server.Close()

	before := scrape(t, server)
	check(t, before)
	hostile := []string{"42", `a"} 1`, "a,partition=\"x\"", "${jndi:x}", "%0aweir_keys 7", strings.Repeat("a", 2000), "é\u202e"}
	for _, value := range hostile {
		for _, header := range []string{"Business", "User", "Source", "X-Forwarded-For"} {
			for _, path := range []string{"/leads/intake", "/contacts/" + strings.Repeat("b", 300)} {
				for range 3 {
					send(t, server, path, header, value)
				}
			}
		}
	}
	after := scrape(t, server)
	check(t, after)
	if got, want := slices.Sorted(maps.Keys(seriesOf(after))), slices.Sorted(maps.Keys(seriesOf(before))); !slices.Equal(got, want) {
		t.Errorf("series before:\n%s\nafter:\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}

	// Each request was counted once, and the partitions agree with the limiters.
	sent := float64(len(hostile) * 4 * 2 * 3)
	series := seriesOf(after)
	var total float64
	byOutcome := values{}
	for name, value := range series {
		if strings.HasPrefix(name, "weir_requests_total{") {
			total += value
			for _, part := range partitions {
				for _, outcome := range []string{"admitted", "refused"} {
					if strings.Contains(name, `partition="`+part+`"`) && strings.Contains(name, `outcome="`+outcome+`"`) {
						byOutcome[part+" "+outcome] += value
					}
				}
			}
		}
	}
	if total != sent {
		t.Errorf("%v requests counted, %v sent", total, sent)
	}
	for _, part := range partitions {
		for _, outcome := range []string{"admitted", "refused"} {
			name := fmt.Sprintf("weir_decisions_total{outcome=%q,partition=%q,policy=%q}", outcome, part, part)
			if got := byOutcome[part+" "+outcome]; got != series[name] || got == 0 && part != "business-intake" {
				t.Errorf("%s, %s: %v requests, %v decisions", part, outcome, got, series[name])
			}
		}
	}
}

func send(t *testing.T, server *httptest.Server, path, header, value string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound && resp.StatusCode != http.StatusTooManyRequests {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// scrape does what a Prometheus server does.
func scrape(t *testing.T, server *httptest.Server) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := server.Client().Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || expfmt.ResponseFormat(resp.Header).FormatType() != expfmt.TypeTextPlain {
		t.Fatalf("status %d, %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	parsed, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func seriesOf(parsed map[string]*dto.MetricFamily) values {
	series := values{}
	for _, family := range parsed {
		for _, m := range family.GetMetric() {
			series[nameOf(family, m)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return series
}

// check compares a scrape with the table of families.
func check(t *testing.T, parsed map[string]*dto.MetricFamily) {
	t.Helper()
	if got, want := slices.Sorted(maps.Keys(parsed)), slices.Sorted(maps.Keys(families)); !slices.Equal(got, want) {
		t.Errorf("families %v, want %v", got, want)
	}
	for name, family := range parsed {
		want := families[name]
		if family.GetType() != want.kind || family.GetHelp() == "" {
			t.Errorf("%s is a %v, with help %q", name, family.GetType(), family.GetHelp())
		}
		for _, m := range family.GetMetric() {
			if len(m.GetLabel()) != len(want.labels) {
				t.Errorf("%s has other labels", nameOf(family, m))
			}
			for _, label := range m.GetLabel() {
				if !slices.Contains(want.labels[label.GetName()], label.GetValue()) {
					t.Errorf("%s: %s", nameOf(family, m), label)
				}
			}
		}
	}
}

// Under concurrent decisions, floods beyond the bound, changes of the quota, refunds
// and resets, no scrape of one after another has a counter that has fallen; and in
// the end all are exact.
func TestCountersNeverFall(t *testing.T) {
	policies := []weir.Policy{
		{Name: "strict", Limiter: newLimiter(t, weir.PerHour(3), weir.WithMaxKeys(300))},
		{Name: "lenient", Limiter: newLimiter(t, weir.PerHour(3), weir.WithMaxKeys(300), weir.WithOverflow(weir.Lenient))},
	}
	registry := registered(t, weirprom.NewPolicyCollector("p", policies))
	const callers, keys = 2, 6000
	var watch watch
	var scrapers, traffic sync.WaitGroup
	rises := make([]int, 3)
	watch.ready.Add(len(rises))
	for i := range rises {
		scrapers.Go(func() { rises[i] = watch.run(t, registry) })
	}
	watch.ready.Wait()
	for caller := range callers {
		traffic.Go(func() {
			for i := range keys {
				if i == keys/2 {
					watch.again(len(rises))
				}
				disturb(t, policies, fmt.Sprint(caller, i), i)
			}
		})
	}
	traffic.Wait()
	watch.over.Store(true)
	scrapers.Wait()
	counters, _ := gather(t, registry)
	for _, p := range policies {
		labels := `partition="p",policy="` + p.Name + `"}`
		decided := counters[`weir_decisions_total{outcome="admitted",`+labels] + counters[`weir_decisions_total{outcome="refused",`+labels]
		if decided != callers*keys {
			t.Errorf("%s: %v decisions, %d were made", p.Name, decided, callers*keys)
		}
		if counters["weir_migrations_total{"+labels] == 0 {
			t.Errorf("%s: no migration", p.Name)
		}
	}
	if counters[`weir_horizon_raises_total{partition="p",policy="strict"}`] == 0 || counters[`weir_forgiven_requests_total{partition="p",policy="lenient"}`] == 0 {
		t.Errorf("the bound was not reached: %v", counters)
	}
	total := 0
	for _, n := range rises {
		total += n
	}
	if total <= len(rises) || slices.Contains(rises, 0) { // all see the end, and one the middle
		t.Errorf("decisions were seen to rise so often: %v", rises)
	}
}

// disturb makes the i-th request of a caller, and now and then what could make a
// counter fall.
func disturb(t *testing.T, policies []weir.Policy, key string, i int) {
	for _, p := range policies {
		p.Limiter.Allow(key)
		switch i % 1000 {
		case 10:
			p.Limiter.Refund(key, 1)
		case 20:
			p.Limiter.Reset(key)
		case 30:
			if err := p.Limiter.SetQuota(weir.PerHour(int64(3 + i%7))); err != nil {
				t.Error(err)
			}
		}
	}
}

// A watch is what those who collect and those who decide know of each other.
type watch struct {
	ready sync.WaitGroup // until all have collected once
	runs  atomic.Int64   // collections since
	over  atomic.Bool
}

// run collects until once more after all is over, and reports how often it found more
// decisions than before.
func (w *watch) run(t *testing.T, registry prometheus.Gatherer) (rises int) {
	last, _ := gather(t, registry)
	w.ready.Done()
	for ended := false; !ended; {
		ended = w.over.Load()
		now, _ := gather(t, registry)
		w.runs.Add(1)
		rose := false
		for name, value := range now {
			if value < last[name] {
				t.Errorf("%s fell from %v to %v", name, last[name], value)
			}
			rose = rose || value > last[name]
		}
		if rose {
			rises++
		}
		last = now
	}
	return rises
}

// again waits until one of so many has collected twice: once from now on, at least.
func (w *watch) again(many int) {
	for before := w.runs.Load(); w.runs.Load() <= before+int64(many); {
		runtime.Gosched()
	}
}
