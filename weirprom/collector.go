// Package weirprom tells Prometheus what weir's limiters do.
//
//	requests := weirprom.NewObserver()
//	registry.MustRegister(requests, weirprom.NewCollector(limiter))
//	limit := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(requests.Observe))
//
// [Collector] asks limiters for their counts when it is scraped, and costs nothing
// in between. [Observer] counts the requests of a middleware as they come, by the
// reason for the partition that they fell under.
//
// The value of a label is a name of weir's own or one that the program has given,
// and never anything that a caller can choose: no key, no address, no path. So how
// many series there are is known when the program starts, and no caller can add one.
package weirprom

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/telemetry"
)

// A Collector is a [prometheus.Collector] of what limiters count: decisions, keys,
// memory, migrations, and the quotas as they are now. Its series have the labels
// partition and policy, and one for each quota.
//
//	weir_decisions_total{outcome="admitted"}  requests admitted; under several quotas, each counts it
//	weir_decisions_total{outcome="refused"}   requests refused, by the quota that had the say
//	weir_keys                                 keys that are not as if never seen
//	weir_table_bytes                          memory of the tables
//	weir_migrations_total                     tables replaced by a successor
//	weir_horizon_raises_total                 times that the bound on keys made a table drop live ones
//	weir_forgiven_requests_total              what dropped keys may have made beyond the quota, at most
//	weir_quota_limit                          requests a period
//	weir_quota_period_seconds                 the period
//	weir_quota_burst                          most requests admitted at one instant
//
// A scrape costs one [weir.Limiter.Stats] for each quota, some 10 ms for a million
// keys, and waits for nothing but other scrapes. Those that come at once share it:
// however many they are, two such looks serve them. What a scrape tells was
// counted after the scrape began, unless [WithMaxAge] allows for older counts.
// Counters never fall, whatever is done to quotas and keys.
//
// All methods may be called by any number of goroutines at once.
type Collector struct {
	survey *telemetry.Survey
	descs  [][]*prometheus.Desc // for each source, one for each of its metrics
}

// An Option changes what a [Collector] does.
type Option func(*options)

type options struct {
	maxAge time.Duration
}

// WithMaxAge lets counts serve scrapes that come up to that much after they were
// taken; by default, none that come later. It bounds what scraping costs, however
// often somebody does it: with a second, one look at all keys a second. In return a
// rate over a range r is off by up to the share limit / r, so it should be small
// against the scrape interval. It panics if limit is below 0.
func WithMaxAge(limit time.Duration) Option {
	if limit < 0 {
		panic("weirprom: WithMaxAge: below 0")
	}
	return func(o *options) { o.maxAge = limit }
}

// NewCollector returns a collector of a limiter by partition: the label partition is
// the name of the partition, such as "business", and policy that of the quota, as
// [weir.PartitionLimiter.Policies] names it. It panics if limiter is nil.
//
// A registry refuses a second collector of the same names. A program that has two
// limiters by partition tells them apart by [prometheus.WrapRegistererWith], with
// a label for both.
func NewCollector(limiter *weir.PartitionLimiter, opts ...Option) *Collector {
	sources, err := telemetry.SourcesOf(limiter)
	return newCollector("NewCollector", sources, err, opts)
}

// NewLimiterCollector returns a collector of a single limiter, as a partition of the
// name that the program gives, with one policy of the same name. It panics if the
// name is empty or not UTF-8, or limiter is nil.
func NewLimiterCollector(name string, limiter *weir.Limiter, opts ...Option) *Collector {
	sources, err := telemetry.SourcesNamed(name, []weir.Policy{{Name: name, Limiter: limiter}})
	return newCollector("NewLimiterCollector", sources, err, opts)
}

// NewPolicyCollector returns a collector of several limiters, as the policies of a
// partition of the name that the program gives: the quotas of a [weir.Multi], or
// the limiters of [weirhttp.ByRoute] by their patterns. Names must not be taken from
// callers. It panics if there is no policy, one has no limiter, a name is empty or
// not UTF-8, or two have the same.
func NewPolicyCollector(partition string, policies []weir.Policy, opts ...Option) *Collector {
	sources, err := telemetry.SourcesNamed(partition, policies)
	return newCollector("NewPolicyCollector", sources, err, opts)
}

