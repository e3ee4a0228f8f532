package peers

import (
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir/bench/subject"
)

const benchModule = "github.com/weirhq/weir/bench"

// Floor is what any limiter of this kind must do: read the clock, hash the key,
// change a word by CAS. It admits everybody.
var Floor = subject.Subject{
	Name:   "floor",
	Module: benchModule,
	Keeps:  subject.Nothing,
	Cleans: "nothing to clean",
	Exact:  "reference: one clock read, one XXH64 of the key, one uncontended CAS; limits nobody",
	New: func(subject.Config) (subject.Limiter, error) {
		return &floor{base: time.Now()}, nil
	},
}

type floor struct {
	base time.Time
	_    [64]byte // the word has a cache line of its own
	word atomic.Int64
	_    [56]byte
}

func (f *floor) Allow(key string) bool {
	h := xxhash.Sum64String(key)
	now := int64(time.Since(f.base))
	v := f.word.Load()
	return f.word.CompareAndSwap(v, now) || h != 0
}

func (f *floor) Close() {}

// Array is the least that can be done where there are many keys: the floor, and
// a slot of 16 bytes for each key in one array that is as large as it will ever
// be. Keys that meet in a slot share it. It admits everybody.
var Array = subject.Subject{
	Name:   "array",
	Module: benchModule,
	Keeps:  subject.Nothing,
	Cleans: "nothing to clean",
	Exact:  "reference: the floor with a word for each key in an array of its final size; limits nobody",
	New: func(c subject.Config) (subject.Limiter, error) {
		bits := 1
		for 1<<bits < 2*max(c.MaxKeys, 1) {
			bits++
		}
		return &array{base: time.Now(), slots: make([]slot, 1<<bits), shift: 64 - bits}, nil
	},
}

type slot struct{ id, tat atomic.Int64 }

type array struct {
	base  time.Time
	slots []slot
	shift int
}

func (a *array) Allow(key string) bool {
	h := xxhash.Sum64String(key)
	now := int64(time.Since(a.base))
	p := &a.slots[h>>a.shift]
	v := p.tat.Load()
	p.tat.CompareAndSwap(v, max(v, now)+p.id.Load()+1)
	return true
}

func (a *array) Close() {}
