package weirprom

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/internal/telemetry"
	"github.com/weirhq/weir/weirhttp"
)

// An Observer counts the requests that a middleware of weirhttp has decided on, and
// is a [prometheus.Collector] of
//
//	weir_requests_total{partition, reason, outcome}
//
// where outcome is "admitted", "refused", or "shadow" for a request that was let
// through although it was refused (see [weirhttp.WithShadow]). Each request counts
// once, whatever its cost and however many quotas it is under.
//
// All methods may be called by any number of goroutines at once.
type Observer struct {
	counters [][len(telemetry.Outcomes)]prometheus.Counter // of each class
	byReason bool                                          // classes are those of telemetry.Classes; otherwise there is one
}

// NewObserver returns an observer for the middleware of [weirhttp.New]. Partition
// and reason are the names of [weir.Partition] and [weir.Reason], each reason under
// the one partition that it leads to. All series are there from the start. One
// observer can serve several middlewares; a registry refuses a second one.
//
// Outcomes of other middleware are of no partition, and counted under partition and
// reason "none". [NewKeyObserver] is for those.
func NewObserver() *Observer {
	return newObserver(telemetry.Classes(), true)
}

// NewKeyObserver returns an observer for the middleware of [weirhttp.ByKey], ByMulti
// or ByRoute: under a partition of the name that the program gives, with the reason
// "by-key". It panics if the name is empty or not UTF-8.
func NewKeyObserver(partition string) *Observer {
	if err := telemetry.ValidName("partition", partition); err != nil {
		panic(fmt.Errorf("weirprom: NewKeyObserver: %w", err))
	}
	return newObserver([]telemetry.Class{{Partition: partition, Reason: "by-key"}}, false)
}

func newObserver(classes []telemetry.Class, byReason bool) *Observer {
	o := &Observer{byReason: byReason}
	for _, c := range classes {
		var counters [len(telemetry.Outcomes)]prometheus.Counter
		for i, outcome := range telemetry.Outcomes {
			counters[i] = prometheus.NewCounter(prometheus.CounterOpts{
				Name: "weir_requests_total",
				Help: "Requests decided on, by what they drew on and why.",
				// Constant for the same reason as those of a Collector.
				ConstLabels: prometheus.Labels{"partition": c.Partition, "reason": c.Reason, "outcome": outcome},
			})
		}
		o.counters = append(o.counters, counters)
	}
	return o
}

// Observe counts one outcome; it is meant for [weirhttp.WithOnDecision]. It is one
// atomic addition, some 10 ns, on a counter that was made before: nothing is looked
// up and nothing allocated, and it does not block.
func (o *Observer) Observe(outcome weirhttp.Outcome) {
	class := 0
	if o.byReason {
		class = telemetry.ClassOf(&outcome)
	}
	o.counters[class][telemetry.NumberOf(&outcome)].Inc()
}

// Describe implements [prometheus.Collector].
func (o *Observer) Describe(ch chan<- *prometheus.Desc) {
	for _, counters := range o.counters {
		for _, c := range counters {
			c.Describe(ch)
		}
	}
}

// Collect implements [prometheus.Collector]. It takes some microseconds.
func (o *Observer) Collect(ch chan<- prometheus.Metric) {
	for _, counters := range o.counters {
		for _, c := range counters {
			c.Collect(ch)
		}
	}
}
