//go:build weirtiny

package weir

// A segment of 8 slots, of which 6 may be claimed before it gets a successor, swept
// in 2 steps.
const (
	linesPerSegment = 2
	linesPerStep    = 1
	maxProbe        = 2

	memoLog  = 1
	learnLog = 0
)
