package weirredis

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
)

// idleClient is a client for what makes no call.
type idleClient struct{ rueidis.Client }

func (idleClient) Mode() rueidis.ClientMode { return rueidis.ClientModeStandalone }

func TestOptions(t *testing.T) {
	for name, opt := range map[string]Option{
		"WithTimeout":                    WithTimeout(0),
		"WithRefusalCache":               WithRefusalCache(-1),
		"WithLeases: batch":              WithLeases(1, time.Second),
		"WithLeases: age":                WithLeases(2, 0),
		"WithFallback":                   WithFallback(Fallback{}),
		"WithFallback: Local: processes": WithFallback(Local(0)),
		"WithBreaker: failures":          WithBreaker(0, time.Second),
		"WithBreaker: retry":             WithBreaker(1, 0),
		"WithOnHealth":                   WithOnHealth(nil),
		"Local: processes":               WithFallback(Local(math.MaxInt)),
	} {
		l, err := New(idleClient{}, weir.PerMinute(300), opt)
		var e *ConfigError
		if l != nil || !errors.As(err, &e) || e.Setting != name || e.Allowed == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, opt := range []Option{
		WithTimeout(1), WithRefusalCache(0), WithLeases(2, 1), WithFallback(Open()), WithFallback(Closed()),
		WithFallback(Local(20)), WithBreaker(1, 1), WithOnHealth(func(Health) {}), WithPrefix(""),
	} {
		if _, err := New(idleClient{}, weir.PerMinute(300), opt); err != nil {
			t.Error(err)
		}
	}
}

func TestNewErrors(t *testing.T) {
	var e *ConfigError
	if _, err := New(nil, weir.PerMinute(300)); !errors.As(err, &e) || e.Setting != "New: client" {
		t.Error(err)
	}
	if _, err := New(idleClient{}, weir.PerSecond(2_000_000)); !errors.As(err, &e) || e.Setting != "quota" {
		t.Error(err)
	}
	var w *weir.ConfigError
	if _, err := New(idleClient{}, weir.Quota{}); !errors.As(err, &w) {
		t.Error(err)
	}
	l, err := New(idleClient{}, weir.PerMinute(300))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.SetQuota(weir.PerSecond(2_000_000)); !errors.As(err, &e) || l.Quota() != weir.PerMinute(300) || l.local.Quota().Burst != 300 {
		t.Errorf("%v, and %v", err, l.Quota())
	}
}

// A share has its part of the rate, and of the burst, but one request at least.
func TestLocalShare(t *testing.T) {
	for _, c := range []struct {
		q         weir.Quota
		processes int
		want      weir.Quota
	}{
		{weir.PerMinute(300), 1, weir.Quota{Limit: 300, Period: time.Minute, Burst: 300}},
		{weir.PerMinute(300), 20, weir.Quota{Limit: 300, Period: 20 * time.Minute, Burst: 15}},
		{weir.Quota{Limit: 7, Period: time.Second, Burst: 5}, 3, weir.Quota{Limit: 7, Period: 3 * time.Second, Burst: 1}},
		{weir.Quota{Limit: 7, Period: time.Second, Burst: 5}, 9, weir.Quota{Limit: 7, Period: 9 * time.Second, Burst: 1}},
	} {
		lo, err := newLocal(c.q, c.processes, 1)
		if err != nil || lo.Quota() != c.want {
			t.Errorf("%v for %d: %v, %v", c.q, c.processes, lo.Quota(), err)
		}
	}
}
