package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/craft"
)

var floodScenarios = []scenario{
	{"flood-strict", "five million single-use keys at a bound of 100,000, beside 20,000 heavy keys, under Strict",
		"the heavy keys' decisions are right to the nanosecond, during the flood and after it, and each then admits what it has left " +
			"and no more; the horizon rose; the heap grows by 64 bytes a key at most; Stats count what the callers saw",
		func(t *trial) { flood(t, weir.Strict, false) }},
	{"flood-lenient", "the same under Lenient",
		"the same, and every newcomer is admitted; what was forgiven is counted",
		func(t *trial) { flood(t, weir.Lenient, false) }},
	{"flood-crafted", "the same under Strict, with all single-use keys crafted to have one XXH64",
		"as for flood-strict",
		func(t *trial) { flood(t, weir.Strict, true) }},
}

const (
	floodBurst   = 100
	floodWorkers = 2
	bytesPerKey  = 64 // what WithMaxKeys promises, for n of some thousands
	parts        = 10
	timedEvery   = 16 // reading the clock costs more than most decisions
)

// heavyWant is what a heavy key answers to Peek once the clock has moved on by
// passed: it had spent all but one of its burst, at one request a second.
func heavyWant(passed time.Duration) weir.Decision {
	return weir.Decision{
		Allowed: true, Limit: floodBurst, Remaining: 1 + int64(passed/time.Second),
		ResetAfter: (floodBurst-1)*time.Second - passed,
	}
}

func heavyKey(i int) string { return fmt.Sprint("heavy ", i) }

// newcomer writes the i-th single-use key into room, and returns it.
func newcomer(room []byte, i int, crafted bool) string {
	if crafted {
		return craft.Key16(uint64(i), 0xfeedfacecafebeef)
	}
	binary.LittleEndian.PutUint64(room[8:], uint64(i)*0x9e3779b97f4a7c15)
	return unsafe.String(&room[0], len(room))
}

func flood(t *trial, overflow weir.Overflow, crafted bool) {
	n, keys := 100_000, t.n(5_000_000)
	if t.n(5) < 5 {
		n = 20_000
	}
	heavies := n / 5
	clock := newHand()
	f := &flow{trial: t, keys: keys, crafted: crafted, bound: n}
	// Before the heap is looked at: what is measured with is not the limiter's.
	f.watch.took = make([]int32, 0, keys/timedEvery+floodWorkers*parts)
	start := clock.now()
	before := heap()
	q := weir.Quota{Limit: floodBurst, Period: floodBurst * time.Second}
	l := t.limiter(q, clock.option(),
		weir.WithMaxKeys(n), weir.WithOverflow(overflow))
	for i := range heavies {
		l.AllowN(heavyKey(i), floodBurst-1)
	}
	f.l = l
	// A tenth at a time: then the clock moves, while nobody decides, and the
	// memory is measured.
	worstHeap := int64(0)
	for part := range parts {
		f.part(part*keys/parts, (part+1)*keys/parts, heavies, clock.now()-start)
		worstHeap = max(worstHeap, heap()-before)
		clock.advance(77 * time.Millisecond)
	}
	f.check(overflow, heavies, clock.now()-start)
	if most := int64(bytesPerKey*n) + 64<<10; worstHeap > most || f.bytes.Load() > most {
		t.errorf("the heap grew by %d bytes, Stats told %d at worst, %d are the most", worstHeap, f.bytes.Load(), most)
	}
	t.figuref("%d keys: %s, which is the same keys where there is room for all; %s; %.1f bytes a key at worst; %d horizon raises; "+
		"%d checks of heavy keys meanwhile",
		keys, ratio(f.nanos/float64(keys), f.roomy(heavies, q)), f.watch.percentiles(),
		float64(max(worstHeap, f.bytes.Load()))/float64(n), l.Stats().HorizonRaises, f.checked.Load())
	runtime.KeepAlive(l)
}

