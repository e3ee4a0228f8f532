package weirprom_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirprom"
)

// All that does not depend on the size of tables, for partitions of one quota, of
// further ones and with tiers, and for a limiter with a quota that was changed.
func TestCollectorTellsAll(t *testing.T) {
	limiter := newPartitions(t, weir.PerMinute(2),
		weir.WithFurtherQuotas(weir.Business, weir.Quota{Limit: 10, Period: time.Hour, Burst: 3}),
		weir.WithIPv6Tier(48, weir.PerSecond(5)))
	for _, req := range requests() {
		for range 3 {
			limiter.Decide(t.Context(), req, 1)
		}
	}
	logins := newLimiter(t, weir.PerMinute(5), weir.WithClock(stopped))
	if err := logins.SetQuota(weir.Quota{Limit: 7, Period: 90 * time.Second}); err != nil {
		t.Fatal(err)
	}
	registry := registered(t, weirprom.NewCollector(limiter), weirprom.NewLimiterCollector("logins", logins))

	want, err := os.ReadFile("testdata/collector.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(want), "\r\n", "\n")
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "weir_decisions_total", "weir_keys",
		"weir_horizon_raises_total", "weir_forgiven_requests_total",
		"weir_quota_limit", "weir_quota_period_seconds", "weir_quota_burst"); err != nil {
		t.Error(err)
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v %v", problems, err)
	}
}

// What depends on the size of tables is what Stats says, under Strict and Lenient and
// after a flood that has reached the bound.
func TestCollectorAgreesWithStats(t *testing.T) {
	policies := []weir.Policy{
		{Name: "strict", Limiter: newLimiter(t, weir.PerHour(9), weir.WithMaxKeys(300))},
		{Name: "lenient", Limiter: newLimiter(t, weir.PerHour(9), weir.WithMaxKeys(300), weir.WithOverflow(weir.Lenient))},
	}
	flood(policies, 4000)
	counters, gauges := gather(t, registered(t, weirprom.NewPolicyCollector("p", policies)))
	for _, p := range policies {
		s := p.Limiter.Stats()
		labels := `{partition="p",policy="` + p.Name + `"}`
		for name, want := range map[string]int64{
			"weir_migrations_total":        s.Migrations,
			"weir_horizon_raises_total":    s.HorizonRaises,
			"weir_forgiven_requests_total": s.Forgiven,
			"weir_keys":                    s.Keys,
			"weir_table_bytes":             s.Bytes,
		} {
			got, ok := counters[name+labels]
			if !ok {
				got, ok = gauges[name+labels]
			}
			if !ok || got != float64(want) {
				t.Errorf("%s%s is %v (%t), Stats says %d", name, labels, got, ok, want)
			}
		}
		if s.Migrations == 0 || s.HorizonRaises == 0 && s.Forgiven == 0 {
			t.Errorf("%s: the flood has not reached the bound: %+v", p.Name, s)
		}
	}
	if policies[1].Limiter.Stats().Forgiven == 0 {
		t.Error("nothing was forgiven")
	}
}

// flood has n new keys make a request under each policy.
func flood(policies []weir.Policy, n int) {
	key := make([]byte, 0, 16)
	for i := range n {
		key = append(key[:0], byte(i), byte(i>>8), byte(i>>16))
		for _, p := range policies {
			p.Limiter.Allow(string(key))
		}
	}
}

