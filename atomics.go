//go:build !weirsched

package weir

import (
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"
)

// The words on which the protocol of shard.go acts. They are aliases, so that they
// are the very types of sync/atomic here, and types that yield to a scheduler
// before every step in a build with the tag weirsched: see atomics_sched.go.
type (
	atomicInt64          = atomic.Int64
	atomicUint64         = atomic.Uint64
	atomicPointer[T any] = atomic.Pointer[T]
	ownMap               = xsync.MapOf[ownKey, *keyQuota]
)

func newOwnMap() *ownMap { return xsync.NewMapOf[ownKey, *keyQuota]() }
