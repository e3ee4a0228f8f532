package redisbench

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirhq/weir/bench/workload"
)

func loadOf(t *testing.T, name string) Load {
	t.Helper()
	l, ok := LoadNamed(name)
	if !ok {
		t.Fatalf("no load %q", name)
	}
	return l
}

// What the quota admits, in closed form: five at once, and one more for each 200 ms.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		load              string
		decided, admitted int64
		span              time.Duration
		want              workload.Check
		over              bool
	}{
		{"hot", 100, 100, time.Second, workload.Check{Min: 100, Max: 100}, false},
		{"hot", 100, 99, time.Second, workload.Check{Min: 100, Max: 100}, false},
		{"random", 7, 7, 0, workload.Check{Min: 7, Max: 7}, false},
		{"attack", 1000, 5, 0, workload.Check{Min: 5, Max: 5}, false},
		{"attack", 1000, 6, 0, workload.Check{Min: 5, Max: 5}, true},
		{"attack", 1000, 6, 200*time.Millisecond - time.Microsecond, workload.Check{Min: 5, Max: 5}, true},
		{"attack", 1000, 6, 200 * time.Millisecond, workload.Check{Min: 5, Max: 6}, false},
		{"attack", 1000, 11, time.Second, workload.Check{Min: 5, Max: 10}, true},
	} {
		l := loadOf(t, test.load)
		test.want.What, test.want.Asked, test.want.Admitted = l.What, test.decided, test.admitted
		got := l.check(test.decided, test.admitted, test.span)
		if got != test.want || got.OverAdmits() != test.over {
			t.Errorf("%s, %d of %d in %v: %+v, over %t; want %+v, %t", test.load, test.admitted, test.decided, test.span,
				got, got.OverAdmits(), test.want, test.over)
		}
	}
}

// The quotas that admit all can be kept by every limiter, and are not earned back
// while a report is measured.
func TestQuotas(t *testing.T) {
	for _, l := range Loads {
		if err := l.Quota.Validate(); err != nil {
			t.Errorf("%s: %v", l.Name, err)
		}
		if interval := l.Quota.Period / time.Duration(l.Quota.Limit); l.admitsAll() && interval < time.Minute {
			t.Errorf("%s: a request is earned in %v", l.Name, interval)
		}
	}
}

func TestKeys(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	hot := loadOf(t, "hot")
	if a, b := newKeys(hot, 1, 9, "").draw(rng), newKeys(hot, 2, 9, "").draw(rng); a == b {
		t.Errorf("two runs have the same one key, %q", a)
	}
	if a, b := newKeys(hot, 1, 9, "").draw(rng), newKeys(hot, 1, 9, "warm:").draw(rng); a == b {
		t.Errorf("the key has been used before: %q", a)
	}
	drawn := map[string]bool{}
	keys := newKeys(loadOf(t, "random"), 1, 9, "")
	for range 1000 {
		drawn[keys.draw(rng)] = true
	}
	if len(drawn) != 9 {
		t.Errorf("%d keys were drawn, want all 9", len(drawn))
	}
}
