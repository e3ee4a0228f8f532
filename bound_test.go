package weir

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/internal/craft"
)

// As many live keys as the bound allows are kept whole, however they fall on the
// shards: here all of them share their XXH64, so that one shard holds them all,
// and dead keys fill the other shards before.
func TestBoundKeepsThatManyKeysWhole(t *testing.T) {
	realSizes(t)
	n := scale(50_000)
	for name, keys := range map[string]func(i int) string{
		"spread":  func(i int) string { return fmt.Sprint("key ", i) },
		"crafted": func(i int) string { return craft.Key16(uint64(i), 0xfeedfacecafebeef) },
	} {
		t.Run(name, func(t *testing.T) {
			l, clock := newTest(t, Quota{Limit: 100, Period: time.Hour}, WithMaxKeys(n))
			for i := range n {
				l.Allow(fmt.Sprint("dead by then ", i))
			}
			clock.advance(time.Hour)
			for round := range int64(3) {
				for i := range n {
					if d := l.Allow(keys(i)); d.Remaining != 99-round {
						t.Fatalf("key %d in round %d: %+v", i, round, d)
					}
				}
			}
			s := l.Stats()
			if s.Keys != int64(n) || s.HorizonRaises != 0 {
				t.Fatalf("%+v, want %d keys and no raise", s, n)
			}
			if s.Bytes > 64*int64(n)+64<<10 {
				t.Errorf("%d bytes for %d keys", s.Bytes, n)
			}
		})
	}
}

// Keys that share all 64 bits of XXH64 have budgets of their own, and are found
// about as fast as others: it is SipHash that places them in the shard.
func TestCollidingKeysHaveTheirOwnBudgets(t *testing.T) {
	l, _ := newTest(t, Quota{Limit: 3, Period: time.Hour})
	keys := craft.Keys(20_000, 0x0123456789abcdef)
	for round := range int64(4) {
		for _, k := range keys {
			if d := l.Allow(k); d.Allowed != (round < 3) || d.Remaining != max(2-round, 0) {
				t.Fatalf("%q in round %d: %+v", k, round, d)
			}
		}
	}
	used := 0
	for i := range l.shards {
		if !l.shards[i].cur.Load().void() {
			used++
		}
	}
	if used != 1 {
		t.Fatalf("the keys lie in %d shards: they do not collide", used)
	}
}

// Heavy keys keep their exact state under a flood of single-use keys, nobody is
// admitted beyond the quota, and the memory stays in its bound; what a newcomer
// gets is what the overflow rule says.
func TestFloodAtTheBound(t *testing.T) {
	realSizes(t)
	n := scale(100_000)
	flood := 10 * n
	for _, overflow := range []Overflow{Strict, Lenient} {
		for _, crafted := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/crafted=%v", overflow, crafted), func(t *testing.T) {
				testFlood(t, n, flood, overflow, crafted)
			})
		}
	}
}

func testFlood(t *testing.T, n, flood int, overflow Overflow, crafted bool) {
	const burst = 100
	q := Quota{Limit: burst, Period: 100 * time.Second} // T = 1 s
	l, clock := newTest(t, q, WithMaxKeys(n), WithOverflow(overflow))
	heavy := func(i int) string { return fmt.Sprint("heavy ", i) }
	newcomer := func(i int) string {
		if crafted {
			return craft.Key16(uint64(i), 0xfeedfacecafebeef)
		}
		return fmt.Sprint("flood ", i)
	}
	heavies := n / 4
	for i := range heavies {
		l.AllowN(heavy(i), burst-1)
	}
	var worst, admitted atomic.Int64
	together(4, func(w int) {
		for i := w; i < flood; i += 4 {
			if l.Allow(newcomer(i)).Allowed {
				admitted.Add(1)
			}
			if i%(n/2) == w {
				clock.advance(10 * time.Millisecond)
				worst.Store(max(worst.Load(), l.Stats().Bytes))
			}
		}
	})
	s := l.Stats()
	if s.HorizonRaises == 0 || s.Bytes > worst.Load()+1<<20 {
		t.Fatalf("%+v: the flood did not reach the bound", s)
	}
	perKey := float64(worst.Load()) / float64(n)
	t.Logf("%.1f B a key at worst, %d of %d newcomers admitted, %+v", perKey, admitted.Load(), flood, s)
	if perKey > 64 && n >= 50_000 {
		t.Errorf("%.1f B a key at worst", perKey)
	}
	passed := clock.now() - time.Duration(newFakeClock().nanos.Load())
	for i := range heavies {
		want := Decision{Allowed: true, Limit: burst, Remaining: 1 + int64(passed/time.Second), ResetAfter: (burst-1)*time.Second - passed}
		if d := l.Peek(heavy(i)); d != want {
			t.Fatalf("heavy key %d after %v: %+v, want %+v", i, passed, d, want)
		}
	}
	d := l.Peek("newcomer")
	switch overflow {
	case Strict:
		// At worst as if it had just spent its burst.
		if s.Forgiven != 0 || d.ResetAfter == 0 || d.ResetAfter > burst*time.Second || d.RetryAfter > time.Second {
			t.Errorf("a newcomer under Strict: %+v, %+v", d, s)
		}
	case Lenient:
		if s.Forgiven == 0 || d.Remaining != burst || d.ResetAfter != 0 || admitted.Load() != int64(flood) {
			t.Errorf("a newcomer under Lenient: %+v, %+v", d, s)
		}
	}
}

