package weir

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"unsafe"
)

// The layout is part of the design: four slots a cache line, and all that a
// decision reads of a table's header in the header's first line.
func TestLayout(t *testing.T) {
	realSizes(t)
	if s := unsafe.Sizeof(slot{}); s != 16 {
		t.Errorf("a slot has %d bytes", s)
	}
	if s := unsafe.Sizeof(line{}); s != 64 {
		t.Errorf("a line has %d bytes", s)
	}
	if s := unsafe.Sizeof(stripe{}); s != 64 {
		t.Errorf("a stripe has %d bytes", s)
	}
	if s := unsafe.Sizeof(shard{}); s != unsafe.Sizeof(uintptr(0)) {
		t.Errorf("a shard has %d bytes", s)
	}
	var tb table
	for field, end := range map[string]uintptr{
		"horizon":   unsafe.Offsetof(tb.horizon) + 8,
		"tolerance": unsafe.Offsetof(tb.tolerance) + 8,
	} {
		if end > 64 {
			t.Errorf("%s ends at byte %d of the header", field, end)
		}
	}
	if start := unsafe.Offsetof(tb.used); unsafe.Sizeof(uintptr(0)) == 8 && start < 128 {
		t.Errorf("the counters that claims write start at byte %d, beside what decisions read", start)
	}
	if s := unsafe.Sizeof(tb); unsafe.Sizeof(uintptr(0)) == 8 && s != 192 {
		t.Errorf("a table's header has %d bytes", s)
	}
	if s := unsafe.Sizeof(segment{}); s != 4096 {
		t.Errorf("a segment has %d bytes", s)
	}
	if p := uintptr(unsafe.Pointer(newTable(1, gcra{}, 0, 0).open(0))); p%64 != 0 {
		t.Errorf("a segment starts %d bytes into a cache line", p%64)
	}
}

// maxProbe lines are enough up to the fill bound: every key finds a
// place; if one did not, its table would only grow early. Beyond the fill bound many do.
func TestProbeBound(t *testing.T) {
	realSizes(t)
	r := rand.New(rand.NewPCG(7, 7))
	fill := func(segments int, load float64) (lost int) {
		tb := newTable(segments, gcra{}, 0, 0)
		for range int(float64(segments*slotsPerSegment) * load) {
			id := r.Uint64N(sealed-1) + 1
			if s, found := tb.probe(id, true); found == foundFree {
				s.id.Store(id)
			} else {
				lost++
			}
		}
		return lost
	}
	for _, segments := range []int{1, 2, 15, 64, 1500} {
		if lost := fill(segments, 0.75); lost > 0 {
			t.Errorf("%d segments: %d keys found no place at a load of 3/4", segments, lost)
		}
	}
	if fill(64, 0.98) == 0 {
		t.Error("maxProbe bounds nothing")
	}
}

func TestProbe(t *testing.T) {
	tb := newTable(2, gcra{}, 0, 0)
	const id = 1 << 62 // home is the middle of the first segment
	if s, found := tb.probe(id, false); found != foundFree || s != nil || tb.lookup(id) != nil {
		t.Fatalf("a table without segments: %v, %v", s, found)
	}
	s, found := tb.probe(id, true)
	if found != foundFree || s == nil || tb.segments[1].Load() != nil {
		t.Fatalf("a new segment: %v", found)
	}
	s.id.Store(id)
	if again, found := tb.probe(id, false); found != foundKey || again != s || tb.lookup(id) != s {
		t.Fatalf("the key's own slot: %v", found)
	}
	if s, found := tb.probe(id+slotsPerLine, false); found != foundFree || !s.seal() || !s.seal() {
		t.Fatalf("the next slot: %v", found)
	}
	if _, found := tb.probe(id+slotsPerLine, false); found != foundEnd {
		t.Fatalf("behind a sealed slot: %v", found)
	}
	if s.seal() {
		t.Fatal("a claimed slot was sealed")
	}
	// A full segment leads into the next, also from the last into the first.
	for chunk := range tb.chunks() / 2 {
		for i, lines := 0, tb.lines(chunk); i < len(lines); i++ {
			for k := range lines[i] {
				lines[i][k].id.CompareAndSwap(vacant, 1000)
				lines[i][k].id.CompareAndSwap(sealed, 1000)
			}
		}
	}
	if s, found := tb.probe(id+7, false); found != foundFree || s != nil {
		t.Fatalf("past a full segment: %v", found)
	}
	if tb.seal(id+7, nil); tb.segments[1].Load() != closed {
		t.Fatal("the segment that was not there is not closed")
	}
	if _, found := tb.probe(id+7, true); found != foundEnd {
		t.Fatalf("at a closed segment: %v", found)
	}
	last := newTable(2, gcra{}, 0, 0)
	if s, found := last.probe(sealed-1, true); found != foundFree || last.segments[0].Load() != nil || s == nil {
		t.Fatalf("the last line: %v", found)
	}
}

// Any number of goroutines open one segment.
func TestOpenSegment(t *testing.T) {
	tb := newTable(1, gcra{}, 0, 0)
	var seen [8]*segment
	together(len(seen), func(w int) { seen[w] = tb.open(0) })
	for _, g := range seen {
		if g != seen[0] || g == nil {
			t.Fatal("two segments in one place")
		}
	}
}

func TestFreeze(t *testing.T) {
	var a atomicTAT
	a.Store(5)
	if v, _ := a.freeze(); v != 5 {
		t.Fatal(v)
	}
	if v, _ := a.freeze(); v != 5 {
		t.Fatal(v)
	}
	if a.CompareAndSwap(5, 6) {
		t.Fatal("a frozen value was changed")
	}
	a.Store(firstPacked - 1)
	if v, _ := a.freeze(); v != firstPacked-1 {
		t.Fatal(v)
	}
}

