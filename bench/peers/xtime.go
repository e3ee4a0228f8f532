package peers

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/weirhq/weir/bench/subject"
)

const xtimeExact = "a request whose clock reading is older than the one before it turns the bucket back, " +
	"so that a span of time is earned twice"

// XTimeSyncMap is a rate.Limiter for each key in a sync.Map, as it is often
// written, and as often never cleaned.
var XTimeSyncMap = subject.Subject{
	Name:   "x/time, sync.Map",
	Module: "golang.org/x/time",
	Keeps:  subject.Text,
	Cleans: "never",
	Exact:  xtimeExact,
	New: func(c subject.Config) (subject.Limiter, error) {
		return &xtimeSyncMap{limit: rate.Limit(c.PerSecond()), burst: int(c.Limit)}, nil
	},
}

type xtimeSyncMap struct {
	limit rate.Limit
	burst int
	m     sync.Map
}

func (l *xtimeSyncMap) Allow(key string) bool          { return l.bucket(key).Allow() }
func (l *xtimeSyncMap) AllowAddr(addr netip.Addr) bool { return l.bucket(addr).Allow() }
func (l *xtimeSyncMap) Close()                         {}

func (l *xtimeSyncMap) bucket(key any) *rate.Limiter {
	v, ok := l.m.Load(key)
	if !ok {
		v, _ = l.m.LoadOrStore(key, rate.NewLimiter(l.limit, l.burst))
	}
	return v.(*rate.Limiter)
}

// XTimeMutexMap is the pattern of most tutorials: a map of visitors under a
// mutex, and a goroutine that drops those not seen for a while.
var XTimeMutexMap = subject.Subject{
	Name:   "x/time, mutex map",
	Module: "golang.org/x/time",
	Keeps:  subject.Text,
	Cleans: "janitor",
	Exact:  xtimeExact,
	New: func(c subject.Config) (subject.Limiter, error) {
		l := &xtimeMutexMap{
			limit:  rate.Limit(c.PerSecond()),
			burst:  int(c.Limit),
			byName: make(map[string]*visitor),
			byAddr: make(map[netip.Addr]*visitor),
		}
		l.stop = subject.Every(c.Period, func() { l.clean(c.Period) })
		return l, nil
	},
}

type visitor struct {
	bucket *rate.Limiter
	seen   time.Time
}

type xtimeMutexMap struct {
	limit  rate.Limit
	burst  int
	mu     sync.Mutex
	byName map[string]*visitor
	byAddr map[netip.Addr]*visitor
	stop   func()
}

func (l *xtimeMutexMap) Allow(key string) bool          { return visit(l, l.byName, key).Allow() }
func (l *xtimeMutexMap) AllowAddr(addr netip.Addr) bool { return visit(l, l.byAddr, addr).Allow() }
func (l *xtimeMutexMap) Close()                         { l.stop() }

func visit[K comparable](l *xtimeMutexMap, m map[K]*visitor, key K) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := m[key]
	if v == nil {
		v = &visitor{bucket: rate.NewLimiter(l.limit, l.burst)}
		m[key] = v
	}
	v.seen = time.Now()
	return v.bucket
}

// clean drops visitors that were away for a period: their buckets are full.
func (l *xtimeMutexMap) clean(period time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, v := range l.byName {
		if time.Since(v.seen) > period {
			delete(l.byName, key)
		}
	}
	for key, v := range l.byAddr {
		if time.Since(v.seen) > period {
			delete(l.byAddr, key)
		}
	}
}
