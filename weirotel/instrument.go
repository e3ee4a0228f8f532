// Package weirotel tells OpenTelemetry what weir's limiters do.
//
//	meter := otel.Meter(weirotel.ScopeName)
//	requests, err := weirotel.NewObserver(meter)
//	...
//	limit := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(requests.Observe))
//	registration, err := weirotel.Instrument(meter, limiter)
//
// [Instrument] asks limiters for their counts when metrics are collected, and costs
// nothing in between. [Observer] counts the requests of a middleware as they come, by
// the reason for the partition that they fell under.
//
// The value of an attribute is a name of weir's own or one that the program has
// given, and never anything that a caller can choose: no key, no address, no path. So
// how many series there are is known when the program starts, and no caller can add
// one.
package weirotel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/telemetry"
)

// ScopeName is the name for the meter that the functions of this package are given.
const ScopeName = "github.com/weirhq/weir/weirotel"

// An Option changes what [Instrument], [InstrumentLimiter] and [InstrumentPolicies]
// do.
type Option func(*options)

type options struct {
	maxAge time.Duration
}

// WithMaxAge lets counts serve collections that come up to that much after they were
// taken; by default, none that come later. It bounds what several readers cost, or
// one that can be asked by anybody: with a second, one look at all keys a second. In
// return a rate over a range r is off by up to the share limit / r, so it should be
// small against the interval of collection. It panics if limit is below 0.
func WithMaxAge(limit time.Duration) Option {
	if limit < 0 {
		panic("weirotel: WithMaxAge: below 0")
	}
	return func(o *options) { o.maxAge = limit }
}

// Instrument has meter observe what limiter counts: decisions, keys, memory,
// migrations, and the quotas as they are now. The attributes of a series are
// weir.partition, the name of a partition such as "business", and weir.policy, that
// of one of its quotas, as [weir.PartitionLimiter.Policies] names it.
//
//	weir.decisions           counter         {request}    by weir.outcome, "admitted" or "refused"
//	weir.keys                up-down counter {key}        keys that are not as if never seen
//	weir.table.size          up-down counter By           memory of the tables
//	weir.migrations          counter         {migration}  tables replaced by a successor
//	weir.horizon.raises      counter         {raise}      times that the bound on keys made a table drop live ones
//	weir.forgiven.requests   counter         {request}    what dropped keys may have made beyond the quota, at most
//	weir.quota.limit         gauge           {request}    requests a period
//	weir.quota.period        gauge           s            the period
//	weir.quota.burst         gauge           {request}    most requests admitted at one instant
//
// A collection costs one [weir.Limiter.Stats] for each quota, some 10 ms for a million
// keys. Those of several readers that come at once share it: however many they are,
// two such looks serve them. What is observed was counted after the collection began,
// unless [WithMaxAge] allows for older counts. Counters never fall, whatever is done
// to quotas and keys. A collection whose context ends while it waits for others
// observes nothing.
//
// Unregister the registration before the same names are instrumented again: the SDK
// adds up what two callbacks observe of one series. A program that has two limiters by
// partition gives each a meter of its own, told apart by
// [metric.WithInstrumentationAttributes].
//
// The error is a [*weir.ConfigError] if meter or limiter is nil, or the meter's.
func Instrument(meter metric.Meter, limiter *weir.PartitionLimiter, opts ...Option) (metric.Registration, error) {
	sources, err := telemetry.SourcesOf(limiter)
	return register("Instrument", meter, sources, err, opts)
}

// InstrumentLimiter is [Instrument] for a single limiter, as a partition of the name
// that the program gives, with one policy of the same name. The error is a
// [*weir.ConfigError] if the name is empty or not UTF-8, or meter or limiter is nil, or
// the meter's.
func InstrumentLimiter(meter metric.Meter, name string, limiter *weir.Limiter, opts ...Option) (metric.Registration, error) {
	sources, err := telemetry.SourcesNamed(name, []weir.Policy{{Name: name, Limiter: limiter}})
	return register("InstrumentLimiter", meter, sources, err, opts)
}

// InstrumentPolicies is [Instrument] for several limiters, as the policies of a
// partition of the name that the program gives: the quotas of a [weir.Multi], or the
// limiters of [weirhttp.ByRoute] by their patterns. Names must not be taken from
// callers. The error is a [*weir.ConfigError] if meter is nil, there is no policy, one
// has no limiter, a name is empty or not UTF-8, or two have the same; or it is the
// meter's.
func InstrumentPolicies(meter metric.Meter, partition string, policies []weir.Policy, opts ...Option) (metric.Registration, error) {
	sources, err := telemetry.SourcesNamed(partition, policies)
	return register("InstrumentPolicies", meter, sources, err, opts)
}

