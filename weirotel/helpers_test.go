package weirotel_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirotel"
)

// stopped is a clock that stands still.
func stopped() time.Duration { return time.Hour }

// bySource is a lookup for each of the reasons: there are the sources "enabled" and
// "disabled" of business 42, and the lookup of "broken" fails.
func bySource(_ context.Context, sourceKey string) (weir.Source, error) {
	switch sourceKey {
	case "enabled", "disabled":
		return weir.Source{BusinessID: "42", Enabled: sourceKey == "enabled"}, nil
	case "broken":
		return weir.Source{}, context.DeadlineExceeded
	}
	return weir.Source{}, weir.ErrNoSource
}

// newPartitions has the same quota for all partitions.
func newPartitions(t testing.TB, q weir.Quota, opts ...weir.Option) *weir.PartitionLimiter {
	t.Helper()
	resolver, err := weir.NewResolver(bySource)
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q,
	}, append([]weir.Option{weir.WithClock(stopped)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

func newLimiter(t testing.TB, q weir.Quota, opts ...weir.Option) *weir.Limiter {
	t.Helper()
	limiter, err := weir.New(q, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// requests has one for each reason, in their order.
func requests() []weir.Request {
	const intake = "/leads/intake"
	v4, v6 := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")
	return []weir.Request{
		weir.ByBusiness:         {Method: "GET", Path: "/contacts", BusinessID: "42"},
		weir.ByUser:             {Method: "GET", Path: "/contacts", UserID: "7"},
		weir.BySource:           {Method: "POST", Path: intake, SourceKey: "enabled"},
		weir.Anonymous:          {Method: "GET", Path: "/contacts", Addr: v4},
		weir.SourceMissing:      {Method: "POST", Path: intake, Addr: v4},
		weir.SourceUnknown:      {Method: "POST", Path: intake, SourceKey: "other", Addr: v4},
		weir.SourceDisabled:     {Method: "POST", Path: intake, SourceKey: "disabled", Addr: v4},
		weir.SourceMismatched:   {Method: "POST", Path: intake, SourceKey: "enabled", BusinessID: "43", Addr: v4},
		weir.SourceLookupFailed: {Method: "POST", Path: intake, SourceKey: "broken", Addr: v6},
	}
}

// newMeter is a meter of a provider with the reader.
func newMeter(t testing.TB, reader sdk.Reader) metric.Meter {
	t.Helper()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return provider.Meter(weirotel.ScopeName)
}

// Values are those of series, known by their name and attributes, as text.
type values map[string]float64

// collect reads what the reader is told: monotonic sums, and all else.
func collect(t testing.TB, reader sdk.Reader) (counters, others values) {
	t.Helper()
	counters, others = values{}, values{}
	for _, m := range metricsOf(t, reader) {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			into := others
			if data.IsMonotonic {
				into = counters
			}
			add(into, m.Name, data.DataPoints)
		case metricdata.Gauge[int64]:
			add(others, m.Name, data.DataPoints)
		case metricdata.Gauge[float64]:
			add(others, m.Name, data.DataPoints)
		default:
			t.Errorf("%s is a %T", m.Name, data)
		}
	}
	return counters, others
}

func add[N int64 | float64](to values, name string, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		to[name+nameOf(p.Attributes)] = float64(p.Value)
	}
}

// nameOf is the text of attributes, which are sorted: {weir.partition=ip}.
func nameOf(set attribute.Set) string {
	var all []string
	for _, a := range set.ToSlice() {
		all = append(all, string(a.Key)+"="+a.Value.AsString())
	}
	return "{" + strings.Join(all, ",") + "}"
}

// metricsOf collects once; all are of one scope.
func metricsOf(t testing.TB, reader sdk.Reader) []metricdata.Metrics {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Error(err)
		return nil
	}
	if len(data.ScopeMetrics) != 1 || data.ScopeMetrics[0].Scope.Name != weirotel.ScopeName {
		t.Errorf("scopes: %v", data.ScopeMetrics)
		return nil
	}
	return data.ScopeMetrics[0].Metrics
}
