package weirotel_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirotel"
)

// outcomesToTell are what one request of each outcome is.
var outcomesToTell = []struct {
	name            string
	allowed, shadow bool
	err             error
}{
	{"admitted", true, false, nil},
	{"refused", false, false, nil},
	{"shadow", false, true, errors.ErrUnsupported},
	{"unavailable", false, false, errors.ErrUnsupported},
}

func newObserver(t testing.TB) (*weirotel.Observer, sdk.Reader) {
	t.Helper()
	reader := sdk.NewManualReader()
	observer, err := weirotel.NewObserver(newMeter(t, reader))
	if err != nil {
		t.Fatal(err)
	}
	return observer, reader
}

func newKeyObserver(t testing.TB, partition string) (*weirotel.Observer, sdk.Reader) {
	t.Helper()
	reader := sdk.NewManualReader()
	observer, err := weirotel.NewKeyObserver(newMeter(t, reader), partition)
	if err != nil {
		t.Fatal(err)
	}
	return observer, reader
}

// The reasons are numbered without a gap, and the last one is the one that the
// observer takes for the last.
func TestReasonsAreAll(t *testing.T) {
	if got := weir.SourceLookupFailed.String(); got != "source-lookup-failed" {
		t.Errorf("the last reason is %s", got)
	}
	if got := (weir.SourceLookupFailed + 1).String(); got != "Reason(9)" {
		t.Errorf("there is one more reason, %s", got)
	}
}

// Each reason with each outcome has a series of its own.
func TestObserverByReason(t *testing.T) {
	observer, reader := newObserver(t)
	limiter := newPartitions(t, weir.PerMinute(1000))
	if counters, _ := collect(t, reader); len(counters) != 40 {
		t.Errorf("%d series before the first request", len(counters))
	}
	for reason, req := range requests() {
		for _, o := range outcomesToTell {
			before, _ := collect(t, reader)
			ruling := limiter.Decide(t.Context(), req, 1)
			if int(ruling.Reason) != reason {
				t.Fatalf("request %d has the reason %s", reason, ruling.Reason)
			}
			ruling.Allowed, ruling.Err = o.allowed, o.err
			observer.Observe(weirhttp.Outcome{Ruling: ruling, Shadow: o.shadow, Cost: 5})
			onlyRose(t, reader, before, fmt.Sprintf("weir.requests{weir.outcome=%s,weir.partition=%s,weir.reason=%s}",
				o.name, ruling.Key.Partition, ruling.Reason))
		}
	}
	counters, _ := collect(t, reader)
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
func onlyRose(t *testing.T, reader sdk.Reader, before values, name string) {
	t.Helper()
	if _, ok := before[name]; !ok {
		t.Errorf("there is no %s", name)
	}
	after, _ := collect(t, reader)
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
		"by key":               {Text: "ada"},
		"no such reason":       {Ruling: weir.Ruling{Reason: 9}},
		"reason at the end":    {Ruling: weir.Ruling{Reason: 255}},
		"no such partition":    {Ruling: weir.Ruling{Key: weir.PartitionKey{Partition: 200}}},
		"of another partition": {Ruling: weir.Ruling{Reason: weir.Anonymous, Key: weir.PartitionKey{Partition: weir.User}}},
		"a user's address":     {Ruling: weir.Ruling{Reason: weir.ByUser}},
	} {
		t.Run(name, func(t *testing.T) {
			observer, reader := newObserver(t)
			before, _ := collect(t, reader)
			observer.Observe(outcome)
			onlyRose(t, reader, before, "weir.requests{weir.outcome=refused,weir.partition=none,weir.reason=none}")

			byKey, reader := newKeyObserver(t, "logins")
			before, _ = collect(t, reader)
			byKey.Observe(outcome)
			onlyRose(t, reader, before, "weir.requests{weir.outcome=refused,weir.partition=logins,weir.reason=by-key}")
		})
	}
}

