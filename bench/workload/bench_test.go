package workload_test

import (
	"testing"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/workload"
)

// Benchmark runs every workload with every subject at a small size, for those who
// compare with benchstat. What it reports is measured by the workload itself:
// ns/op is the testing package's and means nothing, "ns/req" is the cost of a
// request and "x-floor" the same as a multiple of the floor beside it.
func Benchmark(b *testing.B) {
	for _, w := range workload.All() {
		if w.Big {
			continue
		}
		for _, s := range peers.All() {
			if w.Misfit(s) != "" {
				continue
			}
			b.Run("load="+w.Name+"/limiter="+s.Name, func(b *testing.B) {
				var ns, floors, worst []float64
				for b.Loop() {
					result, err := w.Run(s, workload.Tiny())
					if err != nil {
						b.Fatal(err)
					}
					ns, floors = append(ns, result.NsPerOp), append(floors, result.Floors)
					if result.Latency != nil {
						worst = append(worst, float64(result.Latency.Max))
					}
				}
				b.ReportMetric(0, "ns/op")
				if ns[0] > 0 {
					b.ReportMetric(workload.Median(ns), "ns/req")
					b.ReportMetric(workload.Median(floors), "x-floor")
				}
				if worst != nil {
					b.ReportMetric(workload.Median(worst), "worst-ns")
				}
			})
		}
	}
}
