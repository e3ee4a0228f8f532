package weirotel_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirotel"
)

// All that is observed of a limiter: kinds, units, attributes and values. The size of
// the tables is what Stats says.
func TestInstrumentTellsAll(t *testing.T) {
	reader := sdk.NewManualReader()
	limiter := newLimiter(t, weir.Quota{Limit: 2, Period: 90 * time.Second, Burst: 3}, weir.WithClock(stopped))
	if _, err := weirotel.InstrumentLimiter(newMeter(t, reader), "logins", limiter); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ada", "bob", "bob", "bob", "bob"} {
		limiter.Allow(key)
	}
	labels := func(more ...attribute.KeyValue) attribute.Set {
		return attribute.NewSet(append(more, attribute.String("weir.partition", "logins"), attribute.String("weir.policy", "logins"))...)
	}
	point := func(set attribute.Set, value int64) metricdata.DataPoint[int64] {
		return metricdata.DataPoint[int64]{Attributes: set, Value: value}
	}
	sum := func(monotonic bool, points ...metricdata.DataPoint[int64]) metricdata.Sum[int64] {
		return metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: monotonic, DataPoints: points}
	}
	gauge := func(value int64) metricdata.Gauge[int64] {
		return metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{point(labels(), value)}}
	}
	stats := limiter.Stats()
	want := []metricdata.Metrics{
		{Name: "weir.decisions", Unit: "{request}", Description: "Decisions on requests, by the quota that made them.",
			Data: sum(true, point(labels(attribute.String("weir.outcome", "admitted")), 4), point(labels(attribute.String("weir.outcome", "refused")), 1))},
		{Name: "weir.keys", Unit: "{key}", Description: "Keys that are not as if never seen.", Data: sum(false, point(labels(), 2))},
		{Name: "weir.table.size", Unit: "By", Description: "Memory of the tables and of what they share.", Data: sum(false, point(labels(), stats.Bytes))},
		{Name: "weir.migrations", Unit: "{migration}", Description: "Tables replaced by a successor.", Data: sum(true, point(labels(), stats.Migrations))},
		{Name: "weir.horizon.raises", Unit: "{raise}", Description: "Successors that the bound on keys made drop live keys.", Data: sum(true, point(labels(), 0))},
		{Name: "weir.forgiven.requests", Unit: "{request}", Description: "Requests that dropped keys may make beyond the quota, at most.", Data: sum(true, point(labels(), 0))},
		{Name: "weir.quota.limit", Unit: "{request}", Description: "Requests that a key may make in a period.", Data: gauge(2)},
		{Name: "weir.quota.period", Unit: "s", Description: "Period of the quota.",
			Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Attributes: labels(), Value: 90}}}},
		{Name: "weir.quota.burst", Unit: "{request}", Description: "Most requests that a key may make at one instant.", Data: gauge(3)},
	}
	got := metricsOf(t, reader)
	if len(got) != len(want) {
		t.Fatalf("%d metrics, want %d", len(got), len(want))
	}
	for i := range want {
		metricdatatest.AssertEqual(t, want[i], got[i], metricdatatest.IgnoreTimestamp())
	}
}

// Partitions of one quota, of further ones and with tiers, each under its names.
func TestInstrumentPartitions(t *testing.T) {
	reader := sdk.NewManualReader()
	limiter := newPartitions(t, weir.PerMinute(2),
		weir.WithFurtherQuotas(weir.Business, weir.Quota{Limit: 10, Period: time.Hour, Burst: 3}),
		weir.WithIPv6Tier(48, weir.PerSecond(5)))
	registration, err := weirotel.Instrument(newMeter(t, reader), limiter)
	if err != nil {
		t.Fatal(err)
	}
	for _, req := range requests() {
		for range 3 {
			limiter.Decide(t.Context(), req, 1)
		}
	}
	counters, others := collect(t, reader)
	for series, want := range map[string]struct{ admitted, refused, keys, limit float64 }{
		"weir.partition=ip,weir.policy=ip":                           {4, 14, 2, 2},
		"weir.partition=ip,weir.policy=ip/48":                        {2, 0, 1, 5},
		"weir.partition=user,weir.policy=user":                       {2, 1, 1, 2},
		"weir.partition=business,weir.policy=business":               {2, 1, 1, 2},
		"weir.partition=business,weir.policy=business-2":             {2, 0, 1, 10},
		"weir.partition=business-intake,weir.policy=business-intake": {2, 1, 1, 2},
	} {
		if got := counters["weir.decisions{weir.outcome=admitted,"+series+"}"]; got != want.admitted {
			t.Errorf("%s: %v admitted, want %v", series, got, want.admitted)
		}
		if got := counters["weir.decisions{weir.outcome=refused,"+series+"}"]; got != want.refused {
			t.Errorf("%s: %v refused, want %v", series, got, want.refused)
		}
		if got := others["weir.keys{"+series+"}"]; got != want.keys {
			t.Errorf("%s: %v keys, want %v", series, got, want.keys)
		}
		if got := others["weir.quota.limit{"+series+"}"]; got != want.limit {
			t.Errorf("%s: limit %v, want %v", series, got, want.limit)
		}
	}
	if len(counters) != 6*5 || len(others) != 6*5 {
		t.Errorf("%d counters and %d others, want five of each for six policies", len(counters), len(others))
	}

	if err := registration.Unregister(); err != nil {
		t.Error(err)
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil || len(data.ScopeMetrics) != 0 {
		t.Errorf("after Unregister: %v, error %v", data.ScopeMetrics, err)
	}
}

// A reader of differences gets those; and two readers get the same.
func TestInstrumentForTwoReaders(t *testing.T) {
	delta := sdk.NewManualReader(sdk.WithTemporalitySelector(func(sdk.InstrumentKind) metricdata.Temporality {
		return metricdata.DeltaTemporality
	}))
	cumulative := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(delta), sdk.WithReader(cumulative))
	limiter := newLimiter(t, weir.PerMinute(10), weir.WithClock(stopped))
	if _, err := weirotel.InstrumentLimiter(provider.Meter(weirotel.ScopeName), "l", limiter); err != nil {
		t.Fatal(err)
	}
	const admitted = "weir.decisions{weir.outcome=admitted,weir.partition=l,weir.policy=l}"
	for i, want := range []float64{1, 2, 3} {
		for range int(want) {
			limiter.Allow("k")
		}
		d, _ := collect(t, delta)
		c, _ := collect(t, cumulative)
		if total := want * (want + 1) / 2; d[admitted] != want || c[admitted] != total {
			t.Errorf("collection %d: %v and %v admitted, want %v and %v", i, d[admitted], c[admitted], want, total)
		}
	}
}

