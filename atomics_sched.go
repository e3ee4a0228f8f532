//go:build weirsched

package weir

import (
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"
)

// yield is called before every atomic step of the protocol, where a scheduler may
// let another goroutine go first. Tests set it, while nothing else runs.
var yield = func() {}

type atomicInt64 struct{ v atomic.Int64 }

func (a *atomicInt64) Load() int64       { yield(); return a.v.Load() }
func (a *atomicInt64) Store(n int64)     { yield(); a.v.Store(n) }
func (a *atomicInt64) Add(n int64) int64 { yield(); return a.v.Add(n) }
func (a *atomicInt64) Or(n int64) int64  { yield(); return a.v.Or(n) }
func (a *atomicInt64) CompareAndSwap(old, new int64) bool {
	yield()
	return a.v.CompareAndSwap(old, new)
}

type atomicUint64 struct{ v atomic.Uint64 }

func (a *atomicUint64) Load() uint64       { yield(); return a.v.Load() }
func (a *atomicUint64) Store(n uint64)     { yield(); a.v.Store(n) }
func (a *atomicUint64) Or(n uint64) uint64 { yield(); return a.v.Or(n) }
func (a *atomicUint64) CompareAndSwap(old, new uint64) bool {
	yield()
	return a.v.CompareAndSwap(old, new)
}

type atomicPointer[T any] struct{ v atomic.Pointer[T] }

func (a *atomicPointer[T]) Load() *T   { yield(); return a.v.Load() }
func (a *atomicPointer[T]) Store(p *T) { yield(); a.v.Store(p) }
func (a *atomicPointer[T]) CompareAndSwap(old, new *T) bool {
	yield()
	return a.v.CompareAndSwap(old, new)
}

// ownMap yields before each of its operations, which are linearizable.
type ownMap struct {
	m *xsync.MapOf[ownKey, *keyQuota]
}

func newOwnMap() *ownMap { return &ownMap{xsync.NewMapOf[ownKey, *keyQuota]()} }

func (o *ownMap) Load(k ownKey) (*keyQuota, bool) { yield(); return o.m.Load(k) }
func (o *ownMap) Store(k ownKey, e *keyQuota)     { yield(); o.m.Store(k, e) }
func (o *ownMap) Delete(k ownKey)                 { yield(); o.m.Delete(k) }
func (o *ownMap) Size() int                       { return o.m.Size() }
