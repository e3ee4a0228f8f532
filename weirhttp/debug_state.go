package weirhttp

import (
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir"
)

// The types of this file are what the page shows, and with the names of their
// tags the JSON, which docs/debug.md describes. Fields may be added; none changes
// its name or meaning.

type debugState struct {
	Time       time.Time        `json:"time"`
	Since      time.Time        `json:"since"`
	KeysShown  bool             `json:"keys_shown"`
	Partitions []partitionState `json:"partitions"`
}

type partitionState struct {
	Partition   string        `json:"partition"`
	Policies    []policyState `json:"policies"`
	Totals      resultCounts  `json:"totals"`
	Seconds     secondsState  `json:"seconds"`
	Reasons     []reasonState `json:"reasons"`
	RefusedMost refusedMost   `json:"refused_most"`
}

type policyState struct {
	Name          string     `json:"name"`
	Quota         weir.Quota `json:"quota"`
	Keys          int64      `json:"keys"`
	Bytes         int64      `json:"bytes"`
	Admitted      int64      `json:"admitted"`
	Refused       int64      `json:"refused"`
	Migrations    int64      `json:"migrations"`
	HorizonRaises int64      `json:"horizon_raises"`
	Forgiven      int64      `json:"forgiven"`
}

type resultCounts struct {
	Admitted      int64 `json:"admitted"`
	Refused       int64 `json:"refused"`
	ShadowRefused int64 `json:"shadow_refused"`
}

type secondsState struct {
	End           time.Time `json:"end"`
	Admitted      []int64   `json:"admitted"`
	Refused       []int64   `json:"refused"`
	ShadowRefused []int64   `json:"shadow_refused"`
}

type reasonState struct {
	Reason   string `json:"reason"`
	Fallback bool   `json:"fallback"`
	resultCounts
}

type refusedMost struct {
	Since        time.Time  `json:"since"`
	Refused      int64      `json:"refused"`
	OthersAtMost int64      `json:"others_at_most"`
	Keys         []keyState `json:"keys"`
}

type keyState struct {
	Hash    string `json:"hash"`
	Key     string `json:"key,omitempty"`
	KeyCut  bool   `json:"key_cut,omitempty"`
	AtLeast int64  `json:"at_least"`
	AtMost  int64  `json:"at_most"`
}

// state gathers all that is shown.
func (d *Debug) state() debugState {
	stats := d.stats.get(d.limiter)
	now := time.Now()
	s := debugState{Time: now.UTC(), Since: d.made.UTC(), KeysShown: d.showKeys}
	for part := range weir.Partition(numPartitions) {
		s.Partitions = append(s.Partitions, d.partition(part, stats[part], now))
	}
	return s
}

func (d *Debug) partition(part weir.Partition, stats []weir.Stats, now time.Time) partitionState {
	second := d.second(now.Sub(d.base))
	p := partitionState{Partition: part.String()}
	for i, policy := range d.limiter.Policies(part) {
		p.Policies = append(p.Policies, policyState{
			Name:          policy.Name,
			Quota:         policy.Limiter.Quota(), // live: reading it costs nothing
			Keys:          stats[i].Keys,
			Bytes:         stats[i].Bytes,
			Admitted:      stats[i].Admitted,
			Refused:       stats[i].Refused,
			Migrations:    stats[i].Migrations,
			HorizonRaises: stats[i].HorizonRaises,
			Forgiven:      stats[i].Forgiven,
		})
	}
	for reason := range numReasons {
		if reason.Partition() == part {
			r := reasonState{reason.String(), reason > weir.Anonymous, d.counts.totals(reason)}
			p.Reasons = append(p.Reasons, r)
			p.Totals.Admitted += r.Admitted
			p.Totals.Refused += r.Refused
			p.Totals.ShadowRefused += r.ShadowRefused
		}
	}
	n := int(min(second, historySeconds))
	p.Seconds = secondsState{
		End:           d.wall(now, second),
		Admitted:      d.counts.last(part, admittedRequests, second, n),
		Refused:       d.counts.last(part, refusedRequests, second, n),
		ShadowRefused: d.counts.last(part, shadowRequests, second, n),
	}
	p.RefusedMost = d.refusedMost(part, second, now)
	return p
}

func (c *debugCounts) totals(reason weir.Reason) resultCounts {
	return resultCounts{
		c.total(reason, admittedRequests), c.total(reason, refusedRequests), c.total(reason, shadowRequests),
	}
}

func (d *Debug) refusedMost(part weir.Partition, second uint64, now time.Time) refusedMost {
	list, refused, othersAtMost := d.refused[part].top(d.listed, second)
	most := refusedMost{Since: d.made.UTC(), Refused: refused, OthersAtMost: othersAtMost, Keys: []keyState{}}
	if period := second / periodSeconds; period > 1 {
		most.Since = d.wall(now, (period-1)*periodSeconds)
	}
	for _, k := range list {
		most.Keys = append(most.Keys, keyState{fmt.Sprintf("%016x", k.hash), k.text, k.cut, k.atLeast, k.atMost})
	}
	return most
}

// wall is when a second began, by the wall clock as it is set now.
func (d *Debug) wall(now time.Time, second uint64) time.Time {
	ago := now.Sub(d.base) - time.Duration(second)*time.Second
	return now.Add(-ago).UTC()
}

// A statsCache keeps the Stats of all policies, because counting live keys looks
// at every slot: some 9 ms for a million keys.
type statsCache struct {
	mu    sync.Mutex // held while counting, so that of many readers one counts
	until time.Time
	stats [numPartitions][]weir.Stats // the slices are never written again
}

// get counts again once a second at most, and when counting takes long, more
// seldom, so that it takes a tenth of one core at most.
func (c *statsCache) get(limiter *weir.PartitionLimiter) [numPartitions][]weir.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	began := time.Now()
	if began.Before(c.until) {
		return c.stats
	}
	for part := range weir.Partition(numPartitions) {
		c.stats[part] = nil
		for _, policy := range limiter.Policies(part) {
			c.stats[part] = append(c.stats[part], policy.Limiter.Stats())
		}
	}
	ended := time.Now()
	c.until = ended.Add(max(time.Second, 9*ended.Sub(began)))
	return c.stats
}