// Under Strict nobody gets more than its quota, dropped or not: every key asks
// again and again, far more keys than the bound.
func TestStrictNeverOverAdmits(t *testing.T) {
	const n, keys, burst = 500, 5000, 5
	q := Quota{Limit: burst, Period: burst * time.Second}
	l, clock := newTest(t, q, WithMaxKeys(n))
	start := clock.now()
	admitted := make([]int64, keys)
	r := rand.New(rand.NewPCG(8, 8))
	for range 60 {
		for range 2 * keys {
			k := r.IntN(keys)
			if l.Allow(hotKey(k)).Allowed {
				admitted[k]++
			}
		}
		clock.advance(100 * time.Millisecond)
	}
	most, total := q.MaxIn(clock.now()-start), int64(0)
	for k, a := range admitted {
		if a > most {
			t.Errorf("key %d: %d admitted, MaxIn is %d", k, a, most)
		}
		total += a
	}
	if s := l.Stats(); s.HorizonRaises == 0 || total < keys {
		t.Fatalf("%+v, %d admitted: the test did not test", s, total)
	}
}

// Under Lenient what is admitted beyond the quota is at most what Stats say.
func TestLenientCountsWhatItForgives(t *testing.T) {
	const n, keys, burst = 500, 5000, 5
	l, _ := newTest(t, Quota{Limit: burst, Period: time.Hour}, WithMaxKeys(n), WithOverflow(Lenient))
	admitted := make([]int64, keys)
	r := rand.New(rand.NewPCG(9, 9))
	for range 20 * keys {
		if k := r.IntN(keys); l.Allow(hotKey(k)).Allowed {
			admitted[k]++
		}
	}
	beyond := int64(0)
	for _, a := range admitted {
		beyond += max(a-burst, 0)
	}
	if s := l.Stats(); beyond == 0 || s.Forgiven < beyond {
		t.Fatalf("%d admitted beyond the quota, %+v", beyond, s)
	}
}

// The horizon rises only as far as the clock allows: a key that a wild time put
// a year ahead does not take the others with it.
func TestWildTimesDoNotRaiseTheHorizon(t *testing.T) {
	const n, burst = 200, 10
	l, clock := newTest(t, PerSecond(burst), WithMaxKeys(n))
	for i := range 10 * n {
		l.AllowAt(clock.now()+time.Duration(i)*time.Hour, fmt.Sprint("wild ", i), 1)
	}
	if s := l.Stats(); s.HorizonRaises == 0 {
		t.Fatalf("%+v: the test did not test", s)
	}
	if d := l.Peek("tame"); d.ResetAfter > time.Second || d.RetryAfter > 100*time.Millisecond {
		t.Fatalf("a newcomer: %+v", d)
	}
	clock.advance(time.Second)
	if d := l.Peek("tame"); d.Remaining != burst {
		t.Fatalf("a newcomer a second later: %+v", d)
	}
}

func TestSampleChoosesTheMostIndebted(t *testing.T) {
	l := &lap{tats: make([]atomic.Int64, 2*maxSample)}
	lines := make([]line, 100)
	for i := range lines {
		for k := range lines[i] {
			lines[i][k].id.Store(uint64(4*i + k + 1))
			v := int64(1000 + 4*i + k)
			if k%2 == 1 { // with admissions, or a TAT alone
				v, _ = admitted(v-1, v)
			}
			lines[i][k].tat.Store(v | frozen)
		}
	}
	lines[0][0].id.Store(sealed)
	lines[0][1].tat.Store(firstPacked - 1 | frozen) // a marker
	l.sample(lines)
	if n := l.sampled.Load(); n != 398 {
		t.Fatalf("%d sampled", n)
	}
	// 160 and a 32nd are to be kept: those above 1399 − 165.
	if tat := l.dropBelow(160); tat != 1399-165 {
		t.Fatalf("dropped up to %d", tat)
	}
	if tat := l.dropBelow(398); tat != 0 {
		t.Fatalf("dropped up to %d though all fit", tat)
	}
}

