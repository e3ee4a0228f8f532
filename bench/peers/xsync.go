package peers

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/puzpuzpuz/xsync/v4"

	"github.com/weirhq/weir/bench/subject"
)

// XSyncTAT is what a good engineer would write in an afternoon: GCRA on one
// atomic word a key, in a concurrent map, with a janitor.
var XSyncTAT = subject.Subject{
	Name:   "xsync + atomic TAT",
	Module: "github.com/puzpuzpuz/xsync/v4",
	Keeps:  subject.Text,
	Cleans: "janitor",
	Exact:  "exact",
	New: func(c subject.Config) (subject.Limiter, error) {
		l := &xsyncTAT{
			byName:    xsync.NewMap[string, *atomic.Int64](),
			byAddr:    xsync.NewMap[netip.Addr, *atomic.Int64](),
			base:      time.Now(),
			interval:  int64(c.Interval()),
			tolerance: int64(c.Interval()) * c.Limit,
		}
		l.stop = subject.Every(c.Period, l.clean)
		return l, nil
	},
}

type xsyncTAT struct {
	byName              *xsync.Map[string, *atomic.Int64]
	byAddr              *xsync.Map[netip.Addr, *atomic.Int64]
	base                time.Time
	interval, tolerance int64
	stop                func()
}

func (l *xsyncTAT) Allow(key string) bool          { return allowTAT(l, l.byName, key) }
func (l *xsyncTAT) AllowAddr(addr netip.Addr) bool { return allowTAT(l, l.byAddr, addr) }
func (l *xsyncTAT) Close()                         { l.stop() }

// gone marks a word that the janitor has taken out of the map: who still holds
// it must look again, or its request would be forgotten.
const gone = -1

func allowTAT[K comparable](l *xsyncTAT, m *xsync.Map[K, *atomic.Int64], key K) bool {
	for {
		word, ok := m.Load(key)
		if !ok {
			word, _ = m.LoadOrStore(key, new(atomic.Int64))
		}
		now := int64(time.Since(l.base))
		tat := word.Load()
		if tat == gone {
			continue
		}
		next := max(tat, now) + l.interval
		if next-now > l.tolerance {
			return false
		}
		if word.CompareAndSwap(tat, next) {
			return true
		}
	}
}

func (l *xsyncTAT) clean() {
	now := int64(time.Since(l.base))
	cleanTAT(l.byName, now)
	cleanTAT(l.byAddr, now)
}

func cleanTAT[K comparable](m *xsync.Map[K, *atomic.Int64], now int64) {
	m.DeleteMatching(func(_ K, word *atomic.Int64) (remove, stop bool) {
		tat := word.Load()
		return tat < now && word.CompareAndSwap(tat, gone), false
	})
}