// Whatever callers send to a service that believes it, the series are the same, and
// each request is counted once.
func TestObserverOfAService(t *testing.T) {
	observer, reader := newObserver(t)
	served := 0
	handler := weirhttp.New(newPartitions(t, weir.PerMinute(2)), believing, weirhttp.WithOnDecision(observer.Observe))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	before, _ := collect(t, reader)
	sent := 0
	for _, value := range []string{"42", "a,weir.partition=x", "\xff\xfe", strings.Repeat("a", 2000)} {
		for _, header := range []string{"Business", "User", "Source", "X-Forwarded-For"} {
			for range 3 {
				r := httptest.NewRequest(http.MethodPost, "/leads/intake", nil)
				if header != "Source" {
					r = httptest.NewRequest(http.MethodPost, "/"+strings.Repeat("b", 300), nil)
				}
				r.Header.Set(header, value)
				handler.ServeHTTP(httptest.NewRecorder(), r)
				sent++
			}
		}
	}
	after, _ := collect(t, reader)
	var admitted, refused int
	for name, value := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("callers have made %s", name)
		}
		switch {
		case strings.Contains(name, "weir.outcome=admitted"):
			admitted += int(value)
		case strings.Contains(name, "weir.outcome=refused"):
			refused += int(value)
		case value != 0:
			t.Errorf("%s is %v", name, value)
		}
	}
	if admitted != served || refused != sent-served || served == 0 || refused == 0 {
		t.Errorf("%d admitted and %d refused of %d, of which %d were served", admitted, refused, sent, served)
	}
}

// believing is a describe that believes everything, as no service should.
func believing(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID, req.UserID = r.Header.Get("Business"), r.Header.Get("User")
	req.SourceKey = r.Header.Get("Source")
	return req
}

// After Unregister nothing is told, and Observe does no harm.
func TestObserverUnregister(t *testing.T) {
	observer, reader := newKeyObserver(t, "k")
	observer.Observe(weirhttp.Outcome{})
	if counters, _ := collect(t, reader); len(counters) != 4 {
		t.Errorf("told %v", counters)
	}
	if err := observer.Unregister(); err != nil {
		t.Error(err)
	}
	observer.Observe(weirhttp.Outcome{})
	var data metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &data); err != nil || len(data.ScopeMetrics) != 0 {
		t.Errorf("after Unregister: %v, error %v", data.ScopeMetrics, err)
	}
}

// An admitted request allocates nothing, observed or not.
func TestObserveAllocatesNothing(t *testing.T) {
	observer, reader := newObserver(t)
	limiter := newPartitions(t, weir.Quota{Limit: 1 << 40, Period: 1 << 42})
	served := 0
	handler := weirhttp.New(limiter, believing, weirhttp.WithOnDecision(observer.Observe))(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/contacts", nil)
	r.Header.Set("Business", "42")
	if got := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); got != 0 {
		t.Errorf("%v allocations a request", got)
	}
	counters, _ := collect(t, reader)
	const admitted = "weir.requests{weir.outcome=admitted,weir.partition=business,weir.reason=by-business}"
	if counters[admitted] != 1001 || served != 1001 { // AllocsPerRun warms up with one
		t.Errorf("%v counted, %d served", counters[admitted], served)
	}
}

func BenchmarkObserve(b *testing.B) {
	observer, _ := newObserver(b)
	outcome := weirhttp.Outcome{Ruling: weir.Ruling{Reason: weir.Anonymous}}
	b.ReportAllocs()
	for b.Loop() {
		observer.Observe(outcome)
	}
}

// BenchmarkCollect is a collection of four partitions with no keys, and with a million.
func BenchmarkCollect(b *testing.B) {
	for _, keys := range []int{0, 1_000_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			limiter, reader := newPartitions(b, weir.PerHour(10)), sdk.NewManualReader()
			for i := range keys {
				limiter.AllowKey(weir.PartitionKey{Partition: weir.Business, ID: fmt.Sprint(i)}, 1)
			}
			if _, err := weirotel.Instrument(newMeter(b, reader), limiter); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				metricsOf(b, reader)
			}
		})
	}
}