var errNilMeter = &weir.ConfigError{Field: "meter", Value: "nil", Allowed: "one of a MeterProvider"}

func register(caller string, meter metric.Meter, sources []telemetry.Source, err error, opts []Option) (metric.Registration, error) {
	if err == nil && meter == nil {
		err = errNilMeter
	}
	if err != nil {
		return nil, fmt.Errorf("weirotel: %s: %w", caller, err)
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	in, err := newInstruments(meter)
	if err != nil {
		return nil, fmt.Errorf("weirotel: %s: %w", caller, err)
	}
	survey := telemetry.NewSurvey(sources, o.maxAge)
	named := make([]series, len(sources))
	for i, src := range sources {
		named[i] = seriesOf(src)
	}
	return meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		readings, err := survey.Read(ctx)
		for i, r := range readings {
			in.observe(to, r, named[i])
		}
		return err
	}, in.all()...)
}

// series are the attributes of a source, made once.
type series struct {
	plain, admitted, refused []metric.ObserveOption
}

func seriesOf(src telemetry.Source) series {
	set := func(more ...attribute.KeyValue) []metric.ObserveOption {
		more = append(more, partitionKey.String(src.Partition), policyKey.String(src.Policy))
		return []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(more...))}
	}
	return series{set(), set(outcomeKey.String(telemetry.Outcomes[telemetry.Admitted])), set(outcomeKey.String(telemetry.Outcomes[telemetry.Refused]))}
}

// instruments are those of one callback.
type instruments struct {
	decisions, migrations, raises, forgiven metric.Int64ObservableCounter
	keys, size                              metric.Int64ObservableUpDownCounter
	limit, burst                            metric.Int64ObservableGauge
	period                                  metric.Float64ObservableGauge
}

func newInstruments(meter metric.Meter) (in instruments, err error) {
	var errs [9]error
	in.decisions, errs[0] = meter.Int64ObservableCounter("weir.decisions", metric.WithUnit("{request}"),
		metric.WithDescription("Decisions on requests, by the quota that made them."))
	in.keys, errs[1] = meter.Int64ObservableUpDownCounter("weir.keys", metric.WithUnit("{key}"),
		metric.WithDescription("Keys that are not as if never seen."))
	in.size, errs[2] = meter.Int64ObservableUpDownCounter("weir.table.size", metric.WithUnit("By"),
		metric.WithDescription("Memory of the tables and of what they share."))
	in.migrations, errs[3] = meter.Int64ObservableCounter("weir.migrations", metric.WithUnit("{migration}"),
		metric.WithDescription("Tables replaced by a successor."))
	in.raises, errs[4] = meter.Int64ObservableCounter("weir.horizon.raises", metric.WithUnit("{raise}"),
		metric.WithDescription("Successors that the bound on keys made drop live keys."))
	in.forgiven, errs[5] = meter.Int64ObservableCounter("weir.forgiven.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that dropped keys may make beyond the quota, at most."))
	in.limit, errs[6] = meter.Int64ObservableGauge("weir.quota.limit", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that a key may make in a period."))
	in.period, errs[7] = meter.Float64ObservableGauge("weir.quota.period", metric.WithUnit("s"),
		metric.WithDescription("Period of the quota."))
	in.burst, errs[8] = meter.Int64ObservableGauge("weir.quota.burst", metric.WithUnit("{request}"),
		metric.WithDescription("Most requests that a key may make at one instant."))
	return in, errors.Join(errs[:]...)
}

func (in *instruments) all() []metric.Observable {
	return []metric.Observable{in.decisions, in.keys, in.size, in.migrations, in.raises, in.forgiven,
		in.limit, in.period, in.burst}
}

func (in *instruments) observe(to metric.Observer, r telemetry.Reading, s series) {
	to.ObserveInt64(in.decisions, r.Admitted, s.admitted...)
	to.ObserveInt64(in.decisions, r.Refused, s.refused...)
	to.ObserveInt64(in.keys, r.Keys, s.plain...)
	to.ObserveInt64(in.size, r.Bytes, s.plain...)
	to.ObserveInt64(in.migrations, r.Migrations, s.plain...)
	to.ObserveInt64(in.raises, r.HorizonRaises, s.plain...)
	to.ObserveInt64(in.forgiven, r.Forgiven, s.plain...)
	to.ObserveInt64(in.limit, r.Quota.Limit, s.plain...)
	to.ObserveFloat64(in.period, r.Quota.Period.Seconds(), s.plain...)
	to.ObserveInt64(in.burst, r.Burst(), s.plain...)
}
