package weirotel

import (
	"context"
	"fmt"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/weirhq/weir/internal/telemetry"
	"github.com/weirhq/weir/weirhttp"
)

// The attributes of this package.
const (
	partitionKey = attribute.Key("weir.partition")
	policyKey    = attribute.Key("weir.policy")
	reasonKey    = attribute.Key("weir.reason")
	outcomeKey   = attribute.Key("weir.outcome")
)

// An Observer counts the requests that a middleware of weirhttp has decided on, as
// the counter weir.requests, in {request}, with the attributes weir.partition,
// weir.reason and weir.outcome. The outcome is "admitted", "refused", or "shadow"
// for a request that was let through although it was refused (see
// [weirhttp.WithShadow]). Each request counts once, whatever its cost and however
// many quotas it is under.
//
// It counts by itself and is asked when metrics are collected, rather than calling
// an instrument for each request. That would take an SDK some 160 ns a request, and
// this takes 10, whatever the SDK; the price is that there are no exemplars.
//
// All methods may be called by any number of goroutines at once.
type Observer struct {
	counts       []classCounts // of each class
	byReason     bool          // classes are those of telemetry.Classes; otherwise there is one
	registration metric.Registration
}

// classCounts are the counts of a class of requests, by outcome.
type classCounts struct {
	n      [len(telemetry.Outcomes)]atomic.Int64
	series [len(telemetry.Outcomes)][]metric.ObserveOption // their attributes, made once
}

// NewObserver returns an observer for the middleware of [weirhttp.New]. Partition
// and reason are the names of [weir.Partition] and [weir.Reason], each reason under
// the one partition that it leads to. All series are there from the start. One
// observer can serve several middlewares; of a second one on the same meter, the SDK
// adds up the counts.
//
// Outcomes of other middleware are of no partition, and counted under partition and
// reason "none". [NewKeyObserver] is for those.
//
// The error is a [*weir.ConfigError] if meter is nil, or the meter's.
func NewObserver(meter metric.Meter) (*Observer, error) {
	return newObserver("NewObserver", meter, telemetry.Classes(), true)
}

// NewKeyObserver returns an observer for the middleware of [weirhttp.ByKey], ByMulti
// or ByRoute: under a partition of the name that the program gives, with the reason
// "by-key". The error is a [*weir.ConfigError] if the name is empty or not UTF-8, or
// meter is nil, or it is the meter's.
func NewKeyObserver(meter metric.Meter, partition string) (*Observer, error) {
	if err := telemetry.ValidName("partition", partition); err != nil {
		return nil, fmt.Errorf("weirotel: NewKeyObserver: %w", err)
	}
	return newObserver("NewKeyObserver", meter, []telemetry.Class{{Partition: partition, Reason: "by-key"}}, false)
}

func newObserver(caller string, meter metric.Meter, classes []telemetry.Class, byReason bool) (*Observer, error) {
	if meter == nil {
		return nil, fmt.Errorf("weirotel: %s: %w", caller, errNilMeter)
	}
	o := &Observer{counts: make([]classCounts, len(classes)), byReason: byReason}
	for i, c := range classes {
		for k, outcome := range telemetry.Outcomes {
			o.counts[i].series[k] = []metric.ObserveOption{metric.WithAttributeSet(attribute.NewSet(
				partitionKey.String(c.Partition), reasonKey.String(c.Reason), outcomeKey.String(outcome)))}
		}
	}
	requests, err := meter.Int64ObservableCounter("weir.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests decided on, by what they drew on and why."))
	if err == nil {
		o.registration, err = meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
			o.tell(to, requests)
			return nil
		}, requests)
	}
	if err != nil {
		return nil, fmt.Errorf("weirotel: %s: %w", caller, err)
	}
	return o, nil
}

// Observe counts one outcome; it is meant for [weirhttp.WithOnDecision]. It is one
// atomic addition, some 10 ns, and neither allocates nor blocks.
func (o *Observer) Observe(outcome weirhttp.Outcome) {
	class := 0
	if o.byReason {
		class = telemetry.ClassOf(&outcome)
	}
	o.counts[class].n[telemetry.NumberOf(&outcome)].Add(1)
}

// Unregister ends what the meter is told. Observe may still be called, and is then
// heard by nobody. The error is the meter's.
func (o *Observer) Unregister() error { return o.registration.Unregister() }

func (o *Observer) tell(to metric.Observer, requests metric.Int64Observable) {
	for i := range o.counts {
		c := &o.counts[i]
		for k := range c.n {
			to.ObserveInt64(requests, c.n[k].Load(), c.series[k]...)
		}
	}
}
