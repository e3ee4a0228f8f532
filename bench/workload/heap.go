package workload

import (
	"runtime"
	"runtime/metrics"
)

// heapInUse is what is alive, once the collector has been through twice: the
// second time takes what the first one's finalizers let go.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC()
	return int64(memStats().HeapAlloc)
}

// heapNow is what is alive or not collected yet, without stopping the world.
func heapNow() int64 {
	return metric("/memory/classes/heap/objects:bytes")
}

// FromSystem is the memory that the process holds from the system.
func FromSystem() int64 {
	return metric("/memory/classes/total:bytes") - metric("/memory/classes/heap/released:bytes")
}

func metric(name string) int64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

func memStats() *runtime.MemStats {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return &m
}

// finishGC notes what the collector has done since the run began. Workloads that
// force it call this first; once it has been called, it does nothing.
func (r *run) finishGC() {
	if r.atStart == nil {
		return
	}
	now, then := memStats(), r.atStart
	forced := int64(now.NumForcedGC - then.NumForcedGC)
	r.result.GC = GC{
		Cycles:  int64(now.NumGC-then.NumGC) - forced,
		PauseNs: int64(now.PauseTotalNs - then.PauseTotalNs),
	}
	// The runtime remembers the last 256 pauses.
	for i := max(int64(then.NumGC), int64(now.NumGC)-256); i < int64(now.NumGC); i++ {
		r.result.GC.MaxNs = max(r.result.GC.MaxNs, int64(now.PauseNs[i%256]))
	}
	r.atStart = nil
}