// Keys with a quota of their own are no live keys because of that, and push none
// out.
func TestIdleKeyQuotasDoNotRaiseTheHorizon(t *testing.T) {
	const n = 1000
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(n))
	for i := range 3 * n {
		if err := l.SetKeyQuota(fmt.Sprint("own ", i), PerMinute(5)); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(time.Hour)
	for i := range n {
		if d := l.Allow(fmt.Sprint("newcomer ", i)); d.Remaining != 9 {
			t.Fatalf("newcomer %d: %+v", i, d)
		}
	}
	if s := l.Stats(); s.HorizonRaises != 0 || s.Keys != n {
		t.Fatalf("%+v", s)
	}
}

// A lap whose sample is no longer true, because so many keys were given back
// what they spent, raises no horizon.
func TestLapIsAbandonedWhenTATsFell(t *testing.T) {
	const n = 1000
	l, _ := newTest(t, Quota{Limit: 100, Period: time.Hour}, WithMaxKeys(n))
	i := 0
	for ; l.bound.lap.Load() == nil || l.bound.lap.Load().raise == 0; i++ {
		l.Allow(fmt.Sprint("key ", i))
	}
	for ; i >= 0; i-- {
		l.Reset(fmt.Sprint("key ", i))
	}
	before := l.Stats()
	for i := range n / 2 {
		if d := l.Allow(fmt.Sprint("newcomer ", i)); d.Remaining < 90 {
			t.Fatalf("newcomer %d: %+v", i, d)
		}
	}
	if after := l.Stats(); after.HorizonRaises != before.HorizonRaises {
		t.Fatalf("%+v, then %+v", before, after)
	}
}

// Nor do refunds keep the bound from acting: not those of keys that stay alive,
// not those of keys never seen, and not those that end a key's life.
func TestRefundsDoNotDefeatTheBound(t *testing.T) {
	realSizes(t)
	const n = 20_000
	for name, refund := range map[string]func(l *Limiter, i int){
		"steady": func(l *Limiter, _ int) { l.AllowN("steady", 2); l.Refund("steady", 1) },
		"unseen": func(l *Limiter, _ int) { l.Refund("never seen", 1) },
		"ended":  func(l *Limiter, i int) { k := fmt.Sprint("ended ", i%(n/4)); l.Allow(k); l.Refund(k, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := newTest(t, Quota{Limit: 1000, Period: 1000 * time.Hour}, WithMaxKeys(n))
			worst := int64(0)
			for i := range scale(20 * n) {
				l.Allow(fmt.Sprint("flood ", i))
				for j := range 4 {
					refund(l, 4*i+j)
				}
				if i%1000 == 0 {
					worst = max(worst, l.Stats().Bytes)
				}
			}
			if s := l.Stats(); worst > 64*n || s.HorizonRaises == 0 {
				t.Errorf("%.1f B a key at worst, %+v", float64(worst)/n, s)
			}
		})
	}
}

// A key that was never seen does not inherit more than a spent burst from a
// raised horizon when it gets a quota of its own.
func TestKeyQuotaOfAnUnseenKeyUnderFlood(t *testing.T) {
	l, _ := newTest(t, PerMinute(300), WithMaxKeys(100))
	for i := range 200_000 {
		l.Allow(fmt.Sprint("flood ", i))
	}
	if d := l.Peek("vip"); d.Allowed {
		t.Fatalf("the flood has not raised the horizon: %+v", d)
	}
	if err := l.SetKeyQuota("vip", PerHour(10)); err != nil {
		t.Fatal(err)
	}
	if d := l.Peek("vip"); d.RetryAfter > 6*time.Minute {
		t.Fatalf("%+v", d)
	}
}

// The bound may be absurd.
func TestUnlimitedKeys(t *testing.T) {
	l, _ := newTest(t, PerSecond(1), WithMaxKeys(math.MaxInt))
	for i := range 10_000 {
		if !l.Allow(fmt.Sprint(i)).Allowed {
			t.Fatal("refused")
		}
	}
	if s := l.Stats(); s.Keys != 10_000 || s.HorizonRaises != 0 {
		t.Fatalf("%+v", s)
	}
}
