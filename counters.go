package weir

import (
	"sync/atomic"
	"unsafe"
)

// A stripe is one cache line of counts. Every goroutine adds to its own stripe,
// nearly always: one shared counter would make each refusal of a hot key, which
// writes nothing else, bounce a cache line between the cores.
type stripe struct {
	admitted atomic.Int64
	refused  atomic.Int64
	keys     atomic.Int64 // slots claimed less slots swept; one stripe may be below 0
	_        [40]byte
}

// stripes are 64 lines, 4 KiB: two goroutines that run at once share one in one
// of 64 cases. The number is fixed, so that finding one's stripe takes no load
// and no check.
const (
	stripesLog = 6
	numStripes = 1 << stripesLog
)

// counters are exact: each sum is what all stripes add up to.
type counters struct {
	stripes [numStripes]stripe
}

// mine is the stripe of the calling goroutine, told by where its stack lies:
// goroutines that run at once have different stacks. It needs neither a lock nor
// a look-up. The address is used as a number only, so it does not matter that a
// stack may move.
func (c *counters) mine() *stripe {
	var here byte
	page := uint64(uintptr(unsafe.Pointer(&here))) >> 11 // stacks are 2 KiB at least
	i := page * 0x9E3779B97F4A7C15 >> (64 - stripesLog)  // Fibonacci hashing (Knuth, TAOCP 3, 6.4)
	return &c.stripes[i]
}

// count adds one decision.
func (c *counters) count(allowed bool) {
	s := c.mine()
	if allowed {
		s.admitted.Add(1)
	} else {
		s.refused.Add(1)
	}
}

// keys is how many slots are claimed in all tables.
func (c *counters) keys() (sum int64) {
	for i := range c.stripes {
		sum += c.stripes[i].keys.Load()
	}
	return sum
}

// chance is true for about one id in 2^log: for other ones each time that the calling
// goroutine's count has changed, so that each has its turn, in whatever pattern keys
// come. It is cheaper than a random number.
func (c *counters) chance(id uint64, log uint) bool {
	const odd = 0x9E3779B97F4A7C15
	s := c.mine()
	mixed := uint64(s.admitted.Load()+s.refused.Load())*odd ^ id
	mixed = (mixed ^ mixed>>32) * odd
	return (mixed^mixed>>32)*odd>>(64-log) == 0
}
