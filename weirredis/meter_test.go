package weirredis

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

func TestMeter(t *testing.T) {
	for _, c := range []struct {
		q                          weir.Quota
		interval, tolerance, burst int64
	}{
		{weir.PerMinute(300), 200_000, 60_000_000, 300},
		{weir.PerSecond(7), 142_858, 7 * 142_858, 7},
		{weir.PerSecond(1_000_000), 1, 1_000_000, 1_000_000},
		{weir.Quota{Limit: 1, Period: 1001}, 2, 2, 1},
		{weir.Quota{Limit: 3, Period: 3_001, Burst: 2}, 2, 4, 2},
		{weir.Quota{Limit: 1, Period: maxTolerance * time.Microsecond}, maxTolerance, maxTolerance, 1},
	} {
		m, err := newMeter(c.q)
		if err != nil {
			t.Errorf("%v: %v", c.q, err)
			continue
		}
		if m.interval != c.interval || m.tolerance != c.tolerance || m.burst != c.burst {
			t.Errorf("%v: interval %d, tolerance %d, burst %d", c.q, m.interval, m.tolerance, m.burst)
		}
	}
}

// The interval is ⌈Period / Limit⌉ in whole microseconds, so no rounding admits more.
func TestMeterRoundsUp(t *testing.T) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for range 10_000 {
		q := weir.Quota{Limit: 1 + random.Int64()>>(20+random.IntN(40)), Period: time.Duration(1 + random.Int64()>>random.IntN(62)), Burst: 1}
		m, err := newMeter(q)
		if err != nil {
			continue
		}
		want, rest := new(big.Int).DivMod(big.NewInt(int64(q.Period)), new(big.Int).Mul(big.NewInt(q.Limit), big.NewInt(1000)), new(big.Int))
		if rest.Sign() > 0 {
			want.Add(want, big.NewInt(1))
		}
		if want.Cmp(big.NewInt(m.interval)) != 0 {
			t.Fatalf("%v: %d, want %v", q, m.interval, want)
		}
	}
}

func TestMeterErrors(t *testing.T) {
	for _, q := range []weir.Quota{
		weir.PerSecond(1_000_001),
		{Limit: 3, Period: time.Microsecond, Burst: 2},
		{Limit: 1, Period: 999 * time.Nanosecond},
		{Limit: 1, Period: 1001, Burst: 1 << 51}, // an interval of 2 µs, and 142 years
	} {
		var e *ConfigError
		if _, err := newMeter(q); !errors.As(err, &e) || e.Value != q.String() || e.Allowed == "" {
			t.Errorf("%v: %v", q, err)
		}
	}
	var e *weir.ConfigError
	if _, err := newMeter(weir.Quota{}); !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
}

func TestSlot(t *testing.T) {
	for name, want := range map[string]uint16{ // from the cluster specification, and CLUSTER KEYSLOT
		"123456789":                     0x31C3,
		"":                              0,
		"foo":                           12182,
		"somekey":                       11058,
		"foo{hash_tag}":                 2515,
		"bar{hash_tag}":                 2515,
		"foo{}{bar}":                    8363,
		"foo{{bar}}zap":                 4015,
		"foo{bar}{zap}":                 5061,
		"{user1000}.following":          3443,
		"user1000":                      3443,
		"weir:{tenant-7}:business:42":   slot("tenant-7"),
		"weir:}{tenant-7}:business:42":  slot("tenant-7"),
		"weir:{tenant-7:business:42":    slot("weir:{tenant-7:business:42"),
		"weir:{}tenant-7}:{business}42": slot("weir:{}tenant-7}:{business}42"),
	} {
		if got := slot(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}
