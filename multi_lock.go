package weir

import (
	"slices"
	"sync"
	"sync/atomic"
)

// This file is how a Multi keeps its promise that all quotas of a key are seen and
// changed at one instant: locks for those who change, versions for those who look.

const multiStripes = 128 // 8 KiB

// A multiStripe guards the keys that fall on it. The version is odd while they
// are being changed; who has read it, then the keys, then the same even version
// again, has seen all quotas as they were at one instant.
type multiStripe struct {
	mu      sync.Mutex
	version atomic.Uint64
	_       [64 - 16]byte
}

// A lockSet is the stripes of a request, each once, in rising order: so nobody
// waits in a circle.
type lockSet struct {
	stripes [MostQuotas]uint8
	n       int
}

func (k *lockSet) of() []uint8 { return k.stripes[:k.n] }

func (m *Multi) locks(all []spot) (k lockSet) {
	for _, s := range all {
		i := uint8(s.id % multiStripes)
		if at, found := slices.BinarySearch(k.of(), i); !found {
			copy(k.stripes[at+1:], k.stripes[at:k.n])
			k.stripes[at] = i
			k.n++
		}
	}
	return k
}

// lock reports whether it had to wait.
func (m *Multi) lock(k *lockSet) (waited bool) {
	for _, i := range k.of() {
		if !m.stripes[i].mu.TryLock() {
			m.stripes[i].mu.Lock()
			waited = true
		}
	}
	return waited
}

func (m *Multi) unlock(k *lockSet) {
	for _, i := range k.of() {
		m.stripes[i].mu.Unlock()
	}
}

// change makes the versions odd before the keys are changed, and even after. The
// locks are held.
func (m *Multi) change(k *lockSet) {
	for _, i := range k.of() {
		m.stripes[i].version.Add(1)
	}
}

// version is the sum of the versions, which only grow, so that equal sums mean
// equal versions; quiet means that all are even.
func (m *Multi) version(k *lockSet) (sum uint64, quiet bool) {
	quiet = true
	for _, i := range k.of() {
		v := m.stripes[i].version.Load()
		quiet = quiet && v%2 == 0
		sum += v
	}
	return sum, quiet
}
