package weir

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A Quota says how many requests a key may make.
//
// It is enforced by the generic cell rate algorithm (GCRA): a key earns one
// request every emission interval T = Period / Limit, and may save up to Burst
// of them. So the long-run rate is Limit a Period, and what one window can hold
// is more than Limit: see [Quota.MaxIn]. With the default Burst, 300 a minute
// admits up to 600 in one badly chosen minute: 300 saved up at its start and
// 300 earned until its end. A quota that must never admit more than L in any
// window of length P asks for a smaller burst and a slower rate, for example
// Limit L/2, Period P, Burst L/2: MaxIn(P) is then at most L.
//
// T is a whole number of nanoseconds, rounded up when Period / Limit is not
// whole, so that rounding never admits more than was asked for; it costs less
// than one nanosecond a request.
type Quota struct {
	Limit  int64         // requests a Period; > 0
	Period time.Duration // > 0
	Burst  int64         // most requests admitted at one instant; 0 means Limit
}

// PerSecond is the quota of n requests a second, and a burst of n.
func PerSecond(n int64) Quota { return Quota{Limit: n, Period: time.Second} }

// PerMinute is the quota of n requests a minute, and a burst of n.
func PerMinute(n int64) Quota { return Quota{Limit: n, Period: time.Minute} }

// PerHour is the quota of n requests an hour, and a burst of n.
func PerHour(n int64) Quota { return Quota{Limit: n, Period: time.Hour} }

// Validate reports whether q can be enforced. The error, if any, is a
// [*ConfigError]. Limit and Period must be above 0, Burst at least 0, and the
// burst tolerance T·Burst at most 2^61 ns (73 years), which is what keeps every
// sum of this package inside 63 bits.
func (q Quota) Validate() error {
	switch {
	case q.Limit <= 0:
		return &ConfigError{"Quota.Limit", q.Limit, "above 0"}
	case q.Period <= 0:
		return &ConfigError{"Quota.Period", q.Period, "above 0"}
	case q.Burst < 0:
		return &ConfigError{"Quota.Burst", q.Burst, "at least 0 (0 means Limit)"}
	}
	hi, lo := bits.Mul64(uint64(q.interval()), uint64(q.burst()))
	if hi != 0 || lo > maxTolerance {
		return &ConfigError{"Quota.Burst", q.burst(), fmt.Sprintf(
			"at most %d, so that Period/Limit × Burst stays within 2^61 ns (73 years)", maxTolerance/q.interval())}
	}
	return nil
}

// MaxIn returns the most requests of cost 1 that q can admit to one key in any
// window of the given length, both ends included: Burst + ⌊window / T⌋. It is
// reached by a key that saved up its burst. A negative window holds none, and
// neither does any window of an invalid quota.
func (q Quota) MaxIn(window time.Duration) int64 {
	if window < 0 || q.Validate() != nil {
		return 0
	}
	earned := int64(window) / q.interval()
	if earned > math.MaxInt64-q.burst() {
		return math.MaxInt64
	}
	return q.burst() + earned
}

// interval is the emission interval T in nanoseconds, rounded up.
func (q Quota) interval() int64 {
	t := int64(q.Period) / q.Limit
	if int64(q.Period)%q.Limit != 0 {
		t++
	}
	return t
}

// burst is Burst with its default.
func (q Quota) burst() int64 {
	if q.Burst == 0 {
		return q.Limit
	}
	return q.Burst
}

// ParseQuota reads the text form of a quota: a limit, a slash, a period as
// [time.ParseDuration] reads it, and optionally " burst " and a burst:
// "300/1m", "300/60s", "300/1m burst 50". The result is valid. The error is a
// [*ParseError] for a text that is not of this form, or a [*ConfigError] for a
// quota that cannot be enforced.
func ParseQuota(s string) (Quota, error) {
	limit, rest, ok := strings.Cut(s, "/")
	if !ok {
		return Quota{}, &ParseError{s, len(s), "a slash between limit and period, as in 300/1m"}
	}
	var q Quota
	var err error
	if q.Limit, err = parseCount(limit); err != nil {
		return Quota{}, &ParseError{s, 0, "a whole number from 1 to 9223372036854775807 before the slash"}
	}
	period, burst, hasBurst := strings.Cut(rest, " burst ")
	if q.Period, err = time.ParseDuration(period); err != nil {
		return Quota{}, &ParseError{s, len(limit) + 1, "a period such as 1s, 1m or 1h30m after the slash"}
	}
	if hasBurst {
		if q.Burst, err = parseCount(burst); err != nil || q.Burst == 0 {
			return Quota{}, &ParseError{s, len(s) - len(burst),
				"a whole number from 1 to 9223372036854775807 after “burst”"}
		}
	}
	if err := q.Validate(); err != nil {
		return Quota{}, err
	}
	return q, nil
}

// parseCount reads digits only: strconv alone would let a sign through.
func parseCount(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err
}

// String returns the text form that [ParseQuota] reads back to the same Quota.
// It writes an invalid quota too, for messages.
func (q Quota) String() string {
	period := q.Period.String()
	// Duration writes 1m0s and 1h0m0s; nobody else does.
	if strings.HasSuffix(period, "m0s") {
		period = strings.TrimSuffix(period, "0s")
	}
	if strings.HasSuffix(period, "h0m") {
		period = strings.TrimSuffix(period, "0m")
	}
	s := strconv.FormatInt(q.Limit, 10) + "/" + period
	if q.Burst != 0 {
		s += " burst " + strconv.FormatInt(q.Burst, 10)
	}
	return s
}

// MarshalText implements [encoding.TextMarshaler]. An invalid quota is refused
// with the error of [Quota.Validate], so that nothing unreadable is written.
func (q Quota) MarshalText() ([]byte, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	return []byte(q.String()), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler] with [ParseQuota]. On an
// error q stays as it was.
func (q *Quota) UnmarshalText(text []byte) error {
	parsed, err := ParseQuota(string(text))
	if err != nil {
		return err
	}
	*q = parsed
	return nil
}

// A ConfigError is a value that cannot be used, in a quota or an option.
type ConfigError struct {
	Field   string // what was set: "Quota.Limit", "WithMaxKeys"
	Value   any    // what it was set to
	Allowed string // what is allowed: "above 0"
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("weir: %s is %v; it must be %s", e.Field, e.Value, e.Allowed)
}

// A ParseError is a text that is not a quota.
type ParseError struct {
	Text    string // the whole text
	Offset  int    // byte at which reading failed
	Allowed string // what was expected there
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("weir: quota %q: at byte %d: want %s", e.Text, e.Offset, e.Allowed)
}
