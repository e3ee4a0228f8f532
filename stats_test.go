package weir

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// heldOf is how many admissions the key's slot holds.
func heldOf(l *Limiter, key string) int64 {
	sh, id := l.locate(key)
	if _, s, found := l.find(sh, id); found {
		return admissionsOf(s.tat.Load())
	}
	return 0
}

// Admissions stay in the slot until something ends its value: whatever that is, each
// is counted once, before and after.
func TestAdmissionsAreCountedWhereverTheyAre(t *testing.T) {
	const far = time.Duration(packedTAT) + time.Hour
	q := Quota{Limit: 1000, Period: time.Second, Burst: 1000}
	for name, end := range map[string]func(l *Limiter) (admitted int64){
		"nothing":     func(*Limiter) int64 { return 0 },
		"a refusal":   func(l *Limiter) int64 { l.AllowN("k", 1001); return 0 },
		"Peek":        func(l *Limiter) int64 { l.Peek("k"); return 0 },
		"Refund":      func(l *Limiter) int64 { l.Refund("k", 1); return 0 },
		"Refund all":  func(l *Limiter) int64 { l.Refund("k", 1000); return 0 },
		"Reset":       func(l *Limiter) int64 { l.Reset("k"); return 0 },
		"a late TAT":  func(l *Limiter) int64 { l.AllowAt(far, "k", 1); return 1 },
		"Wait":        func(l *Limiter) int64 { _ = l.Wait(context.Background(), "k", 1); return 1 },
		"SetQuota":    func(l *Limiter) int64 { _ = l.SetQuota(PerSecond(2000)); return 0 },
		"SetKeyQuota": func(l *Limiter) int64 { _ = l.SetKeyQuota("k", q); return 0 },
		"a migration": func(l *Limiter) int64 {
			sh, _ := l.locate("k")
			l.succeed(sh, sh.cur.Load(), nil)
			for n := l.migrations.Load(); n == l.migrations.Load(); {
				l.help(sh)
			}
			return 0
		},
		"its own carrying": func(l *Limiter) int64 {
			sh, _ := l.locate("k")
			l.succeed(sh, sh.cur.Load(), nil)
			l.Allow("k")
			return 1
		},
	} {
		for n := int64(1); n <= 70; n++ {
			l, _ := newTest(t, q)
			for range n {
				l.Allow("k")
			}
			// The first makes the slot, and every 32nd after it takes all with it.
			if held := heldOf(l, "k"); held != (n-1)%32 {
				t.Fatalf("after %d admissions the slot holds %d", n, held)
			}
			more := end(l)
			want := n + more
			for range 3 {
				if s := l.Stats(); s.Admitted != want {
					t.Fatalf("%s after %d: %d counted, want %d", name, n, s.Admitted, want)
				}
				if l.AllowN("k", 1).Allowed {
					want++
				}
			}
		}
	}
}

// Who has frozen a slot may sleep before he counts what it held. Stats does not go
// back meanwhile.
func TestStatsDoesNotGoBack(t *testing.T) {
	l, _ := newTest(t, PerSecond(1000))
	for range 20 {
		l.Allow("k")
	}
	if n := l.Stats().Admitted; n != 20 {
		t.Fatalf("%d counted", n)
	}
	sh, id := l.locate("k")
	_, s, _ := l.find(sh, id)
	l.succeed(sh, sh.cur.Load(), nil)
	_, toCount := s.tat.freeze()
	if toCount != 19 {
		t.Fatalf("it held %d", toCount)
	}
	if n := l.Stats().Admitted; n != 20 {
		t.Errorf("%d counted while 19 are on their way", n)
	}
	l.counters.mine().admitted.Add(toCount)
	if l.Allow("k"); l.Stats().Admitted != 21 {
		t.Errorf("%d counted at last", l.Stats().Admitted)
	}
}

// All admissions may move from the slots to the sums while Stats is between them. None
// of them is missing for that.
func TestStatsWhileAllMoves(t *testing.T) {
	const keys, each = 300, 20
	var between func()
	l, err := New(PerSecond(1000), WithClock(func() time.Duration {
		if f := between; f != nil {
			between = nil
			f()
		}
		return time.Second
	}))
	if err != nil {
		t.Fatal(err)
	}
	for range each {
		for k := range keys {
			l.Allow(fmt.Sprint("k", k))
		}
	}
	if sum, _ := l.counters.decisions(); sum > keys*each/2 {
		t.Fatalf("the sums have %d of %d already", sum, keys*each)
	}
	moved := int64(0)
	between = func() {
		if err := l.SetQuota(PerSecond(2000)); err != nil {
			t.Error(err)
		}
		moved, _ = l.counters.decisions()
	}
	if n := l.Stats().Admitted; n != keys*each || moved != n {
		t.Errorf("%d counted, %d in the sums, of %d", n, moved, keys*each)
	}
}

// While others decide, and the tables are replaced under their hands, Stats neither
// goes back nor tells of more than there was; and when all have returned, it is exact.
func TestStatsWhileOthersDecide(t *testing.T) {
	const keys, each, all = 64, 4000, 2 * 4000 * (64 + 1)
	const enough = 3 // looks that found some, half-way through the decisions at the latest
	l, _ := newTest(t, Quota{Limit: 1e9, Period: time.Second, Burst: 1 << 40}, WithMaxKeys(1000))
	unbounded(l)
	var begun, done, looks atomic.Int64
	together(3, func(w int) {
		if w == 2 {
			last := int64(0)
			for done.Load() < all {
				n := l.Stats().Admitted
				if most := begun.Load(); n < last || n > most {
					t.Errorf("%d counted after %d, of at most %d", n, last, most)
					looks.Store(enough) // nobody waits for more
					return
				}
				if last = n; n > 0 {
					looks.Add(1)
				}
			}
			return
		}
		for i := range each {
			for i == each/2 && looks.Load() < enough {
				runtime.Gosched()
			}
			for k := range keys {
				begun.Add(1)
				l.Allow(fmt.Sprint("k", k))
				done.Add(1)
			}
			if i%8 == 0 {
				for j := range 8 {
					begun.Add(1)
					l.Allow(fmt.Sprint("new", w, i, j))
					done.Add(1)
				}
			}
		}
	})
	if s := l.Stats(); s.Admitted != all || s.Migrations == 0 {
		t.Errorf("%d counted of %d, %d migrations", s.Admitted, all, s.Migrations)
	}
}
