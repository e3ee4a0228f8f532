package gate

import (
	"fmt"
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Limit is the ratio of HEAD's time to the base's above which a row is lost.
const Limit = 1.10

// suspicion is the ratio of the first pass up to which a row is not measured
// again, however wide its interval is: half way to the limit. Of 100,000 simulated
// comparisons of the same code, on a very noisy machine and with the fewest
// rounds, 15 were false alarms, and 150 without it. A loss of 15 % where samples
// scatter by 5 % fell short of it 8 times of as many.
const suspicion = 1.05

// Rounds and confidences of the two passes. The first only picks the rows that
// seem lost. The second alone decides, with rounds of its own, so that an accident
// of the first is not held against anybody.
const (
	screenRounds  = 12
	screenLevel   = 0.99
	confirmRounds = 40
	confirmLevel  = 0.999
	// With fewer there is no interval at that level: that all of 8 pairs fall
	// on one side of the median has a chance of 1 in 128, and all of 11, of 1
	// in 1,024.
	screenFewest  = 8
	confirmFewest = 11
)

// An Estimate is the median of the ratios, HEAD's time by the base's, and the
// interval that holds the true median at some level of confidence.
type Estimate struct{ Ratio, Lo, Hi float64 }

// estimate assumes nothing of the distribution: the interval is between two of
// the ratios in order, found by the binomial distribution. That Lo is above 1 is
// thus a sign test of the pairs.
//
// A test of two samples that takes no notice of the pairs, as that of Mann and
// Whitney, would see the machine's drift as scatter. Measured on two cores of a
// virtual machine with others at work on it, the same code on both sides, samples
// of four times 25 ms of a hot key that is admitted: the logarithm of the ratio
// had a standard deviation of 0.12 without pairs, 0.07 without pairs but in
// multiples of the floor of the same moment, and 0.034 in pairs. In pairs and in
// multiples of the floor it was 0.076: the pair has cancelled what the floor
// could have, and the floor scatters too. So the floor is a row like others, a
// control, and no unit.
func estimate(ratios []float64, level float64) Estimate {
	s := benchmath.NewSample(slices.Clone(ratios), &benchmath.DefaultThresholds)
	sum := benchmath.AssumeNothing.Summary(s, level)
	return Estimate{Ratio: sum.Center, Lo: sum.Lo, Hi: sum.Hi}
}

// within reports whether the row is plainly no slower than the limit.
func (e Estimate) within() bool { return e.Hi <= Limit }

// suspect reports that the row may be lost: it has to be measured again.
func (e Estimate) suspect() bool { return !e.within() && e.Ratio > suspicion }

// lost reports a loss that is significant and larger than the limit. The interval
// need not lie above the limit as a whole: with that demand, a loss of 15 % would
// often be missed, and it is not needed, since a loss of nothing at all is as good
// as never taken for 10 % in the median.
func (e Estimate) lost() bool { return e.Lo > 1 && e.Ratio > Limit }

func (e Estimate) String() string {
	if math.IsInf(e.Hi, 1) {
		return fmt.Sprintf("%.3f (too few rounds)", e.Ratio)
	}
	return fmt.Sprintf("%.3f (%.3f–%.3f)", e.Ratio, e.Lo, e.Hi)
}
