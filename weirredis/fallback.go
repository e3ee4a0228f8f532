package weirredis

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/puzpuzpuz/xsync/v3"
	"golang.org/x/sync/errgroup"

	"github.com/weirhq/weir"
)

// A Fallback says who decides while the server cannot be asked.
type Fallback struct {
	kind      fallbackKind
	processes int
}

type fallbackKind uint8

const (
	noFallback fallbackKind = iota
	localFallback
	openFallback
	closedFallback
)

// Local lets a [weir.Limiter] in each process decide, with its share of the quota: one
// of so many processes gets that part of the rate and of the burst, but at least a burst
// of 1. So in any window a process admits at most MaxIn of that share without the server,
// however often it comes and goes; with as many processes as it was told, all of them
// no more than MaxIn of the quota, beside what the server admits. (Where the burst is
// smaller than the number of processes, that is a burst of one for each.)
//
// Local(1) is right for a single process, and says for several that each may go to the
// quota by itself while there is nobody to ask. When the server is back, what each key
// was admitted here and has not earned back yet is charged to it, for up to 65,536 keys.
// A cost above the share, but not above the quota, is refused until then.
func Local(processes int) Fallback { return Fallback{localFallback, processes} }

// Open admits everything while the server cannot be asked.
func Open() Fallback { return Fallback{kind: openFallback} }

// Closed refuses everything while the server cannot be asked, with an error. The
// RetryAfter is then a guess at when the server is tried again.
func Closed() Fallback { return Fallback{kind: closedFallback} }

// local decides under Local.
type local struct {
	*weir.Limiter
	processes int
	owed      *xsync.MapOf[string, int64] // requests admitted here and not yet charged, by key
	max       int
	settling  sync.Mutex // one at a time
}

func newLocal(q weir.Quota, processes, max int) (*local, error) {
	limiter, err := weir.New(q)
	if err != nil {
		return nil, err
	}
	lo := &local{Limiter: limiter, processes: processes, owed: xsync.NewMapOf[string, int64](), max: max}
	return lo, lo.setQuota(q)
}

func (lo *local) setQuota(q weir.Quota) error {
	burst := q.Burst
	if burst == 0 {
		burst = q.Limit
	}
	q.Burst = max(burst/int64(lo.processes), 1)
	if int64(q.Period) > math.MaxInt64/int64(lo.processes) {
		return &ConfigError{"Local: processes", lo.processes, "so few that the period times their number can be counted"}
	}
	q.Period *= time.Duration(lo.processes)
	return lo.SetQuota(q)
}

// fallBack decides a request of cost n ≥ 1 without the server.
func (l *Limiter) fallBack(key string, m *meter, n int64, cause error) (d weir.Decision, err error) {
	l.fellBack.Inc()
	switch l.server.fallback.kind {
	case localFallback:
		d = l.local.AllowN(key, n)
		d.Limit = m.quota.Limit
		if d.Allowed {
			l.owe(key, n)
		} else if d.RetryAfter == weir.Never {
			// More than this process's share ever has; but not more than the quota.
			d.RetryAfter = l.server.retryAfter(l.prefix + key)
		}
	case openFallback:
		d = m.admitted(n * m.interval)
	default:
		err = l.unavailable(key, cause)
		d = l.closed(key, m)
	}
	l.counters.count(d.Allowed)
	return d, err
}

// peekBack is fallBack for Peek.
func (l *Limiter) peekBack(key string, m *meter, cause error) (d weir.Decision, err error) {
	switch l.server.fallback.kind {
	case localFallback:
		d = l.local.Peek(key)
		d.Limit = m.quota.Limit
		return d, nil
	case openFallback:
		return m.admitted(0), nil
	default:
		return l.closed(key, m), l.unavailable(key, cause)
	}
}

func (l *Limiter) closed(key string, m *meter) weir.Decision {
	return weir.Decision{Limit: m.quota.Limit, RetryAfter: l.server.retryAfter(l.prefix + key)}
}

func (l *Limiter) unavailable(key string, cause error) error {
	return &UnavailableError{cause, l.server.retryAfter(l.prefix + key)}
}

// owe notes what was admitted of a key without the server.
func (l *Limiter) owe(key string, n int64) {
	l.note(key, n)
	if l.server.up(l.server.part(l.prefix + key)) {
		l.server.settleSoon() // there is no outage whose end would do it
	}
}

func (l *Limiter) note(key string, n int64) {
	l.local.owed.Compute(strings.Clone(key), func(owed int64, loaded bool) (int64, bool) {
		if !loaded && (l.local.owed.Size() >= l.local.max || len(key) > maxNearKey) {
			l.uncharged.Add(n)
			return 0, true
		}
		return owed + n, false
	})
}

// settle charges the keys of parts that are ready with what they were admitted here
// since the last time, as far as it is not earned back. Here it stays spent, so that
// nobody gets another burst, neither while this goes on nor in the next outage. It stops
// at the first sign that the server is gone (again).
func (l *Limiter) settle(ctx context.Context, ready func(part int) bool) error {
	l.local.settling.Lock()
	defer l.local.settling.Unlock()
	charges, ctx := errgroup.WithContext(ctx)
	charges.SetLimit(128) // they share batches
	l.local.owed.Range(func(key string, _ int64) bool {
		if ready(l.server.part(l.prefix + key)) {
			charges.Go(func() error { return l.charge(ctx, key) })
		}
		return ctx.Err() == nil
	})
	return charges.Wait()
}

// charge is settle for a key. A charge without an answer is made again: if the server
// has heard of it after all, it counts twice, rather than not at all.
func (l *Limiter) charge(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	owed, _ := l.local.owed.LoadAndDelete(key)
	n := min(owed, l.local.consumed(key))
	if n <= 0 {
		return nil
	}
	m := l.meter.Load()
	answer, _ := l.server.call(ctx, l.request(chargeScript, key, m.intervalArg, digits(n*m.interval)), nil)
	switch {
	case answer.err == nil:
		l.charged.Add(n)
	case blames(answer.err):
		l.note(key, n)
		return answer.err
	default:
		l.uncharged.Add(n) // a value that is none of ours is in its place
	}
	return nil
}

// settleSoon charges what was admitted without the server although there is no outage:
// because a single call failed, or its caller could not wait.
func (s *server) settleSoon() {
	if s.stopped.Err() != nil || !s.settling.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(s.retry, func() {
		s.settling.Store(false)
		s.background(func() {
			if s.settle(s.stopped, s.up) != nil {
				s.settleSoon()
			}
		})
	})
}

// settleAll is settle for Close. It tries twice: a connection that a call waits on in vain
// is closed, and takes those along that have just come to use it.
func (s *server) settleAll(ctx context.Context) error {
	if s.settle(ctx, s.up) == nil {
		return nil
	}
	return s.settle(ctx, s.up)
}

// consumed is what the key has spent here and not earned back yet.
func (lo *local) consumed(key string) int64 { return lo.Quota().Burst - lo.Peek(key).Remaining }
