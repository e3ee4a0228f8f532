package weirhttp

import (
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

// The sizes of the arrays are what weir has.
func TestDebugKnowsAll(t *testing.T) {
	if s := weir.Partition(numPartitions).String(); !strings.HasPrefix(s, "Partition(") {
		t.Errorf("there is a partition %s", s)
	}
	if s := numReasons.String(); !strings.HasPrefix(s, "Reason(") {
		t.Errorf("there is a reason %s", s)
	}
}

// A word of a later second takes the place of an earlier one, which is handed on
// whole; one that is late is handed back.
func TestSecondCount(t *testing.T) {
	var c secondCount
	for _, step := range []struct {
		second, count         uint64
		otherSecond, other    uint64
		thenSecond, thenCount uint64
	}{
		{5, 1, 0, 0, 5, 1},
		{5, 2, 0, 0, 5, 3},
		{4, 7, 4, 7, 5, 3}, // late
		{9, 1, 5, 3, 9, 1}, // takes over
	} {
		other := c.add(packSecond(step.second, step.count))
		if s, n := unpackSecond(other); s != step.otherSecond || n != step.other {
			t.Errorf("second %d: handed on %d of second %d", step.second, n, s)
		}
		if s, n := unpackSecond(c.word.Load()); s != step.thenSecond || n != step.thenCount {
			t.Errorf("second %d: %d of second %d are there", step.second, n, s)
		}
	}
}

// Counters are always in falling order, each slot knows its place, and each key
// finds its slot.
func TestSummaryIsInOrder(t *testing.T) {
	var s summary
	s.init(5, false)
	for i := range uint64(2000) {
		s.add(i * i % 23 % (1 + i%11))
		for place := range s.used {
			at := s.order[place]
			if int(s.slots[at].place) != place {
				t.Fatalf("step %d: slot %d is at %d and knows %d", i, at, place, s.slots[at].place)
			}
			if place > 0 && s.slots[at].count > s.slots[s.order[place-1]].count {
				t.Fatalf("step %d: out of order at %d", i, place)
			}
		}
		found := 0
		for head := range s.heads {
			for next := s.heads[head]; next != 0; next = s.slots[next-1].next {
				if s.head(s.slots[next-1].hash) != &s.heads[head] {
					t.Fatalf("step %d: slot %d is in the wrong chain", i, next-1)
				}
				found++
			}
		}
		if found != s.used {
			t.Fatalf("step %d: %d of %d slots are found", i, found, s.used)
		}
	}
	if s.seen != 2000 {
		t.Errorf("seen %d", s.seen)
	}
}

func TestFormat(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := formatCount(n); got != want {
			t.Errorf("count %d: %s", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 3_366_000: "3.21 MiB", 1 << 40: "1 TiB", 1023 << 10: "0.999 MiB"} {
		if got := formatBytes(n); got != want {
			t.Errorf("bytes %d: %s", n, got)
		}
	}
}

// A bar for each second that has something, none beyond the box.
func TestChart(t *testing.T) {
	c := newChart("Admitted", []int64{0, 1, 200})
	if c.Bars != "M298 100v-2h1v2zM299 100v-100h1v100z" || c.Last != 200 || c.Most != 200 || c.Sum != 201 || c.Mean() != "67.0" {
		t.Errorf("%+v, mean %s", c, c.Mean())
	}
	if c := newChart("Admitted", nil); c.Bars != "" || c.Mean() != "0.0" {
		t.Errorf("%+v", c)
	}
}
