package workload

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/bench/subject"
)

// Floods are of keys that come once. The bound on live keys, for those who have
// one, is far below their number.
const floodBound = 100_000

func minutely(s Setup) subject.Config { return quota(300, time.Minute, sized(floodBound, s)) }
func underFlood(Setup) subject.Config { return quota(300, 300*time.Hour, floodBound) }
func paced(s Setup) subject.Config    { return quota(20, s.Period, sized(floodBound, s)*10) }

// spenders are keys that have spent their burst before a flood.
const spenders = 100

// flood sends never-seen keys, and asks whether those that had spent their burst
// before have it again.
func flood(r *run) {
	n := r.sized(20 * floodBound)
	var heavy [spenders]string
	var spent [spenders]int64
	for i := range heavy {
		heavy[i] = text(uint64(n+i), usual)
		spent[i] = send(r.limiter, heavy[i], int(r.config.Limit))
	}
	newcomers := r.unseen(0, n)
	r.check("newcomers", newcomers, bounds{int64(n), int64(n), int64(n)})
	var back int64
	var b bounds
	for i, key := range heavy {
		back += send(r.limiter, key, int(r.config.Limit))
		b.add(r.config, r.config.Limit, spent[i], time.Since(r.made))
	}
	r.check("keys that had spent their burst before the flood", back, b)
}

// hotUnderFlood times one key while another caller floods the limiter.
func hotUnderFlood(r *run) {
	key := text(math.MaxUint64, usual)
	asked := 2 * r.config.Limit
	admitted := send(r.limiter, key, int(asked))

	var stop atomic.Bool
	var flooder sync.WaitGroup
	flooder.Go(func() {
		for i := uint64(0); !stop.Load(); i++ {
			r.limiter.Allow(text(i, usual))
			if runtime.GOMAXPROCS(0) == 1 {
				runtime.Gosched()
			}
		}
	})
	s := newSender(r)
	for range batch {
		s.keys = append(s.keys, key)
	}
	for begin := time.Now(); time.Since(begin) < 2*r.Budget || len(s.own) < 3; {
		admitted += s.send()
		asked += batch
	}
	stop.Store(true)
	flooder.Wait()
	r.result.Ops = asked
	s.note(Median(s.own))
	var b bounds
	b.add(r.config, asked, 0, time.Since(r.made))
	r.check("hot key", admitted, b)
}

// pacedFlood sends as many keys a second to each subject, so that what they hold
// can be compared: three periods of flood, then three of calm. The first are
// forgotten while others still come. In the calm the collector is called before
// each sample: what is left then is really held.
func pacedFlood(r *run) {
	const floodRate, calmRate = 250_000, 1_000 // keys a second
	const step = 2 * time.Millisecond
	s := newSender(r)
	var sent, admitted int64
	start := time.Now()
	every := max(3*r.Period/60, step)
	next := time.Duration(0)
	due, rate := 0.0, float64(floodRate)
	for last := time.Duration(0); last < 6*r.Period; {
		now := time.Since(start)
		calm := now > 3*r.Period
		if calm {
			rate = calmRate
			r.finishGC()
		}
		due = min(due+rate*(now-last).Seconds(), batch) // who cannot keep the pace is not asked to catch up
		last = now
		s.fill(uint64(sent), int(due))
		due -= float64(len(s.keys))
		sent += int64(len(s.keys))
		admitted += s.send()
		if now >= next {
			if calm {
				clear(s.keys)
				runtime.GC()
			}
			r.result.Memory = append(r.result.Memory, Sample{now.Milliseconds(), max(heapNow()-r.heapBefore, 0)})
			next = now + every
		}
		time.Sleep(step - time.Since(start)%step)
	}
	r.result.Ops = sent
	r.result.Latency = s.latencies.summary()
	r.check("newcomers", admitted, bounds{sent, sent, sent})
}
