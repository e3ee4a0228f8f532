package figures

import (
	"fmt"
	"math"
	"slices"

	"github.com/weirhq/weir/bench/workload"
)

// A Spread is the median of some rounds, the least and the greatest.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf is the spread of the values, in four digits; all 0 of none.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	// Four digits are more than such a measurement is worth, and keep the file
	// readable.
	return Spread{Digits(workload.Median(values)), Digits(slices.Min(values)), Digits(slices.Max(values))}
}

// Digits is x in four digits.
func Digits(x float64) float64 {
	if x == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(x)))-3)
	if unit < 1 { // a power of ten below 1 is not exact, its inverse is
		inverse := math.Round(1 / unit)
		return math.Round(x*inverse) / inverse
	}
	return math.Round(x/unit) * unit
}

// Within is a median and, where there are several rounds, their least and
// greatest.
func (s Spread) Within(rounds int) string {
	if rounds < 2 {
		return Three(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", Three(s.Median), Three(s.Min), Three(s.Max))
}
