package weir

import (
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// A stripe is one cache line of counts. Every goroutine adds to its own stripe,
// nearly always: one shared counter would make each refusal of a hot key, which
// writes nothing else, bounce a cache line between the cores.
type stripe struct {
	admitted atomic.Int64 // but for those that slots hold
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

// counters are exact: each sum is what all stripes add up to, and of admissions what
// the slots hold besides.
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

// decisions are what the stripes count of them.
func (c *counters) decisions() (admitted, refused int64) {
	for i := range c.stripes {
		admitted += c.stripes[i].admitted.Load()
		refused += c.stripes[i].refused.Load()
	}
	return admitted, refused
}

// keys is how many slots are claimed in all tables.
func (c *counters) keys() (sum int64) {
	for i := range c.stripes {
		sum += c.stripes[i].keys.Load()
	}
	return sum
}

// chance is true once in 2^log times, for any id and in whatever pattern ids come. A
// random number is asked for only by those whose turn it is, since it takes longer.
func (c *counters) chance(id uint64, log uint) bool {
	return c.turn(id, log/2) && rand.Uint64()>>(64-(log-log/2)) == 0
}

// turn is true for about one id in 2^log: for other ones each time that the calling
// goroutine's count has changed. Admissions change it 32 at a time, mostly.
func (c *counters) turn(id uint64, log uint) bool {
	const odd = 0x9E3779B97F4A7C15
	s := c.mine()
	mixed := uint64(s.admitted.Load()+s.refused.Load())*odd ^ id
	mixed = (mixed ^ mixed>>32) * odd
	return (mixed^mixed>>32)*odd>>(64-log) == 0
}
