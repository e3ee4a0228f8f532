package redisbench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/bench/workload"
	"github.com/weirhq/weir/weirredis"
)

// A Shortcut is what a decision costs that needs no call: of a single caller, without
// readings of the clock but the limiter's own.
type Shortcut struct {
	What      string
	NsPerOp   float64
	AllocsOp  float64 // objects
	BytesOp   float64
	Decisions int64 // of which Here needed no call
	Here      int64
	Calls     int64 // that were made meanwhile
}

// sliceOf is how many decisions are timed at once: about two milliseconds.
const sliceOf = 1 << 14

// shortcuts measures both.
func (s Spec) shortcuts(start func() error) (c Count, end func() error, err error) {
	if err := start(); err != nil {
		return c, nil, err
	}
	leased, err := s.shortcut("a decision under lease", Loads[0].Quota, true,
		weirredis.WithLeases(1<<23, time.Minute))
	if err != nil {
		return c, nil, err
	}
	refused, err := s.shortcut("a refusal kept in the process", weir.PerHour(1), false)
	if err != nil {
		return c, nil, err
	}
	c.Shortcuts = []Shortcut{leased, refused}
	return c, func() error { return nil }, nil
}

// shortcut asks for one key, with a limiter that knows what the answer is, and takes
// the median of slices.
func (s Spec) shortcut(what string, q weir.Quota, admits bool, opts ...weirredis.Option) (sc Shortcut, err error) {
	l, err := newWeir(Env{Addr: s.Addr, Callers: 1, Quota: q}, append(opts, weirredis.WithPrefix("shortcut:"))...)
	if err != nil {
		return sc, err
	}
	defer l.Close()
	ctx, key := context.Background(), fmt.Sprintf("%s:%d", what, s.Run)
	for range 3 { // the first is admitted; the second takes a lease, or is refused
		if _, err := l.Allow(ctx, key); err != nil {
			return sc, err
		}
	}
	var slices []float64
	var before, after runtime.MemStats
	known := l.Stats()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for base := time.Now(); time.Since(base) < s.For || len(slices) < 3; {
		began := time.Now()
		for range sliceOf {
			if d, err := l.Limiter.Allow(ctx, key); err != nil || d.Allowed != admits {
				return sc, fmt.Errorf("%s: %+v, %v", what, d, err)
			}
		}
		slices = append(slices, float64(time.Since(began))/sliceOf)
	}
	runtime.ReadMemStats(&after)
	now := l.Stats()
	ops := int64(len(slices)) * sliceOf
	return Shortcut{
		What: what, NsPerOp: workload.Median(slices), Decisions: ops,
		Here:     now.LeasedHere + now.RefusedHere - known.LeasedHere - known.RefusedHere,
		Calls:    now.Calls - known.Calls,
		AllocsOp: float64(after.Mallocs-before.Mallocs) / float64(ops),
		BytesOp:  float64(after.TotalAlloc-before.TotalAlloc) / float64(ops),
	}, nil
}