// check looks at every heavy key once the flood is over, and at what was counted.
func (f *flow) check(overflow weir.Overflow, heavies int, passed time.Duration) {
	for i := range heavies {
		if d := f.l.Peek(heavyKey(i)); d != heavyWant(passed) {
			f.errorf("heavy key %d: %+v, want %+v", i, d, heavyWant(passed))
		}
	}
	refused := f.refused.Load()
	s := f.wantCounts(f.l, f.admitted.Load()+int64(heavies), refused)
	if s.HorizonRaises == 0 || s.Migrations == 0 || f.checked.Load() == 0 {
		f.errorf("%+v, %d checks: the flood did not reach the bound", s, f.checked.Load())
	}
	if overflow == weir.Lenient && (refused != 0 || s.Forgiven == 0) || overflow == weir.Strict && s.Forgiven != 0 {
		f.errorf("%d newcomers refused, %+v", refused, s)
	}
	f.drain(heavies, passed)
}

// A flow is a flood on its way.
type flow struct {
	*trial
	l       *weir.Limiter
	keys    int
	crafted bool
	bound   int // of keys; 0 if there is room for all

	admitted, refused, checked atomic.Int64
	bytes                      atomic.Int64 // the worst that Stats told
	watch                      stopwatch
	nanos                      float64 // of the flood, times the workers
}

// part sends some of the newcomers, while the clock stands.
func (f *flow) part(from, to, heavies int, passed time.Duration) {
	want := heavyWant(passed)
	took := make([][]int32, floodWorkers)
	began := time.Now()
	together(floodWorkers, func(w int) {
		r := rand.New(rand.NewPCG(uint64(w), uint64(from)))
		room := []byte("key-............")
		var admitted, refused, checked int64
		for i := from + w; i < to; i += floodWorkers {
			key := newcomer(room, i, f.crafted)
			timed := i/floodWorkers%timedEvery == 0
			var single time.Time
			if timed {
				single = time.Now()
			}
			d := f.l.Allow(key)
			if timed {
				took[w] = append(took[w], int32(min(time.Since(single), math.MaxInt32)))
			}
			if d.Allowed {
				admitted++
			} else {
				refused++
			}
			if f.bound > 0 && i%(f.bound/2) == w {
				raiseTo(&f.bytes, f.l.Stats().Bytes)
			}
			if i/floodWorkers%64 == 0 {
				checked++
				if k := r.IntN(heavies); f.l.Peek(heavyKey(k)) != want {
					f.errorf("heavy key %d during the flood: %+v, want %+v", k, f.l.Peek(heavyKey(k)), want)
				}
			}
		}
		f.admitted.Add(admitted)
		f.refused.Add(refused)
		f.checked.Add(checked)
	})
	f.nanos += float64(time.Since(began)) * floodWorkers
	for _, some := range took {
		f.watch.took = append(f.watch.took, some...)
	}
}

// drain asks every heavy key for all that it has left, and once more.
func (f *flow) drain(heavies int, passed time.Duration) {
	left := heavyWant(passed).Remaining
	for i := range heavies {
		for n := range left + 1 {
			if d := f.l.Allow(heavyKey(i)); d.Allowed != (n < left) {
				f.errorf("request %d of heavy key %d, which had %d left: %+v", n+1, i, left, d)
				return
			}
		}
	}
}

// roomy is what the same newcomers cost a limiter that has room for all of them.
func (f *flow) roomy(heavies int, q weir.Quota) (nanos float64) {
	clock := newHand()
	usual := &flow{trial: f.trial, keys: f.keys}
	usual.l = f.limiter(q, clock.option(), weir.WithMaxKeys(2*f.keys))
	for i := range heavies {
		usual.l.AllowN(heavyKey(i), floodBurst-1)
	}
	usual.part(0, f.keys, heavies, 0)
	if usual.refused.Load() != 0 {
		f.errorf("%d refused where there is room", usual.refused.Load())
	}
	return usual.nanos / float64(f.keys)
}