func newCollector(caller string, sources []telemetry.Source, err error, opts []Option) *Collector {
	if err != nil {
		panic(fmt.Errorf("weirprom: %s: %w", caller, err))
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	c := &Collector{survey: telemetry.NewSurvey(sources, o.maxAge)}
	for _, src := range sources {
		c.descs = append(c.descs, describe(src))
	}
	return c
}

// A metric is one series of a source.
type metric struct {
	name    string
	outcome string // value of the label outcome; "" for no such label
	help    string
	kind    prometheus.ValueType
	value   func(telemetry.Reading) float64
}

const decisionsHelp = "Decisions on requests, by the quota that made them."

// metrics are those of every source. The conversion to float64 is exact up to 2^53,
// and beyond it never falls where an integer rises.
var metrics = []metric{
	{"weir_decisions_total", telemetry.Outcomes[telemetry.Admitted], decisionsHelp, prometheus.CounterValue,
		func(r telemetry.Reading) float64 { return float64(r.Admitted) }},
	{"weir_decisions_total", telemetry.Outcomes[telemetry.Refused], decisionsHelp, prometheus.CounterValue,
		func(r telemetry.Reading) float64 { return float64(r.Refused) }},
	{"weir_keys", "", "Keys that are not as if never seen.", prometheus.GaugeValue,
		func(r telemetry.Reading) float64 { return float64(r.Keys) }},
	{"weir_table_bytes", "", "Memory of the tables and of what they share.", prometheus.GaugeValue,
		func(r telemetry.Reading) float64 { return float64(r.Bytes) }},
	{"weir_migrations_total", "", "Tables replaced by a successor.", prometheus.CounterValue,
		func(r telemetry.Reading) float64 { return float64(r.Migrations) }},
	{"weir_horizon_raises_total", "", "Successors that the bound on keys made drop live keys.", prometheus.CounterValue,
		func(r telemetry.Reading) float64 { return float64(r.HorizonRaises) }},
	{"weir_forgiven_requests_total", "", "Requests that dropped keys may make beyond the quota, at most.", prometheus.CounterValue,
		func(r telemetry.Reading) float64 { return float64(r.Forgiven) }},
	{"weir_quota_limit", "", "Requests that a key may make in a period.", prometheus.GaugeValue,
		func(r telemetry.Reading) float64 { return float64(r.Quota.Limit) }},
	{"weir_quota_period_seconds", "", "Period of the quota.", prometheus.GaugeValue,
		func(r telemetry.Reading) float64 { return r.Quota.Period.Seconds() }},
	{"weir_quota_burst", "", "Most requests that a key may make at one instant.", prometheus.GaugeValue,
		func(r telemetry.Reading) float64 { return float64(r.Burst()) }},
}

// describe makes the descriptions of a source's metrics. All labels are constant, so
// that a registry finds two collectors of the same names when they are registered,
// and not at each scrape; and takes collectors of different names side by side.
func describe(src telemetry.Source) (descs []*prometheus.Desc) {
	for _, m := range metrics {
		labels := prometheus.Labels{"partition": src.Partition, "policy": src.Policy}
		if m.outcome != "" {
			labels["outcome"] = m.outcome
		}
		descs = append(descs, prometheus.NewDesc(m.name, m.help, nil, labels))
	}
	return descs
}

// Describe implements [prometheus.Collector].
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, descs := range c.descs {
		for _, desc := range descs {
			ch <- desc
		}
	}
}

// Collect implements [prometheus.Collector]. See [Collector] for what it costs.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	readings, _ := c.survey.Read(context.Background()) // which never ends
	for i, r := range readings {
		for k, m := range metrics {
			ch <- prometheus.MustNewConstMetric(c.descs[i][k], m.kind, m.value(r))
		}
	}
}