func TestPackedValues(t *testing.T) {
	for _, at := range []int64{resetTAT, 100, packedTAT} { // a TAT may stay where it is, for all that its value knows
		v := at
		for i := int64(1); i <= 31; i++ {
			var toCount int64
			if v, toCount = admitted(v, at); toCount != 0 || tatOf(v) != at || admissionsOf(v) != i {
				t.Fatalf("admission %d at %d: %x, to count %d", i, at, v, toCount)
			}
		}
	}
	v := int64(100)
	for i := int64(1); i <= 31; i++ {
		next, toCount := admitted(v, 100+i)
		if toCount != 0 || tatOf(next) != 100+i || admissionsOf(next) != i || next < firstPacked {
			t.Fatalf("admission %d: %x to %x, to count %d", i, v, next, toCount)
		}
		if f := next | frozen; tatOf(f) != 100+i || admissionsOf(f) != 0 {
			t.Fatalf("admission %d, frozen: TAT %d, %d admissions", i, tatOf(f), admissionsOf(f))
		}
		v = next
	}
	if next, toCount := admitted(v, 132); next != 132 || toCount != 32 {
		t.Errorf("the 32nd: %x, to count %d", next, toCount)
	}
	full := v&^packedTAT | packedTAT
	for _, c := range []struct{ v, after, next, toCount int64 }{
		{resetTAT, packedTAT, firstPacked + oneAdmission + packedTAT, 0},
		{resetTAT, packedTAT + 1, packedTAT + 1, 1},
		{packedTAT, packedTAT + 1, packedTAT + 1, 1},
		{packedTAT + 1, packedTAT + 2, packedTAT + 2, 1},
		{31 * oneAdmission, 31*oneAdmission + 1, 31*oneAdmission + 1, 1}, // what would be admissions in a packed one
		{maxTAT - 1, maxTAT, maxTAT, 1},
		{firstPacked + packedTAT, packedTAT + 1, packedTAT + 1, 1}, // without admissions
		{full, packedTAT + 1, packedTAT + 1, 32},
		{full, maxTAT, maxTAT, 32},
	} {
		if next, toCount := admitted(c.v, c.after); next != c.next || toCount != c.toCount {
			t.Errorf("admitted(%x, %x) = %x, %d, want %x, %d", c.v, c.after, next, toCount, c.next, c.toCount)
		}
	}
	for _, v := range []int64{unwritten, resetTAT, packedTAT + 1, maxTAT, firstAway, firstPacked - 1} {
		if tatOf(v) != v || tatOf(v|frozen) != v || admissionsOf(v) != 0 || admissionsOf(v|frozen) != 0 {
			t.Errorf("%x is no packed value", v)
		}
	}
}

// The admissions of a slot are handed to one of those who freeze it, whoever admits
// at the same time.
func TestFreezeHandsOutAdmissionsOnce(t *testing.T) {
	held := 0
	for range scale(20_000) {
		var a atomicTAT
		a.Store(1)
		var made, counted atomic.Int64
		together(4, func(w int) {
			if w < 2 {
				final, toCount := a.freeze()
				counted.Add(toCount)
				if toCount != 0 && final == 1 {
					t.Error("admissions, but their TAT is lost")
				}
				return
			}
			for range 40 {
				v := a.Load()
				if v < 0 {
					return
				}
				if next, toCount := admitted(v, tatOf(v)+1); a.CompareAndSwap(v, next) {
					made.Add(1)
					counted.Add(toCount)
				}
			}
		})
		if made.Load() != counted.Load() || tatOf(a.Load()) != 1+made.Load() {
			t.Fatalf("%d admissions, %d counted, final %x", made.Load(), counted.Load(), a.Load())
		}
		if made.Load()%32 != 0 {
			held++
		}
	}
	if held == 0 {
		t.Error("no slot was frozen with admissions")
	}
}

// Whatever a CAS has written before the freeze is in the final value, and none
// succeeds after it.
func TestFreezeLosesNoCAS(t *testing.T) {
	contended := 0
	for range scale(20_000) {
		var a atomicTAT
		a.Store(1)
		var added atomic.Int64
		var final int64
		together(3, func(w int) {
			if w == 0 {
				final, _ = a.freeze()
				return
			}
			for range 50 {
				if v := a.Load(); v >= 0 && a.CompareAndSwap(v, v+1) {
					added.Add(1)
				}
			}
		})
		if final != 1+added.Load() || a.Load() != final|frozen {
			t.Fatalf("frozen at %d, but %d were added to 1", final, added.Load())
		}
		if final > 1 && final < 101 {
			contended++
		}
	}
	if contended == 0 {
		t.Fatal("the freeze never met an addition")
	}
}

func TestSegmentsFor(t *testing.T) {
	realSizes(t)
	for n := int64(0); n < 1_000_000; n = n*5/4 + 1 {
		for _, per10 := range []int64{slotsPer10Keys, slotsPer10KeysAtBound, slotsPer10KeysAtLeast} {
			segments := segmentsFor(n, per10)
			if fillSlots(segments) <= n {
				t.Fatalf("%d keys fill their new table of %d segments at once", n, segments)
			}
			if bytes := int64(segments) * 4096; bytes > 34*n+4096 {
				t.Fatalf("%d keys get %d bytes", n, bytes)
			}
		}
	}
}
