package workload

import "time"

// batch is how many keys are made before they are sent: the making is not timed.
const batch = 4096

// grow sends n new keys to a limiter that is empty at first.
func grow(n int) func(*run) {
	return func(r *run) {
		n := r.sized(n)
		admitted := r.unseen(0, n)
		r.result.Keys = n
		r.finishGC()
		r.result.BytesPerKey = float64(heapInUse()-r.heapBefore) / float64(n)
		r.check("new keys", admitted, bounds{int64(n), int64(n), int64(n)})
	}
}

// unseen sends n keys from the first one on, tells how many were admitted, and
// notes cost and latency. What a request costs is the mean here and no median:
// growth is paid in few of the batches.
func (r *run) unseen(first uint64, n int) (admitted int64) {
	s := newSender(r)
	before := memStats()
	for sent := 0; sent < n; sent += len(s.keys) {
		s.fill(first+uint64(sent), min(batch, n-sent))
		admitted += s.send()
	}
	after := memStats()
	var all float64
	for _, ns := range s.own {
		all += ns
	}
	s.note(all / float64(len(s.own)))
	r.result.AllocsPerOp = perOp(after.Mallocs-before.Mallocs, 1, int64(n))
	r.result.BytesPerOp = perOp(after.TotalAlloc-before.TotalAlloc, usual, int64(n))
	r.result.Ops += int64(n)
	return admitted
}

// A sender sends batches of new keys and times each request.
type sender struct {
	r         *run
	keys      []string
	took      []int64
	other     []int64 // of the floor; not looked at
	latencies latencies

	own, floor, bare []float64 // ns a request, of each batch that was timed
}

func newSender(r *run) *sender {
	return &sender{
		r: r, keys: make([]string, 0, batch), took: make([]int64, batch), other: make([]int64, batch), latencies: newLatencies(),
	}
}

// fill makes n keys.
func (s *sender) fill(first uint64, n int) {
	clear(s.keys)
	s.keys = s.keys[:0]
	for i := range n {
		s.keys = append(s.keys, text(first+uint64(i), usual))
	}
}

// send sends them, and with every eighth batch times the floor and the timing.
func (s *sender) send() (admitted int64) {
	n := len(s.keys)
	if n == 0 {
		return 0
	}
	admitted, all := timed(s.r.limiter, s.keys, s.took)
	each := func(all time.Duration) float64 { return float64(all) / float64(n) }
	s.own = append(s.own, each(all))
	s.latencies.record(s.took[:n])
	if len(s.own)%8 == 1 {
		_, floor := timed(s.r.floors[0], s.keys, s.other)
		_, bare := timed(idle{}, s.keys, s.other)
		s.floor = append(s.floor, each(floor))
		s.bare = append(s.bare, each(bare))
	}
	return admitted
}

// note puts what a request costs into the result, less what it costs to time it.
// The floor's cost is the same at any time, so it is a median.
func (s *sender) note(own float64) {
	r := &s.r.result
	bare := Median(s.bare)
	r.NsPerOp = max(own-bare, 0)
	r.FloorNsPerOp = max(Median(s.floor)-bare, 1)
	r.Floors = r.NsPerOp / r.FloorNsPerOp
	r.Latency = s.latencies.summary()
}
