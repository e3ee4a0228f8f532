package weir

import (
	"math"
	"testing"
	"unsafe"
)

// A slot that is claimed and not yet written is frozen like any other: whoever
// claimed it must not write to it any more.
func TestFreezeOfAnUnwrittenSlot(t *testing.T) {
	var a atomicTAT
	if final, _ := a.freeze(); final != unwritten || a.Load() >= 0 || a.CompareAndSwap(unwritten, 5) {
		t.Errorf("frozen at %d, it is %d", final, a.Load())
	}
	if again, _ := a.freeze(); again != unwritten {
		t.Errorf("frozen again at %d", again)
	}
}

// A claim fails on a slot that somebody else has got, or that is sealed.
func TestClaimOfATakenSlot(t *testing.T) {
	tb := newTable(1, gcra{}, 0, 0)
	s, _ := tb.probe(7, true)
	if tb.claim(s, 7) != s || s.id.Load() != 7 {
		t.Fatal("an empty slot was not claimed")
	}
	if tb.claim(s, 8) != nil || s.id.Load() != 7 {
		t.Error("a slot was claimed twice")
	}
	if tb.claim(nil, 7) != nil {
		t.Error("a key was claimed a second slot")
	}
	free, _ := tb.probe(8, true)
	free.seal()
	if tb.claim(free, 8) != nil {
		t.Error("a sealed slot was claimed")
	}
}

// Nothing can be found or put in a segment that was closed as a whole.
func TestClosedSegment(t *testing.T) {
	tb := newTable(2, gcra{}, 0, 0)
	if !tb.shut(0) || tb.shut(0) {
		t.Fatal("a segment is shut once")
	}
	for i := range closed {
		for k := range closed[i] {
			if s := &closed[i][k]; s.id.Load() != sealed || s.tat.Load() != unwritten {
				t.Fatalf("slot %d of line %d of a closed segment is %d, %d", k, i, s.id.Load(), s.tat.Load())
			}
		}
	}
	if s, found := tb.probe(1, true); s != nil || found != foundEnd {
		t.Errorf("a key of it is at %v, %d", s, found)
	}
}

// The sizes of a table: what it may be filled to, the bits for its chunks, and
// its memory, in which segments count that are there, and no closed ones.
func TestSizesOfATable(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 9, 60, 64, 65} {
		tb := newTable(n, gcra{}, 0, 0)
		if want := int64(n) * slotsPerSegment * 3 / 4; tb.fill != want || len(tb.segments) != n {
			t.Errorf("%d segments are filled to %d, want %d", len(tb.segments), tb.fill, want)
		}
		words := 0
		for int64(words)*64 < tb.chunks() {
			words++
		}
		if len(tb.through) != words {
			t.Errorf("%d segments: %d words for the bits of %d chunks", n, len(tb.through), tb.chunks())
		}
		bytes := int64(unsafe.Sizeof(table{})) + int64(n)*int64(unsafe.Sizeof(uintptr(0))) + int64(words)*8
		if got := tb.bytes(); got != bytes {
			t.Errorf("%d segments: %d bytes when empty, want %d", n, got, bytes)
		}
		tb.open(n - 1)
		bytes += int64(unsafe.Sizeof(segment{}))
		if n > 1 {
			tb.shut(0)
		}
		if got := tb.bytes(); got != bytes {
			t.Errorf("%d segments: %d bytes with one of them open, want %d", n, got, bytes)
		}
	}
	if n := len(newVoid(gcra{}, 1).segments); n != 1 {
		t.Errorf("a void table has %d segments", n)
	}
}

// The number of segments for keys, where it changes.
func TestSegmentsForEdges(t *testing.T) {
	const slots = 10 * slotsPerSegment
	for n, want := range map[int64]int{0: 1, slots - 1: 10, slots: 11, slots + 1: 11, 2*slots - 1: 20, 2 * slots: 21, 5000*slots - 1: 50000, 5000 * slots: 50001} {
		if got := segmentsFor(n, 10); got != want {
			t.Errorf("%d keys, a slot for each: %d segments, want %d", n, got, want)
		}
	}
}

