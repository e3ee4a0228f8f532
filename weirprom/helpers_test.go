package weirprom_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/weirhq/weir"
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

// registered is a pedantic registry of the collectors.
func registered(t testing.TB, collectors ...prometheus.Collector) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := registry.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return registry
}

// Values are those of series, known by their name and labels, as text.
type values map[string]float64

// gather reads all series of a registry, counters apart from others.
func gather(t testing.TB, from prometheus.Gatherer) (counters, gauges values) {
	t.Helper()
	counters, gauges = values{}, values{}
	families, err := from.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				counters[nameOf(family, m)] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				gauges[nameOf(family, m)] = m.GetGauge().GetValue()
			default:
				t.Errorf("%s is a %v", family.GetName(), family.GetType())
			}
		}
	}
	return counters, gauges
}

// nameOf is a series as PromQL writes it; labels are sorted.
func nameOf(family *dto.MetricFamily, m *dto.Metric) string {
	name, separator := family.GetName(), "{"
	for _, label := range m.GetLabel() {
		name += separator + label.GetName() + `="` + label.GetValue() + `"`
		separator = ","
	}
	return name + "}"
}
