package weir

import (
	"math/rand/v2"
	"testing"
	"unsafe"
)

// The layout is part of the design: four slots a cache line, and all that a
// decision reads of a table's header in the header's first line.
func TestLayout(t *testing.T) {
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
	if start := unsafe.Offsetof(tb.used); start < 128 {
		t.Errorf("the counters that claims write start at byte %d, beside what decisions read", start)
	}
	if s := unsafe.Sizeof(tb); unsafe.Sizeof(uintptr(0)) == 8 && s != 192 {
		t.Errorf("a table's header has %d bytes", s)
	}
	for _, lines := range []int{minLines, 5, 21, 64, 100, 4096} {
		if p := uintptr(unsafe.Pointer(&newTable(lines, gcra{}, 0, 0).lines[0])); p%64 != 0 {
			t.Errorf("the slots of %d lines start %d bytes into a cache line", lines, p%64)
		}
	}
}

// maxProbe lines are enough up to the fill bound: every key finds a
// place; if one did not, its table would only grow early. Beyond the fill bound many do.
func TestProbeBound(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	fill := func(lines int, load float64) (lost int) {
		tb := newTable(lines, gcra{}, 0, 0)
		for range int(float64(lines*slotsPerLine) * load) {
			id := r.Uint64N(sealed-1) + 1
			if s, found := tb.probe(id); found == foundFree {
				s.id.Store(id)
			} else {
				lost++
			}
		}
		return lost
	}
	for _, lines := range []int{minLines, 64, 1000, 4096, 100_000} {
		if lost := fill(lines, 0.75); lost > 0 {
			t.Errorf("%d lines: %d keys found no place at a load of 3/4", lines, lost)
		}
	}
	if fill(4096, 0.98) == 0 {
		t.Error("maxProbe bounds nothing")
	}
}

func TestProbe(t *testing.T) {
	tb := newTable(minLines, gcra{}, 0, 0)
	const id = 42
	s, found := tb.probe(id)
	if found != foundFree {
		t.Fatalf("an empty table: %v", found)
	}
	s.id.Store(id)
	if again, found := tb.probe(id); found != foundKey || again != s || tb.lookup(id) != s {
		t.Fatalf("the key's own slot: %v", found)
	}
	if s, found := tb.probe(id + slotsPerLine); found != foundFree || !s.seal() || s.seal() != true {
		t.Fatalf("the next slot: %v", found)
	}
	if _, found := tb.probe(id + slotsPerLine); found != foundEnd {
		t.Fatalf("behind a sealed slot: %v", found)
	}
	if s.seal() {
		t.Fatal("a claimed slot was sealed")
	}
	for i := range tb.lines {
		for k := range tb.lines[i] {
			tb.lines[i][k].id.CompareAndSwap(vacant, uint64(1000+4*i+k))
		}
	}
	if _, found := tb.probe(7); found != foundEnd {
		t.Fatalf("a full table: %v", found)
	}
}

func TestFreeze(t *testing.T) {
	var a atomicTAT
	a.Store(5)
	if v := a.freeze(); v != 5 {
		t.Fatal(v)
	}
	if v := a.freeze(); v != 5 {
		t.Fatal(v)
	}
	if a.CompareAndSwap(5, 6) {
		t.Fatal("a frozen value was changed")
	}
	a.Store(firstAway + 1<<60)
	if v := a.freeze(); v != firstAway+1<<60 {
		t.Fatal(v)
	}
}

func TestLinesFor(t *testing.T) {
	for n := int64(0); n < 100_000; n = n*5/4 + 1 {
		for _, per10 := range []int64{slotsPer10Keys, slotsPer10KeysAtBound} {
			lines := linesFor(n, per10)
			if fillSlots(lines) <= n {
				t.Fatalf("%d keys fill their new table of %d lines at once", n, lines)
			}
			if bytes := lines * 64; n > 1000 && int64(bytes) > 34*n {
				t.Fatalf("%d keys get %d bytes", n, bytes)
			}
		}
	}
}
