package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/weirhq/weir"
)

// A load is what one caller does: so many decisions.
type load func(n int)

// A row is one kind of load, and what the model says of it.
type row struct {
	name string
	what string // for the table
	long bool   // takes longer windows: the state it needs does not fit into the nearest caches
	over bool   // measured with more callers than cores as well

	// model is the time between decisions of all callers together, of which each
	// takes own nanoseconds alone; nil where there is none.
	model func(d distance, own float64, callers int) float64
	load  func(w *world, caller int) load
}

var rows = []row{
	{name: "apart", what: "nothing shared: a Limiter for each caller, refused", over: true,
		model: func(_ distance, own float64, callers int) float64 { return own / float64(callers) },
		load:  func(w *world, c int) load { return hot(w.apart[c]) }},
	{name: "refused", what: "one hot key, refused", over: true,
		model: distance.striped,
		load:  func(w *world, _ int) load { return hot(w.refuses) }},
	{name: "refused-coarse", what: "one hot key, refused, coarse clock",
		model: distance.striped,
		load:  func(w *world, _ int) load { return hot(w.refusesCoarse) }},
	{name: "counted", what: "one hot key, refused, one counter for all", over: true,
		model: func(d distance, own float64, callers int) float64 { return d.contended(own, asksCounted, callers) },
		load:  func(w *world, _ int) load { return counted(w.refuses, &w.count) }},
	{name: "counted-coarse", what: "one hot key, refused, one counter, coarse clock",
		model: func(d distance, own float64, callers int) float64 { return d.contended(own, asksCounted, callers) },
		load:  func(w *world, _ int) load { return counted(w.refusesCoarse, &w.count) }},
	{name: "admitted", what: "one hot key, admitted", over: true,
		model: func(d distance, own float64, callers int) float64 { return d.contended(own, asksAdmitted, callers) },
		load:  func(w *world, _ int) load { return hot(w.admits) }},
	{name: "admitted-coarse", what: "one hot key, admitted, coarse clock",
		model: func(d distance, own float64, callers int) float64 { return d.contended(own, asksAdmitted, callers) },
		load:  func(w *world, _ int) load { return hot(w.admitsCoarse) }},
	{name: "uniform", what: "1 M keys at random, admitted", long: true,
		model: distance.uniform,
		load:  func(w *world, c int) load { return w.ask(w.uniform[c]) }},
	{name: "zipf", what: "1 M keys, Zipf 1.1, admitted", long: true,
		model: distance.zipf,
		load:  func(w *world, c int) load { return w.ask(w.zipf[c]) }},
	{name: "flood", what: "never-seen keys, at the memory bound", long: true,
		model: distance.flood,
		load:  func(w *world, _ int) load { return w.fresh() }},
	{name: "mutex", what: "one hot key, refused, behind a sync.Mutex", over: true,
		load: func(w *world, _ int) load { return locked(w.refuses, &w.mutex) }},
}

// A world is what the rows ask, made once.
type world struct {
	apart                  []*weir.Limiter // one for each caller
	refuses, refusesCoarse *weir.Limiter
	admits, admitsCoarse   *weir.Limiter
	million, bounded       *weir.Limiter
	uniform, zipf          []*draws // one for each caller
	migrations             int64    // of million, until it was full
	shards                 float64  // of bounded
	unseen                 atomic.Uint64
	count                  padded
	mutex                  sync.Mutex
}

// A padded word has its cache line, and those that a prefetcher may take for
// its neighbours, for itself.
type padded struct {
	_ [128]byte
	atomic.Int64
	_ [120]byte
}

// draws are the keys that one caller asks for, round and round.
type draws struct {
	keys []uint32
	next int
	_    [32]byte
}

const hotKey = "203.0.113.77:443"