// Opening a segment that is there costs nothing.
func TestOpenDoesNotAllocateTwice(t *testing.T) {
	tb := newTable(2, gcra{}, 0, 0)
	g := tb.open(1)
	if n := testing.AllocsPerRun(10, func() {
		if tb.open(1) != g {
			t.Error("another segment")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A new segment is empty, all of it.
func TestNewSegmentIsEmpty(t *testing.T) {
	tb := newTable(1, gcra{}, 0, 0)
	if g := tb.open(0); *g != (segment{}) {
		t.Error("a slot of a new segment is taken")
	}
}

// The last id of all has its place in the last line, and a look at its first slot
// finds it there.
func TestLastID(t *testing.T) {
	tb := newTable(1, gcra{}, 0, 0)
	const id = sealed - 1
	tb.open(0)
	if tb.lookup(id) != nil {
		t.Fatal("found in an empty table")
	}
	s := tb.claim(nil, id)
	if s == nil || s != &tb.segments[0].Load()[linesPerSegment-1][id%slotsPerLine] || tb.lookup(id) != s || tb.lookupBeyond(id) != s {
		t.Error("the last id is not in its first slot")
	}
}

// To look beyond the first slot opens no segment, and finds a key in its second.
func TestLookupBeyond(t *testing.T) {
	tb := newTable(1, gcra{}, 0, 0)
	if tb.lookupBeyond(4) != nil || tb.segments[0].Load() != nil {
		t.Error("a look has opened a segment")
	}
	tb.claim(nil, 8) // in the way
	s := tb.claim(nil, 4)
	if s == nil || tb.lookup(4) != nil || tb.lookupBeyond(4) != s {
		t.Error("not found in the second slot")
	}
}

// A key's slots are tried line by line, all four of a line, from its home line
// to the end of its segment, then in the next one from its first line, until
// maxProbe lines are looked at; after the last segment comes the first.
func TestProbeOrder(t *testing.T) {
	for _, segments := range []int{1, 2, 3} {
		for _, home := range []int{0, segments - 1} {
			for _, first := range []int{0, 1, linesPerSegment - 1} {
				tb := newTable(segments, gcra{}, 0, 0)
				for i := range segments {
					tb.open(i)
				}
				// The id in the middle of a line's part of the range of ids.
				part := math.MaxUint64/uint64(segments*linesPerSegment) + 1
				id := uint64(home*linesPerSegment+first)*part + part/2
				if segments == 1 && linesPerSegment == 2 {
					id = uint64(first)<<63 + 1<<62
				}
				for n := range maxProbe {
					i := (home*linesPerSegment + first + n) % (segments * linesPerSegment)
					ln := &tb.segments[i/linesPerSegment].Load()[i%linesPerSegment]
					for range slotsPerLine {
						s, found := tb.probe(id, false)
						if found != foundFree || s == nil || s.id.Load() != vacant {
							t.Fatalf("%d segments, home line %d of segment %d: %d after %d full lines", segments, first, home, found, n)
						}
						if n := (uintptr(unsafe.Pointer(s)) - uintptr(unsafe.Pointer(ln))) / unsafe.Sizeof(slot{}); n >= slotsPerLine {
							t.Fatalf("%d segments, home line %d of segment %d: not in the line after %d", segments, first, home, n)
						}
						s.id.Store(1<<50 + 3)
					}
				}
				if s, found := tb.probe(id, false); s != nil || found != foundEnd {
					t.Errorf("%d segments, home line %d of segment %d: %d beyond maxProbe lines", segments, first, home, found)
				}
			}
		}
	}
}

// A segment that is not there is closed as the place of a key, and no other one;
// a closed one has no lines.
func TestSealOfAnAbsentSegment(t *testing.T) {
	tb := newTable(2, gcra{}, 0, 0)
	if !tb.seal(1, nil) || tb.segments[0].Load() != closed || tb.segments[1].Load() != nil {
		t.Error("the place of a key was not closed, or more than it")
	}
	if tb.lines(0) != nil || tb.lines(stepsPerSegment) != nil {
		t.Error("a segment that is closed, or not there, has lines")
	}
}

// unswept is the first chunk whose bit is clear, and none beyond the last chunk.
func TestUnswept(t *testing.T) {
	realSizes(t)
	tb := newTable(5, gcra{}, 0, 0) // 80 chunks in two words
	if got := tb.unswept(); got != 0 {
		t.Errorf("of a table not swept at all: %d", got)
	}
	for _, want := range []int64{0, 1, 63, 64, 66, 79, -1} {
		tb.through[0].Store(math.MaxUint64)
		tb.through[1].Store(1<<16 - 1)
		if want >= 0 {
			tb.through[want/64].Store(tb.through[want/64].Load() &^ (1 << (want % 64)))
		}
		if got := tb.unswept(); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
}

// The slots of a line are tried from the one that the id's lowest bits give, upwards
// and round.
func TestOrderInALine(t *testing.T) {
	for first := range uint64(slotsPerLine) {
		tb := newTable(1, gcra{}, 0, 0)
		tb.open(0)
		for k := range uint64(slotsPerLine) {
			id := first + slotsPerLine*(k+1) // all of the first line
			if s := tb.claim(nil, id); s != &tb.segments[0].Load()[0][(first+k)%slotsPerLine] {
				t.Errorf("id %d, after %d others: another slot", id, k)
			}
		}
	}
}
