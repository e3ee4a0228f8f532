package weir

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

func TestQuotaText(t *testing.T) {
	for _, c := range []struct {
		text  string
		quota Quota
		again string // how String writes it
	}{
		{"300/1m", PerMinute(300), "300/1m"},
		{"300/60s", PerMinute(300), "300/1m"},
		{"300/1m burst 50", Quota{300, time.Minute, 50}, "300/1m burst 50"},
		{"300/1m burst 300", Quota{300, time.Minute, 300}, "300/1m burst 300"},
		{"5/1s", PerSecond(5), "5/1s"},
		{"7/1h", PerHour(7), "7/1h"},
		{"7/24h", Quota{7, 24 * time.Hour, 0}, "7/24h"},
		{"1/10s", Quota{1, 10 * time.Second, 0}, "1/10s"},
		{"1/1h0m10s", Quota{1, time.Hour + 10*time.Second, 0}, "1/1h0m10s"},
		{"1/1h30m", Quota{1, 90 * time.Minute, 0}, "1/1h30m"},
		{"1/100ms", Quota{1, 100 * time.Millisecond, 0}, "1/100ms"},
		{"1/1ns burst 2305843009213693952", Quota{1, 1, 1 << 61}, "1/1ns burst 2305843009213693952"},
	} {
		q, err := ParseQuota(c.text)
		if err != nil || q != c.quota {
			t.Errorf("ParseQuota(%q) = %+v, %v; want %+v", c.text, q, err, c.quota)
		}
		if got := c.quota.String(); got != c.again {
			t.Errorf("%+v.String() = %q, want %q", c.quota, got, c.again)
		}
	}
}

func TestQuotaTextErrors(t *testing.T) {
	for text, offset := range map[string]int{
		"": 0, "300": 3, "/1m": 0, "x/1m": 0, "-1/1m": 0, "+1/1m": 0, "1e3/1m": 0, "9223372036854775808/1m": 0,
		"300/": 4, "300/m": 4, "300/1": 4, "300/1m ": 4, "300/1m burst": 4, "300/1m burst ": 13,
		"300/1m burst x": 13, "300/1m burst 0": 13, "300/1m burst -1": 13, "300 /1m": 0,
	} {
		_, err := ParseQuota(text)
		var parse *ParseError
		if !errors.As(err, &parse) || parse.Text != text || parse.Offset != offset || parse.Allowed == "" {
			t.Errorf("ParseQuota(%q): %v (%+v), want a ParseError at %d", text, err, parse, offset)
		}
	}
	for _, text := range []string{"0/1m", "1/0s", "1/-1s", "1/1h burst 9223372036854775807"} {
		_, err := ParseQuota(text)
		var config *ConfigError
		if !errors.As(err, &config) {
			t.Errorf("ParseQuota(%q): %v, want a ConfigError", text, err)
		}
	}
}

func TestQuotaJSON(t *testing.T) {
	var got struct{ Q Quota }
	if err := json.Unmarshal([]byte(`{"Q":"10/1s burst 3"}`), &got); err != nil || got.Q != (Quota{10, time.Second, 3}) {
		t.Fatalf("%+v, %v", got, err)
	}
	if text, err := json.Marshal(got); err != nil || string(text) != `{"Q":"10/1s burst 3"}` {
		t.Fatalf("%s, %v", text, err)
	}
	before := got.Q
	if err := got.Q.UnmarshalText([]byte("10/1s burst 0")); err == nil || got.Q != before {
		t.Fatalf("a bad text changed the quota to %v (error %v)", got.Q, err)
	}
	if _, err := (Quota{}).MarshalText(); err == nil {
		t.Fatal("an invalid quota was written")
	}
}

func TestQuotaValidate(t *testing.T) {
	for field, quotas := range map[string][]Quota{
		"": {
			{1, 1, 0}, {math.MaxInt64, 1, 1}, {1, 1 << 61, 1}, {1, 1, 1 << 61},
			{3, 10, 1 << 61 / 4}, {math.MaxInt64, math.MaxInt64, 1 << 61},
		},
		"Quota.Limit":  {{0, time.Second, 1}, {-1, time.Second, 1}},
		"Quota.Period": {{1, 0, 1}, {1, -1, 1}},
		"Quota.Burst": {
			{1, time.Second, -1}, {1, 1<<61 + 1, 1}, {1, 1, 1<<61 + 1}, {3, 10, 1<<61/4 + 1},
			{1, math.MaxInt64, 0}, {math.MaxInt64, 1, 0}, {2, time.Hour, math.MaxInt64},
		},
	} {
		for _, q := range quotas {
			err := q.Validate()
			var config *ConfigError
			switch {
			case field == "" && err != nil:
				t.Errorf("%v: %v, want none", q, err)
			case field != "" && (!errors.As(err, &config) || config.Field != field):
				t.Errorf("%v: %v, want an error of %s", q, err, field)
			}
			if (err == nil) != (q.MaxIn(0) > 0) {
				t.Errorf("%v: MaxIn(0) = %d beside %v", q, q.MaxIn(0), err)
			}
		}
	}
}

func TestMaxIn(t *testing.T) {
	for _, c := range []struct {
		q      Quota
		window time.Duration
		want   int64
	}{
		{PerMinute(300), time.Minute, 600},
		{PerMinute(300), time.Minute - 1, 599},
		{PerMinute(300), 0, 300},
		{PerMinute(300), -1, 0},
		{Quota{150, time.Minute, 150}, time.Minute, 300}, // the strict window of the documentation
		{Quota{3, 10, 1}, 10, 1 + 2},                     // T rounds up to 4
		{Quota{1, 1, 1 << 61}, math.MaxInt64, math.MaxInt64},
		{Quota{}, time.Hour, 0},
	} {
		if got := c.q.MaxIn(c.window); got != c.want {
			t.Errorf("%v.MaxIn(%v) = %d, want %d", c.q, c.window, got, c.want)
		}
	}
}

// MaxIn is not only a bound: a key that saved up its burst reaches it.
func TestMaxInIsReached(t *testing.T) {
	for _, q := range []Quota{PerMinute(300), {7, 100, 3}, {3, 10, 1}, {10, 1, 4}} {
		g := newGCRA(q)
		for window := int64(0); window < 3*g.tolerance; window += g.tolerance/5 + 1 {
			start, tat, admitted := int64(1), int64(unwritten), int64(0)
			for now := start; now <= start+window; now++ {
				if q.Period == time.Minute && now != start && (now-start)%g.interval != 0 {
					now += g.interval - (now-start)%g.interval - 1
					continue
				}
				for {
					after, v := spend(&g, tat, now, 1)
					if !v.allowed() {
						break
					}
					tat, admitted = after, admitted+1
				}
			}
			if want := q.MaxIn(time.Duration(window)); admitted != want {
				t.Errorf("%v admits %d in %d ns, MaxIn says %d", q, admitted, window, want)
			}
		}
	}
}