// Collectors of different names stand side by side, and two of the same name are an
// error when they are registered, rather than at each scrape.
func TestCollectorsInOneRegistry(t *testing.T) {
	limiter, logins := newPartitions(t, weir.PerMinute(2)), newLimiter(t, weir.PerMinute(2))
	registry := registered(t, weirprom.NewCollector(limiter),
		weirprom.NewLimiterCollector("logins", logins), weirprom.NewLimiterCollector("search", logins),
		weirprom.NewObserver(), weirprom.NewKeyObserver("logins"), weirprom.NewKeyObserver("search"))
	gather(t, registry)

	for name, again := range map[string]prometheus.Collector{
		"partitions":  weirprom.NewCollector(newPartitions(t, weir.PerMinute(3))),
		"limiter":     weirprom.NewLimiterCollector("logins", logins),
		"a partition": weirprom.NewLimiterCollector("business", logins),
		"observer":    weirprom.NewObserver(),
		"by key":      weirprom.NewKeyObserver("search"),
	} {
		if err := registry.Register(again); !errors.As(err, new(prometheus.AlreadyRegisteredError)) &&
			(err == nil || !strings.Contains(err.Error(), "duplicate")) && (err == nil || !strings.Contains(err.Error(), "already exists")) {
			t.Errorf("%s: registered twice: %v", name, err)
		}
	}

	// Two of each kind, told apart by a label for both.
	apart := prometheus.NewPedanticRegistry()
	for _, api := range []string{"public", "internal"} {
		to := prometheus.WrapRegistererWith(prometheus.Labels{"api": api}, apart)
		to.MustRegister(weirprom.NewCollector(limiter), weirprom.NewObserver())
	}
	counters, _ := gather(t, apart)
	if got := len(counters); got != 2*(4*5+40) {
		t.Errorf("%d counters", got)
	}

	for _, c := range []prometheus.Collector{weirprom.NewLimiterCollector("logins", logins), weirprom.NewKeyObserver("logins")} {
		if !registry.Unregister(c) {
			t.Errorf("%T cannot be taken out again", c)
		}
	}
}

// What a program gets wrong must fail when it starts, and say what it was.
func TestConstructorsPanic(t *testing.T) {
	limiter := newLimiter(t, weir.PerMinute(2))
	for want, construct := range map[string]func(){
		`weirprom: NewCollector: weir: limiter is nil; it must be one made by NewPartitionLimiter`: func() {
			weirprom.NewCollector(nil)
		},
		`weirprom: NewLimiterCollector: weir: partition is ""; it must be a name in UTF-8, and not empty`: func() {
			weirprom.NewLimiterCollector("", limiter)
		},
		`weirprom: NewLimiterCollector: weir: limiter of policy "logins" is nil; it must be one made by New`: func() {
			weirprom.NewLimiterCollector("logins", nil)
		},
		`weirprom: NewPolicyCollector: weir: number of policies is 0; it must be at least 1`: func() {
			weirprom.NewPolicyCollector("p", nil)
		},
		`weirprom: NewPolicyCollector: weir: policies[1].Name is "\xff"; it must be a name in UTF-8, and not empty`: func() {
			weirprom.NewPolicyCollector("p", []weir.Policy{{Name: "a", Limiter: limiter}, {Name: "\xff", Limiter: limiter}})
		},
		`weirprom: NewPolicyCollector: weir: policies[1].Name is "a"; it must be given once`: func() {
			weirprom.NewPolicyCollector("p", []weir.Policy{{Name: "a", Limiter: limiter}, {Name: "a", Limiter: limiter}})
		},
		`weirprom: NewKeyObserver: weir: partition is ""; it must be a name in UTF-8, and not empty`: func() {
			weirprom.NewKeyObserver("")
		},
		`weirprom: WithMaxAge: below 0`: func() { weirprom.WithMaxAge(-1) },
	} {
		func() {
			defer func() {
				got := recover()
				if err, ok := got.(error); ok {
					if !errors.As(err, new(*weir.ConfigError)) {
						t.Errorf("%v is no ConfigError", err)
					}
					got = err.Error()
				}
				if got != want {
					t.Errorf("panic %v, want %s", got, want)
				}
			}()
			construct()
		}()
	}
}

// The option reaches the survey, whose own tests say what it does.
func TestCollectorWithMaxAge(t *testing.T) {
	limiter := newLimiter(t, weir.PerMinute(2), weir.WithClock(stopped))
	fresh := registered(t, weirprom.NewLimiterCollector("l", limiter))
	old := registered(t, weirprom.NewLimiterCollector("l", limiter, weirprom.WithMaxAge(time.Hour)))
	const admitted = `weir_decisions_total{outcome="admitted",partition="l",policy="l"}`
	for i, want := range []struct{ fresh, old float64 }{{0, 0}, {1, 0}} {
		f, _ := gather(t, fresh)
		o, _ := gather(t, old)
		if f[admitted] != want.fresh || o[admitted] != want.old {
			t.Errorf("scrape %d: %v admitted, %v with an hour", i, f[admitted], o[admitted])
		}
		limiter.Allow("k")
	}
}
