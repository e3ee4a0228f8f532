package conformance

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// A handClock is a clock of weir.WithClock that stands still.
type handClock struct{ nanos atomic.Int64 }

func (c *handClock) now() time.Duration      { return time.Duration(c.nanos.Load()) }
func (c *handClock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }

// here is weir.Limiter as a backend.
func here() Backend {
	return Backend{
		New: func(tb testing.TB, q weir.Quota) (Limiter, Clock) {
			c := new(handClock)
			return Local(newWeir(tb, q, weir.WithClock(c.now))), c
		},
		NewLive: func(tb testing.TB, q weir.Quota) Limiter {
			return Local(newWeir(tb, q))
		},
		Resolution: 1,
	}
}

func newWeir(tb testing.TB, q weir.Quota, opts ...weir.Option) *weir.Limiter {
	tb.Helper()
	l, err := weir.New(q, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

func TestWeir(t *testing.T) { Run(t, here()) }
