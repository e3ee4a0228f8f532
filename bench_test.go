package weir

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Every row of the table of measures is a benchmark here. Quote ratios within
// one run, of the median of several:
//
//	go test -run '^$' -bench . -count 5

var (
	always  = Quota{Limit: 1e9, Period: time.Second, Burst: 1 << 60} // never refuses in a benchmark
	once    = Quota{Limit: 1, Period: 24 * time.Hour}
	minutes = PerMinute(300)
	sink    Decision
)

func newBench(b *testing.B, q Quota, opts ...Option) *Limiter {
	b.Helper()
	l, err := New(q, opts...)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkFloor is what any limiter of this kind must do: read the clock, hash
// the key, change a word by CAS.
func BenchmarkFloor(b *testing.B) {
	key := "203.0.113.77:443"
	base := time.Now()
	var word atomic.Int64
	b.ReportAllocs()
	var sum uint64
	for b.Loop() {
		h := xxhash.Sum64String(key)
		now := int64(time.Since(base))
		v := word.Load()
		word.CompareAndSwap(v, now)
		sum += h
	}
	_ = sum
}

func BenchmarkAllow(b *testing.B) {
	for _, clock := range []string{"exact", "coarse"} {
		for _, outcome := range []string{"admitted", "refused"} {
			b.Run("clock="+clock+"/outcome="+outcome, func(b *testing.B) {
				var opts []Option
				if clock == "coarse" {
					opts = append(opts, WithCoarseClock(time.Millisecond))
				}
				q := always
				if outcome == "refused" {
					q = once
				}
				l := newBench(b, q, opts...)
				key := "203.0.113.77:443"
				l.Allow(key)
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if l.Allow(key).Allowed {
						n++
					}
				}
				if want := b.N; outcome == "refused" && n != 0 || outcome == "admitted" && n != want {
					b.Fatalf("%d of %d admitted", n, b.N)
				}
			})
		}
	}
}

// BenchmarkRefusedParallel is one hot key on several cores: refusals share the
// key's cache line, so that twice the cores refuse nearly twice as many.
func BenchmarkRefusedParallel(b *testing.B) {
	for procs := 1; procs <= runtime.GOMAXPROCS(0); procs *= 2 {
		b.Run(fmt.Sprintf("procs=%d", procs), func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			l := newBench(b, once)
			l.Allow("hot")
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if l.Allow("hot").Allowed {
						b.Error("admitted twice")
					}
				}
			})
		})
	}
}

const million = 1_000_000

// someKeys are strings of 16 bytes in one allocation, so that the collector has
// next to nothing to scan.
func someKeys(n int) []string {
	all := make([]byte, 0, 16*n)
	for i := range n {
		all = fmt.Appendf(all, "key-%012x", uint64(i)*0x9E3779B97F4A7C15>>16)
	}
	joined := string(all)
	keys := make([]string, n)
	for i := range keys {
		keys[i] = joined[16*i : 16*i+16]
	}
	return keys
}

func randomOrder(n int) []int32 {
	order := make([]int32, n)
	for i, j := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		order[i] = int32(j)
	}
	return order
}

// BenchmarkMillionKeys walks a million string keys in random order: cache misses
// above all. The bare array has as many slots, 2^21 of 16 bytes, found by the
// same hash, with the clock read between hash and slot.
func BenchmarkMillionKeys(b *testing.B) {
	keys, order := someKeys(million), randomOrder(million)
	b.Run("table=array", func(b *testing.B) {
		type pair struct{ id, tat atomic.Int64 }
		array := make([]pair, 1<<21)
		for i := range array {
			array[i].tat.Store(1)
		}
		base := time.Now()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			h := xxhash.Sum64String(keys[order[i%million]])
			now := int64(time.Since(base))
			p := &array[h>>43]
			v := p.tat.Load()
			p.tat.CompareAndSwap(v, max(v, now)+p.id.Load())
		}
	})
	b.Run("table=weir", func(b *testing.B) {
		l := newBench(b, always)
		for _, k := range keys {
			l.Allow(k)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			sink = l.Allow(keys[order[i%million]])
		}
	})
}

// BenchmarkFlood sends never-seen keys for ever, beside the memory bound.
func BenchmarkFlood(b *testing.B) {
	for _, overflow := range []Overflow{Strict, Lenient} {
		b.Run(fmt.Sprintf("overflow=%v", overflow), func(b *testing.B) {
			l := newBench(b, minutes, WithMaxKeys(100_000), WithOverflow(overflow))
			var key [16]byte
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				n++
				for i := range 8 {
					key[i] = byte(n >> (8 * i))
				}
				sink = l.Allow(string(key[:]))
			}
			s := l.Stats()
			b.ReportMetric(float64(s.Bytes)/100_000, "B/maxkey")
			b.ReportMetric(float64(s.HorizonRaises), "raises")
			b.ReportMetric(float64(s.Admitted)/float64(b.N), "admitted/op")
		})
	}
}
