// Package figures says how measurements look in a report: numbers in three digits,
// medians of rounds, and charts in a light and a dark theme.
package figures

import (
	"math"
	"strconv"
	"strings"
)

// Nanos is a time in three digits: 42.5 ns, 1.10 ms.
func Nanos(ns float64) string {
	for _, unit := range []struct {
		ns   float64
		name string
	}{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}} {
		if ns >= unit.ns {
			return Three(ns/unit.ns) + " " + unit.name
		}
	}
	return Three(ns) + " ns"
}

// Size is a number of bytes in three digits: 31.2 B, 1.00 MiB.
func Size(b float64) string {
	for _, unit := range []struct {
		bytes float64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if math.Abs(b) >= unit.bytes {
			return Three(b/unit.bytes) + " " + unit.name
		}
	}
	return Three(b) + " B"
}

// Three is a number in three digits, or whole if it has more.
func Three(x float64) string {
	switch a := math.Abs(x); {
	case a >= 99.95:
		return Grouped(int64(math.Round(x)))
	case a >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	case a == 0:
		return "0"
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

// Grouped is a whole number with a comma before every third digit.
func Grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := len(s) % 3
	if n < 0 {
		first = (len(s)-1)%3 + 1
	}
	var b strings.Builder
	b.WriteString(s[:first])
	for i := first; i < len(s); i += 3 {
		if i > 0 && s[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteString(s[i : i+3])
	}
	return b.String()
}
