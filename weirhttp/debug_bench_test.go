package weirhttp_test

import (
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// outcome is one of business id, as middleware of New reports it.
func outcome(id string, allowed bool) weirhttp.Outcome {
	return weirhttp.Outcome{Cost: 1, Ruling: weir.Ruling{
		Decision: weir.Decision{Allowed: allowed},
		Key:      weir.PartitionKey{Partition: weir.Business, ID: id},
		Reason:   weir.ByBusiness,
	}}
}

// outcomeOf is one of somebody unknown.
func outcomeOf(addr string, allowed bool) weirhttp.Outcome {
	prefix, _ := netip.MustParseAddr(addr).Prefix(32)
	return weirhttp.Outcome{Cost: 1, Ruling: weir.Ruling{
		Decision: weir.Decision{Allowed: allowed},
		Key:      weir.PartitionKey{Partition: weir.IP, Prefix: prefix},
		Reason:   weir.Anonymous,
	}}
}

// The floor is the clock, which each call reads.
func BenchmarkDebugObserve(b *testing.B) {
	base := time.Now()
	b.Run("outcome=none", func(b *testing.B) {
		for b.Loop() {
			time.Since(base)
		}
	})
	distinct := make([]weirhttp.Outcome, 1<<16)
	for i := range distinct {
		distinct[i] = outcome("business-"+strconv.Itoa(i), false)
	}
	for _, c := range []struct {
		name     string
		outcomes []weirhttp.Outcome
	}{
		{"admitted", []weirhttp.Outcome{outcome("42", true)}},
		{"refused", []weirhttp.Outcome{outcome("42", false)}},
		{"refused-address", []weirhttp.Outcome{outcomeOf("203.0.113.7", false)}},
		{"refused-flood", distinct},
	} {
		debug := weirhttp.NewDebug(newPartitionLimiter(b, oneIn17s), weirhttp.ShowKeys())
		b.Run("outcome="+c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				debug.Observe(c.outcomes[i%len(c.outcomes)])
			}
		})
		b.Run("parallel/outcome="+c.name, func(b *testing.B) {
			var next atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for i := int(next.Add(1)) << 10; pb.Next(); i++ {
					debug.Observe(c.outcomes[i%len(c.outcomes)])
				}
			})
		})
	}
}

// What a look at the page costs while Stats need not be counted again.
func BenchmarkDebugPage(b *testing.B) {
	debug := weirhttp.NewDebug(newPartitionLimiter(b, oneIn17s))
	for i := range 1000 {
		debug.Observe(outcome(strconv.Itoa(i), false))
	}
	for _, target := range []string{"/", "/?format=json"} {
		b.Run("target="+target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				get(debug, target)
			}
		})
	}
}