// The option reaches the survey, whose own tests say what it does.
func TestInstrumentWithMaxAge(t *testing.T) {
	reader := sdk.NewManualReader()
	limiter := newLimiter(t, weir.PerMinute(10), weir.WithClock(stopped))
	meter := newMeter(t, reader)
	for name, opts := range map[string][]weirotel.Option{"fresh": nil, "old": {weirotel.WithMaxAge(time.Hour)}} {
		if _, err := weirotel.InstrumentLimiter(meter, name, limiter, opts...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		counters, _ := collect(t, reader)
		for name, want := range map[string]int{"fresh": i, "old": 0} {
			series := fmt.Sprintf("weir.decisions{weir.outcome=admitted,weir.partition=%s,weir.policy=%[1]s}", name)
			if got, ok := counters[series]; !ok || got != float64(want) {
				t.Errorf("collection %d: %s: %v, want %d", i, name, got, want)
			}
		}
		limiter.Allow("k")
	}
}

// Under concurrent decisions, floods beyond the bound, changes of the quota, refunds
// and resets, no collection of one after another has a counter that has fallen; and
// in the end all are exact.
func TestCountersNeverFall(t *testing.T) {
	policies := []weir.Policy{
		{Name: "strict", Limiter: newLimiter(t, weir.PerHour(3), weir.WithMaxKeys(300))},
		{Name: "lenient", Limiter: newLimiter(t, weir.PerHour(3), weir.WithMaxKeys(300), weir.WithOverflow(weir.Lenient))},
	}
	readers := []sdk.Reader{sdk.NewManualReader(), sdk.NewManualReader(), sdk.NewManualReader()}
	var opts []sdk.Option
	for _, r := range readers {
		opts = append(opts, sdk.WithReader(r))
	}
	meter := sdk.NewMeterProvider(opts...).Meter(weirotel.ScopeName)
	if _, err := weirotel.InstrumentPolicies(meter, "p", policies); err != nil {
		t.Fatal(err)
	}
	const callers, keys = 2, 6000
	var watch watch
	var collecting, traffic sync.WaitGroup
	rises := make([]int, len(readers))
	watch.ready.Add(len(rises))
	for i, r := range readers {
		collecting.Go(func() { rises[i] = watch.run(t, r) })
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
	collecting.Wait()
	counters, _ := collect(t, readers[0])
	for _, p := range policies {
		labels := "weir.partition=p,weir.policy=" + p.Name + "}"
		decided := counters["weir.decisions{weir.outcome=admitted,"+labels] + counters["weir.decisions{weir.outcome=refused,"+labels]
		if decided != callers*keys {
			t.Errorf("%s: %v decisions, %d were made", p.Name, decided, callers*keys)
		}
		if counters["weir.migrations{"+labels] == 0 {
			t.Errorf("%s: no migration", p.Name)
		}
	}
	if counters["weir.horizon.raises{weir.partition=p,weir.policy=strict}"] == 0 ||
		counters["weir.forgiven.requests{weir.partition=p,weir.policy=lenient}"] == 0 {
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
func (w *watch) run(t *testing.T, reader sdk.Reader) (rises int) {
	last, _ := collect(t, reader)
	w.ready.Done()
	for ended := false; !ended; {
		ended = w.over.Load()
		now, _ := collect(t, reader)
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