// newWorld is for that many callers, of which the first ones, one a core, also
// ask for many keys: so many are live.
func newWorld(callers, cores, keys int) (*world, error) {
	never := weir.Quota{Limit: 1e9, Period: time.Second, Burst: 1 << 60} // refuses nothing
	once := weir.Quota{Limit: 1, Period: 24 * time.Hour}
	minutes := weir.Quota{Limit: 1, Period: time.Minute, Burst: 7e6} // refuses nothing here, and a key that was seen stays alive
	w := new(world)
	var failed error
	limiter := func(q weir.Quota, opts ...weir.Option) *weir.Limiter {
		l, err := weir.New(q, opts...)
		if err != nil {
			failed = err
			return nil
		}
		l.Allow(hotKey)
		return l
	}
	coarse := weir.WithCoarseClock(time.Millisecond)
	w.refuses, w.refusesCoarse = limiter(once), limiter(once, coarse)
	w.admits, w.admitsCoarse = limiter(never), limiter(never, coarse)
	w.million, w.bounded = limiter(minutes), limiter(minutes, weir.WithMaxKeys(floodMaxKeys))
	for range callers {
		w.apart = append(w.apart, limiter(once))
	}
	if failed != nil {
		return nil, failed
	}
	var b [16]byte
	for range 2 { // the second time, what was still migrating is brought to its end
		for i := range uint64(keys) {
			w.million.Allow(text(&b, i))
		}
	}
	w.migrations = w.million.Stats().Migrations
	// Each of two changes of the quota replaces the table of every shard. The first
	// brings to its end what was under way.
	w.fresh()(floodMaxKeys / 2)
	for range 2 {
		before := w.bounded.Stats().Migrations
		q := w.bounded.Quota()
		q.Period *= 2
		if err := w.bounded.SetQuota(q); err != nil {
			return nil, err
		}
		w.shards = float64(w.bounded.Stats().Migrations - before)
	}
	w.fresh()(5 * floodMaxKeys)
	for c := range uint64(cores) {
		rng := rand.New(rand.NewPCG(1, c))
		zipf := rand.NewZipf(rng, zipfExponent, 1, uint64(keys-1))
		w.uniform = append(w.uniform, newDraws(keys, func() uint32 { return rng.Uint32N(uint32(keys)) }))
		w.zipf = append(w.zipf, newDraws(keys, func() uint32 { return uint32(zipf.Uint64()) }))
	}
	return w, nil
}

func newDraws(n int, draw func() uint32) *draws {
	d := &draws{keys: make([]uint32, n)}
	for i := range d.keys {
		d.keys[i] = draw()
	}
	return d
}

// refresh gives the keys that are asked for most their burst back, which a long run
// would use up.
func (w *world) refresh() {
	var b [16]byte
	for i := range uint64(100) {
		w.million.Reset(text(&b, i))
	}
}

// swept is how many chunks of 16 slots of 16 bytes each new key has swept between
// two moments of the flood.
func (w *world) swept(before, after weir.Stats) float64 {
	chunks := float64(before.Bytes+after.Bytes) / 2 / (16 * 16) / w.shards // of a table
	return float64(after.Migrations-before.Migrations) * chunks / float64(after.Admitted-before.Admitted)
}

// check tells whether the rows were what they are called.
func (w *world) check() error {
	type named struct {
		name string
		*weir.Limiter
	}
	for _, l := range []named{{"admitted", w.admits}, {"admitted, coarse", w.admitsCoarse}, {"1 M keys", w.million}, {"flood", w.bounded}} {
		if s := l.Stats(); s.Refused > 0 {
			return fmt.Errorf("%s: %d requests were refused", l.name, s.Refused)
		}
	}
	for _, l := range []named{{"refused", w.refuses}, {"refused, coarse", w.refusesCoarse}} {
		if s := l.Stats(); s.Admitted > 1 {
			return fmt.Errorf("%s: %d requests were admitted", l.name, s.Admitted)
		}
	}
	if s := w.million.Stats(); s.Migrations != w.migrations {
		return fmt.Errorf("1 M keys: %d tables were replaced, so keys have lost their slots", s.Migrations-w.migrations)
	}
	if s := w.bounded.Stats(); s.HorizonRaises == 0 {
		return errors.New("flood: it never reached the memory bound")
	}
	return nil
}

// text writes the i-th key into b and returns it as a string that is good until
// the next. A Limiter keeps no text.
func text(b *[16]byte, i uint64) string {
	const odd = 0x9E3779B97F4A7C15 // sends no two numbers to the same
	binary.LittleEndian.PutUint64(b[:8], 0x2f7365727473_6775)
	binary.LittleEndian.PutUint64(b[8:], i*odd)
	return unsafe.String(&b[0], len(b))
}

func hot(l *weir.Limiter) load {
	return func(n int) {
		for range n {
			l.Allow(hotKey)
		}
	}
}

// counted is hot as it would be if all callers counted in one place.
func counted(l *weir.Limiter, count *padded) load {
	return func(n int) {
		for range n {
			l.Allow(hotKey)
			count.Add(1)
		}
	}
}

// locked is hot as it would be if a decision took a lock.
func locked(l *weir.Limiter, mutex *sync.Mutex) load {
	return func(n int) {
		for range n {
			mutex.Lock()
			l.Allow(hotKey)
			mutex.Unlock()
		}
	}
}

func (w *world) ask(d *draws) load {
	return func(n int) {
		var b [16]byte
		for range n {
			w.million.Allow(text(&b, uint64(d.keys[d.next])))
			d.next = (d.next + 1) % len(d.keys)
		}
	}
}

func (w *world) fresh() load {
	return func(n int) {
		var b [16]byte
		first := w.unseen.Add(uint64(n)) - uint64(n)
		for i := range uint64(n) {
			w.bounded.Allow(text(&b, first+i))
		}
	}
}
