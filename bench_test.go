package weir

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

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
	hours   = Quota{Limit: 300, Period: 300 * time.Hour} // a key that was seen stays alive
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

// BenchmarkFloorCounted is the floor and an exact count in a word of its own. A
// refusal of weir has that instead of the CAS; an admission counts in the word of the CAS.
func BenchmarkFloorCounted(b *testing.B) {
	key := "203.0.113.77:443"
	base := time.Now()
	var word, count atomic.Int64
	b.ReportAllocs()
	var sum uint64
	for b.Loop() {
		h := xxhash.Sum64String(key)
		now := int64(time.Since(base))
		v := word.Load()
		word.CompareAndSwap(v, now)
		count.Add(1)
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
			b.ResetTimer()
			// Not RunParallel: what its goroutines count in may share a cache
			// line, and then every second run or so measures that.
			var done sync.WaitGroup
			for range procs {
				done.Go(func() {
					for range (b.N + procs - 1) / procs {
						if l.Allow("hot").Allowed {
							b.Error("admitted twice")
						}
					}
				})
			}
			done.Wait()
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
		for _, k := range keys { // its pages come in the order in which weir's do
			array[xxhash.Sum64String(k)>>43].tat.Store(1)
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
		l := newBench(b, Quota{Limit: 1, Period: time.Hour, Burst: 500_000}) // keys stay alive
		for _, k := range keys {
			l.Allow(k)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			l.Allow(keys[order[i%million]])
		}
		if s := l.Stats(); s.Refused != 0 || s.Keys != million {
			b.Fatalf("%+v", s)
		}
	})
}

// BenchmarkBatch is for those who decide many requests at once: they read the
// clock once for all of them. One op is one decision.
func BenchmarkBatch(b *testing.B) {
	const batch = 16
	for _, reading := range []string{"each", "shared"} {
		b.Run("reading="+reading, func(b *testing.B) {
			l := newBench(b, always)
			key := "203.0.113.77:443"
			l.Allow(key)
			b.ReportAllocs()
			now := l.Now()
			for i := 0; b.Loop(); i++ {
				if reading == "each" || i%batch == 0 {
					now = l.Now()
				}
				l.AllowAt(now, key, 1)
			}
		})
	}
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
				l.Allow(string(key[:]))
			}
			s := l.Stats()
			b.ReportMetric(float64(s.Bytes)/100_000, "B/maxkey")
			b.ReportMetric(float64(s.HorizonRaises), "raises")
			b.ReportMetric(float64(s.Admitted)/float64(b.N), "admitted/op")
		})
	}
}

// A subject is something that two million keys are sent to.
type subject struct {
	name  string
	fresh func() (decide func(key []byte))
}

var subjects = []subject{
	{"array", func() func([]byte) {
		type pair struct{ id, tat atomic.Int64 }
		array := make([]pair, 1<<22) // 64 MiB, about what 2 million keys take
		base := time.Now()
		return func(key []byte) {
			h := xxhash.Sum64(key)
			now := int64(time.Since(base))
			p := &array[h>>42]
			v := p.tat.Load()
			p.tat.CompareAndSwap(v, max(v, now)+p.id.Load()+1)
		}
	}},
	{"mutexmap", func() func([]byte) {
		var mu sync.Mutex
		tats := make(map[string]int64)
		base := time.Now()
		return func(key []byte) {
			now := int64(time.Since(base))
			mu.Lock()
			tats[string(key)] = max(tats[string(key)], now) + 1
			mu.Unlock()
		}
	}},
	{"weir", func() func([]byte) {
		l, err := New(hours, WithMaxKeys(2*million))
		if err != nil {
			panic(err)
		}
		return func(key []byte) { l.Allow(unsafe.String(&key[0], len(key))) }
	}},
}

// BenchmarkGrow sends 2 million new keys, one after the other, to something that
// is empty at first, and tells how long single decisions took: what a migration
// costs those who happen to come by. One op is all 2 million.
func BenchmarkGrow(b *testing.B) {
	const n = 2 * million
	took := make([]int32, n)
	for _, s := range subjects {
		b.Run("table="+s.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				debug.FreeOSMemory() // nobody gets pages that another one has opened
				key := []byte("key-............")
				decide := s.fresh()
				b.StartTimer()
				base := time.Now()
				before := time.Since(base)
				for i := range took {
					binary.LittleEndian.PutUint64(key[8:], uint64(i)*0x9E3779B97F4A7C15)
					decide(key)
					after := time.Since(base)
					took[i] = int32(min(after-before, math.MaxInt32))
					before = after
				}
				b.StopTimer()
				slices.Sort(took)
				for _, p := range []struct {
					name string
					at   int
				}{{"p50-ns", n / 2}, {"p99-ns", n - n/100}, {"p99.9-ns", n - n/1000}, {"p99.99-ns", n - n/10_000}, {"max-ns", n - 1}} {
					b.ReportMetric(float64(took[p.at]), p.name)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkMemory tells what a live key takes, by the heap and not by the
// limiter's own count. One op is to fill a limiter.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []int{0, 100_000, million, 10 * million} {
		b.Run(fmt.Sprintf("keys=%d", n), func(b *testing.B) {
			for b.Loop() {
				heap := func() int64 {
					var m runtime.MemStats
					runtime.GC()
					runtime.GC()
					runtime.ReadMemStats(&m)
					return int64(m.HeapAlloc)
				}
				before := heap()
				l := newBench(b, hours, WithMaxKeys(max(n, defaultMaxKeys)))
				key := []byte("key-............")
				for i := range n {
					binary.LittleEndian.PutUint64(key[8:], uint64(i)*0x9E3779B97F4A7C15)
					l.Allow(unsafe.String(&key[0], len(key)))
				}
				took := heap() - before
				b.ReportMetric(float64(took), "B")
				if n > 0 {
					b.ReportMetric(float64(took)/float64(n), "B/key")
				}
				if s := l.Stats(); s.Keys != int64(n) || s.Bytes > took+took/50+1<<10 {
					b.Fatalf("%+v, the heap grew by %d", s, took)
				}
			}
		})
	}
}
