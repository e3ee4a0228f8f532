package weir

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/craft"
)

// keysInOnePlace searches n keys of one shard whose ids agree in their first bits,
// so that they have one home line in every table of up to 2^bits lines. XXH64 is
// chosen, so they lie in the first shard; ids can only be tried, and only by who
// knows the limiter's random key.
func keysInOnePlace(l *Limiter, n, bits int) []string {
	keys := make([]string, 0, n)
	for i := uint64(0); len(keys) < n; i++ {
		key := craft.Key16(i, i<<8)
		if sh, id := l.locate(key); sh == &l.shards[0] && id>>(64-bits) == 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// Keys that meet in one place of one shard have budgets of their own, whatever is
// beside them and through migrations; probes of them get long, and that is all.
func TestKeysInOnePlace(t *testing.T) {
	realSizes(t)
	const n, bits, burst = 200, 15, 3
	l, _ := newTest(t, Quota{Limit: burst, Period: burst * time.Hour})
	keys := keysInOnePlace(l, n, bits)
	place := func(key string) (*table, int, uint64) {
		sh, id := l.locate(key)
		tb := sh.cur.Load()
		home, rest := mulhi(id, len(tb.segments))
		return tb, home, rest / (1 << 64 / linesPerSegment)
	}
	for round := range int64(burst + 1) {
		for i, key := range keys {
			want := Decision{Allowed: true, Limit: burst, Remaining: burst - 1 - round, ResetAfter: time.Duration(round+1) * time.Hour}
			if round == burst {
				want = Decision{Limit: burst, RetryAfter: time.Hour, ResetAfter: burst * time.Hour}
			}
			wantDecision(t, fmt.Sprintf("key %d in round %d", i, round), l.Allow(key), want)
		}
		// Others in the same shard, so that it migrates meanwhile.
		for i := range 1000 {
			l.Allow(craft.Key16(uint64(i)+1<<40+uint64(round)<<32, 1<<20))
		}
	}
	shared, farthest := 0, 0
	for _, key := range keys {
		tb, home, line := place(key)
		if home == 0 && line == 0 {
			shared++
		}
		_, id := l.locate(key)
		farthest = max(farthest, tb.distance(id))
	}
	s := l.Stats()
	t.Logf("%d keys in one place of %d lines, the farthest %d lines from it; %d migrations",
		shared, len(l.shards[0].cur.Load().segments)*linesPerSegment, farthest, s.Migrations)
	if shared != n || farthest < n/slotsPerLine-1 || s.Migrations < 3 {
		t.Error("the keys do not meet: the test did not test")
	}
}

// distance is how many lines from its home line a key of the table lies.
func (t *table) distance(id uint64) int {
	home, rest := mulhi(id, len(t.segments))
	first := int(rest / (1 << 64 / linesPerSegment))
	for i := range maxProbe {
		at := first + i
		g := t.segments[(home+at/linesPerSegment)%len(t.segments)].Load()
		if g == nil {
			return -1
		}
		for k := range g[at%linesPerSegment] {
			if g[at%linesPerSegment][k].id.Load() == id {
				return i
			}
		}
	}
	return -1
}

// BenchmarkKeysInOnePlace is what a refusal costs where so many keys have one home
// line, each as often as the others.
func BenchmarkKeysInOnePlace(b *testing.B) {
	for _, n := range []int{1, 4, 16, 64, 200} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			l, _ := newTest(b, once)
			keys := keysInOnePlace(l, n, 12)
			for _, key := range keys {
				l.Allow(key)
			}
			for i := 0; b.Loop(); i++ {
				if l.Allow(keys[i%n]).Allowed {
					b.Fatal("admitted twice")
				}
			}
		})
	}
}
