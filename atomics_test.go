//go:build !weirsched

package weir

import (
	"sync/atomic"

	"github.com/puzpuzpuz/xsync/v3"
)

// Without the tag weirsched the scheduler's yield points cost nothing: there are
// none, since these compile only if the types are the very same.
var (
	_ *atomic.Int64                   = (*atomicInt64)(nil)
	_ *atomic.Uint64                  = (*atomicUint64)(nil)
	_ *atomic.Pointer[table]          = (*atomicPointer[table])(nil)
	_ *xsync.MapOf[ownKey, *keyQuota] = (*ownMap)(nil)
)
