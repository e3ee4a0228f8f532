package weir

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

// The message of a burst that is too large names the largest that is not.
func TestValidateNamesTheLargestBurst(t *testing.T) {
	for _, c := range []struct {
		interval, most int64
	}{{1, 1 << 61}, {2, 1 << 60}, {1000, 2305843009213693}} {
		q := Quota{Limit: 1, Period: time.Duration(c.interval), Burst: c.most}
		if err := q.Validate(); err != nil {
			t.Errorf("%v: %v", q, err)
		}
		q.Burst++
		want := ConfigError{"Quota.Burst", q.Burst, fmt.Sprintf(
			"at most %d, so that Period/Limit × Burst stays within 2^61 ns (73 years)", c.most)}
		var got *ConfigError
		if err := q.Validate(); !errors.As(err, &got) || *got != want {
			t.Errorf("%v: %v, want %v", q, err, &want)
		}
	}
}

// MaxIn saturates, from the first sum on that is no int64.
func TestMaxInSaturates(t *testing.T) {
	q := Quota{Limit: 1, Period: 1, Burst: 1 << 61}
	const most = math.MaxInt64 - 1<<61 // earned with the burst, that is MaxInt64
	for window, want := range map[time.Duration]int64{
		most - 1: math.MaxInt64 - 1, most: math.MaxInt64, most + 1: math.MaxInt64, most + 2: math.MaxInt64, math.MaxInt64: math.MaxInt64,
	} {
		if got := q.MaxIn(window); got != want {
			t.Errorf("%d in %d: want %d", got, window, want)
		}
	}
}

// A burst that no int64 holds is a text that cannot be read, not a quota that
// cannot be enforced.
func TestParseQuotaBurstBeyondInt64(t *testing.T) {
	const text = "1/1s burst 9223372036854775808"
	var parse *ParseError
	if _, err := ParseQuota(text); !errors.As(err, &parse) || parse.Offset != len("1/1s burst ") {
		t.Errorf("%q: %v", text, err)
	}
}
