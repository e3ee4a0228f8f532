package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/conformance"
)

// A settable clock is most of what a backend's author has to bring. This one is
// for weir.WithClock; that of a server is set by a command to the server.
type clock struct{ nanos atomic.Int64 }

func (c *clock) Advance(d time.Duration) { c.nanos.Add(int64(d)) }
func (c *clock) now() time.Duration      { return time.Duration(c.nanos.Load()) }

// The test of a backend. It is in a function of testing's, so it has no output
// here:
//
//	func TestConformance(t *testing.T) { conformance.Run(t, backend) }
func ExampleRun() {
	backend := conformance.Backend{
		New: func(tb testing.TB, q weir.Quota) (conformance.Limiter, conformance.Clock) {
			c := new(clock)
			l, err := weir.New(q, weir.WithClock(c.now))
			if err != nil {
				tb.Fatal(err)
			}
			return conformance.Local(l), c
		},
		NewLive: func(tb testing.TB, q weir.Quota) conformance.Limiter {
			l, err := weir.New(q)
			if err != nil {
				tb.Fatal(err)
			}
			return conformance.Local(l)
		},
		Resolution: time.Nanosecond,
	}
	_ = func(t *testing.T) { conformance.Run(t, backend) }
}

func ExampleLocal() {
	l, err := weir.New(weir.PerMinute(2), weir.WithClock(new(clock).now))
	if err != nil {
		fmt.Println(err)
		return
	}
	limiter := conformance.Local(l)
	for range 3 {
		d, err := limiter.AllowN(context.Background(), "account 42", 1)
		fmt.Println(d.Allowed, d.RetryAfter, err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err = limiter.Wait(ctx, "account 42", 1)
	fmt.Println("beyond the deadline:", errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true 0s <nil>
	// true 0s <nil>
	// false 30s <nil>
	// beyond the deadline: true
}
