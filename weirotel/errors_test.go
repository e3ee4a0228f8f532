package weirotel_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirotel"
)

// refusing is a meter that makes no instruments of some name, or takes no callbacks.
type refusing struct {
	noop.Meter
	name string
}

var errRefusing = errors.New("no")

func (m refusing) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	if name == m.name {
		return nil, errRefusing
	}
	return m.Meter.Int64ObservableCounter(name, opts...)
}

func (m refusing) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	if name == m.name {
		return nil, errRefusing
	}
	return m.Meter.Int64ObservableUpDownCounter(name, opts...)
}

func (m refusing) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	if name == m.name {
		return nil, errRefusing
	}
	return m.Meter.Int64ObservableGauge(name, opts...)
}

func (m refusing) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	if name == m.name {
		return nil, errRefusing
	}
	return m.Meter.Float64ObservableGauge(name, opts...)
}

func (m refusing) RegisterCallback(f metric.Callback, of ...metric.Observable) (metric.Registration, error) {
	if m.name == "callback" {
		return nil, errRefusing
	}
	return m.Meter.RegisterCallback(f, of...)
}

// An error of the meter, at any of its instruments, is that of the function.
func TestErrorsOfTheMeter(t *testing.T) {
	limiter := newPartitions(t, weir.PerMinute(2))
	reader := sdk.NewManualReader()
	if _, err := weirotel.Instrument(newMeter(t, reader), limiter); err != nil {
		t.Fatal(err)
	}
	names := []string{"callback"}
	for _, m := range metricsOf(t, reader) {
		names = append(names, m.Name)
	}
	if len(names) != 10 {
		t.Errorf("%d names", len(names))
	}
	for _, name := range names {
		if r, err := weirotel.Instrument(refusing{name: name}, limiter); !errors.Is(err, errRefusing) || r != nil {
			t.Errorf("no %s: %v, error %v", name, r, err)
		}
	}
	for _, name := range []string{"callback", "weir.requests"} {
		if o, err := weirotel.NewObserver(refusing{name: name}); !errors.Is(err, errRefusing) || o != nil {
			t.Errorf("no %s: %v, error %v", name, o, err)
		}
	}
	if _, err := weirotel.Instrument(refusing{}, limiter); err != nil {
		t.Errorf("a meter that refuses nothing: %v", err)
	}
}

// What a program gets wrong is an error that says what it was.
func TestConfigErrors(t *testing.T) {
	limiter, meter := newLimiter(t, weir.PerMinute(2)), newMeter(t, sdk.NewManualReader())
	instrument := func(m metric.Meter, partition string, policies ...weir.Policy) error {
		_, err := weirotel.InstrumentPolicies(m, partition, policies)
		return err
	}
	policy := func(name string) weir.Policy { return weir.Policy{Name: name, Limiter: limiter} }
	_, partitions := weirotel.Instrument(meter, nil)
	_, single := weirotel.InstrumentLimiter(meter, "logins", nil)
	_, observer := weirotel.NewObserver(nil)
	_, byKey := weirotel.NewKeyObserver(meter, "\xff")
	for want, err := range map[string]error{
		`weirotel: Instrument: weir: limiter is nil; it must be one made by NewPartitionLimiter`:                    partitions,
		`weirotel: InstrumentLimiter: weir: limiter of policy "logins" is nil; it must be one made by New`:          single,
		`weirotel: InstrumentPolicies: weir: meter is nil; it must be one of a MeterProvider`:                       instrument(nil, "p", policy("a")),
		`weirotel: InstrumentPolicies: weir: partition is ""; it must be a name in UTF-8, and not empty`:            instrument(meter, "", policy("a")),
		`weirotel: InstrumentPolicies: weir: number of policies is 0; it must be at least 1`:                        instrument(meter, "p"),
		`weirotel: InstrumentPolicies: weir: policies[1].Name is "\xff"; it must be a name in UTF-8, and not empty`: instrument(meter, "p", policy("a"), policy("\xff")),
		`weirotel: InstrumentPolicies: weir: policies[1].Name is "a"; it must be given once`:                        instrument(meter, "p", policy("a"), policy("a")),
		`weirotel: NewObserver: weir: meter is nil; it must be one of a MeterProvider`:                              observer,
		`weirotel: NewKeyObserver: weir: partition is "\xff"; it must be a name in UTF-8, and not empty`:            byKey,
	} {
		if err == nil || err.Error() != want || !errors.As(err, new(*weir.ConfigError)) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	defer func() {
		if got := recover(); got != "weirotel: WithMaxAge: below 0" {
			t.Errorf("panic %v", got)
		}
	}()
	weirotel.WithMaxAge(-1)
}

// capturing is a meter that keeps the callback it was last given.
type capturing struct {
	metric.Meter
	callback *metric.Callback
}

func (m capturing) RegisterCallback(f metric.Callback, of ...metric.Observable) (metric.Registration, error) {
	*m.callback = f
	return m.Meter.RegisterCallback(f, of...)
}

// A collection whose context has ended says so, if it had to wait, and observes
// nothing rather than half of it.
func TestCollectionHeedsItsContext(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var shut atomic.Bool
	limiter := newLimiter(t, weir.PerMinute(2), weir.WithClock(func() time.Duration {
		if shut.CompareAndSwap(true, false) {
			close(entered)
			<-leave
		}
		return time.Hour
	}))
	readers := []sdk.Reader{sdk.NewManualReader(), sdk.NewManualReader()}
	meter := sdk.NewMeterProvider(sdk.WithReader(readers[0]), sdk.WithReader(readers[1])).Meter(weirotel.ScopeName)
	var callback metric.Callback
	if _, err := weirotel.InstrumentLimiter(capturing{meter, &callback}, "l", limiter); err != nil {
		t.Fatal(err)
	}
	shut.Store(true)
	done := make(chan values)
	go func() {
		counters, _ := collect(t, readers[0])
		done <- counters
	}()
	<-entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var data metricdata.ResourceMetrics
	if err := readers[1].Collect(ctx, &data); !errors.Is(err, context.Canceled) || len(data.ScopeMetrics) != 0 {
		t.Errorf("collected %v, error %v", data.ScopeMetrics, err)
	}
	if err := callback(ctx, nil); !errors.Is(err, context.Canceled) { // which would panic if it observed
		t.Errorf("the callback says %v", err)
	}
	close(leave)
	if counters := <-done; len(counters) != 5 {
		t.Errorf("the other one has %v", slices.Collect(maps.Keys(counters)))
	}
}
