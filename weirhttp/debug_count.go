package weirhttp

import (
	"sync/atomic"
	"unsafe"

	"github.com/weirhq/weir"
)

// What weir has is fixed; debug_test.go checks that it is so.
const (
	numPartitions = int(weir.BusinessIntake) + 1
	numReasons    = weir.SourceLookupFailed + 1
)

// The results that are counted apart.
const (
	admittedRequests = iota
	refusedRequests
	shadowRequests // let through by WithShadow
	numResults
)

// historySeconds is how many seconds are shown. The ring has some more, so that
// those who count on do not overwrite what a reader wants who has read the clock
// some time ago; 512 makes its index a mask.
const (
	historySeconds = 300
	ringSeconds    = 512
)

// A secondCount is a second and how many requests came in it, in one word:
//
//	63       34 33                           0
//	[ second   | count                       ]
//
// So nothing is reset when a second begins, and a count is never seen, or added
// to, under another second than its own. 30 bits of seconds are 34 years; 34 bits
// of count are 17 billion requests. The zero word is none in second 0.
type secondCount struct{ word atomic.Uint64 }

const (
	countBits = 34
	countMask = 1<<countBits - 1
)

func packSecond(second, count uint64) uint64        { return second<<countBits | count }
func unpackSecond(word uint64) (second, cnt uint64) { return word >> countBits, word & countMask }

// add joins a word to the one that is there. If they are of different seconds,
// the later one stays, and the other is returned: it is then the caller's alone,
// because the CAS that replaced it took it over, whole. Otherwise add returns 0.
func (c *secondCount) add(word uint64) (other uint64) {
	for {
		old := c.word.Load()
		switch oldSecond, second := old>>countBits, word>>countBits; {
		case oldSecond > second:
			return word
		case oldSecond < second:
			if c.word.CompareAndSwap(old, word) { // begins the second
				return old
			}
		default:
			if c.word.CompareAndSwap(old, old+word&countMask) {
				return 0
			}
		}
	}
}

// debugCounts are the counts by reason and by second. Each goroutine counts in a
// stripe, nearly always its own, in one cache line. There is one word for the
// present second; whoever comes first in a later one takes the word of the
// earlier, and adds it to the history, which all stripes share. So that happens
// once a second at most, and nobody has to come by for it to happen: a word that
// no one has taken is still found in its stripe, under its second.
//
// A count is in one place at a time, or for an instant, with who carries it from
// the stripe to the history, in none. Readers look at the history first: what they
// find there has left its stripe before. So they never see a request twice,
// and when nobody is counting, each once.
type debugCounts struct {
	stripes [debugStripes][numReasons]debugLine
	history [numPartitions][numResults][ringSeconds]secondCount
}

// A debugLine is a cache line: what one stripe counts for one reason.
type debugLine struct {
	seconds [numResults]secondCount
	totals  [numResults]atomic.Int64 // each request is here at once, and for good: these never go back
	_       [64 - 2*8*numResults]byte
}

// debugStripes are 64, as in a weir.Limiter: two goroutines that run at once share
// one in one of 64 cases, and none takes a look-up to find.
const (
	debugStripesLog = 6
	debugStripes    = 1 << debugStripesLog
)

// ownStripe is a number below debugStripes for the calling goroutine, told by
// where its stack lies: goroutines that run at once have different stacks. The
// address is used as a number only, so it does not matter that a stack may move.
func ownStripe() int {
	var here byte
	page := uint64(uintptr(unsafe.Pointer(&here))) >> 11            // stacks are 2 KiB at least
	return int(page * 0x9E3779B97F4A7C15 >> (64 - debugStripesLog)) // Fibonacci hashing (Knuth, TAOCP 3, 6.4)
}

// add counts one request.
func (c *debugCounts) add(stripe int, reason weir.Reason, result int, second uint64) {
	line := &c.stripes[stripe][reason]
	line.totals[result].Add(1)
	if left := line.seconds[result].add(packSecond(second, 1)); left != 0 {
		// What does not stay in the ring is a whole ring too late to be shown.
		c.history[reason.Partition()][result][left>>countBits%ringSeconds].add(left)
	}
}

// total is how many requests of a reason had a result, ever.
func (c *debugCounts) total(reason weir.Reason, result int) (sum int64) {
	for i := range c.stripes {
		sum += c.stripes[i][reason].totals[result].Load()
	}
	return sum
}

// last is how many requests of a partition had a result, for each of the n seconds
// before the given one, the oldest first. n is at most historySeconds, and not
// above before.
func (c *debugCounts) last(part weir.Partition, result int, before uint64, n int) []int64 {
	counts := make([]int64, n)
	first := before - uint64(n)
	note := func(second, count uint64) {
		if first <= second && second < before {
			counts[second-first] += int64(count)
		}
	}
	for i := range c.history[part][result] {
		note(unpackSecond(c.history[part][result][i].word.Load()))
	}
	for i := range c.stripes {
		for reason := range numReasons {
			if reason.Partition() == part {
				note(unpackSecond(c.stripes[i][reason].seconds[result].word.Load()))
			}
		}
	}
	return counts
}
