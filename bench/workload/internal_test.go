package workload

import (
	"testing"
	"time"
)

func TestQuantiles(t *testing.T) {
	l := newLatencies()
	took := make([]int64, 100_000)
	for i := range took {
		took[i] = int64(i + 1)
	}
	l.record(took)
	got := l.summary()
	for _, q := range []struct {
		name      string
		got, want int64
	}{
		{"p50", got.P50, 50_000}, {"p90", got.P90, 90_000}, {"p99", got.P99, 99_000}, {"p99.9", got.P999, 99_900},
		{"p99.99", got.P9999, 99_990}, {"p99.999", got.P99999, 99_999}, {"max", got.Max, 100_000},
	} {
		if diff := q.got - q.want; diff < -q.want/500 || diff > q.want/500 {
			t.Errorf("%s = %d, want %d ± 0.2 %%", q.name, q.got, q.want)
		}
	}
}

// A time beyond the histogram counts as its largest and is not lost.
func TestQuantilesOutOfRange(t *testing.T) {
	l := newLatencies()
	l.record([]int64{0, int64(time.Hour)})
	if got := l.summary(); got.P50 != 1 || got.Max < int64(59*time.Second) {
		t.Errorf("%+v", got)
	}
}

func TestTextsDiffer(t *testing.T) {
	for _, length := range []int{8, 16, 36, 256} {
		seen := map[string]bool{}
		for i := range uint64(20_000) {
			key := text(i, length)
			if len(key) != length || seen[key] {
				t.Fatalf("key %d of %d bytes: %q, seen %v", i, length, key, seen[key])
			}
			seen[key] = true
		}
	}
}

func TestAddressesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for i := range uint64(residents) {
		a := address(i)
		if !a.IsValid() || seen[a.String()] {
			t.Fatalf("address %d: %v", i, a)
		}
		seen[a.String()] = true
	}
}

// Bounds count each key for itself: what one key leaves, another cannot use.
func TestBounds(t *testing.T) {
	c := quota(10, 10*time.Second, 0)
	var b bounds
	b.add(c, 4, 0, 3*time.Second)   // all
	b.add(c, 100, 0, 3*time.Second) // 10, and 3 that may have been earned
	b.add(c, 100, 10, 3*time.Second)
	if want := (bounds{204, 14, 20}); b != want {
		t.Errorf("%+v, want %+v", b, want)
	}
}
