package workload

import (
	"math/rand/v2"
	"time"
)

// uniform draws from n live keys, each as likely.
func uniform(n int) func(*run) {
	return func(r *run) {
		n := r.sized(n)
		rng := rand.New(rand.NewPCG(r.Seed, 1))
		r.drawn(n, func() int { return rng.IntN(n) })
	}
}

// zipf draws from n live keys, few of them often.
func zipf(n int) func(*run) {
	return func(r *run) {
		n := r.sized(n)
		z := rand.NewZipf(rand.New(rand.NewPCG(r.Seed, 2)), 1.1, 1, uint64(n-1))
		r.drawn(n, func() int { return int(z.Uint64()) })
	}
}

// newKey is drawn for a key that was never seen and is not seen again.
const newKey = -1

// mix is what a service may see on a bad day.
func mix(r *run) {
	const abusers = 8
	clients := r.sized(100_000)
	rng := rand.New(rand.NewPCG(r.Seed, 3))
	z := rand.NewZipf(rng, 1.1, 1, uint64(clients-1))
	r.drawn(clients+abusers, func() int {
		switch p := rng.IntN(100); {
		case p < 75:
			return int(z.Uint64())
		case p < 90:
			return clients + rng.IntN(abusers)
		}
		return newKey
	})
}

// drawn makes n keys live, then sends what draw draws. A key's text is made anew
// for each request, outside the time that is measured: as in a service, where
// it has just been read and lies in the caches.
func (r *run) drawn(n int, draw func() int) {
	asked := make([]int64, n)
	var admitted int64
	for i := range n {
		asked[i]++
		if r.limiter.Allow(text(uint64(i), usual)) {
			admitted++
		}
	}
	fresh := uint64(n)
	keys := make([][]string, r.callers)
	prepare := func(each int) {
		for c := range keys {
			keys[c] = keys[c][:0]
			for range each {
				i := draw()
				if i == newKey {
					keys[c] = append(keys[c], text(fresh, usual))
					fresh++
					continue
				}
				asked[i]++
				keys[c] = append(keys[c], text(uint64(i), usual))
			}
		}
	}
	counts := make([]count, r.callers)
	own := func(int) time.Duration {
		return together(r.callers, func(c int) {
			for _, key := range keys[c] {
				if r.limiter.Allow(key) {
					counts[c].n++
				}
			}
		})
	}
	floor := func(int) time.Duration {
		return together(r.callers, func(c int) {
			for _, key := range keys[c] {
				r.floors[c].Allow(key)
			}
		})
	}
	const slice = 8192 // requests, whose texts fit into the second-level cache
	prepare(slice)     // the slices of keys get their size, and the limiter forgets how it was filled
	own(slice)
	r.alternate(slice, pair{prepare: prepare, own: own, floor: floor, allocates: 1})
	r.check("all keys", admitted+total(counts), r.boundsOf(asked, fresh-uint64(n)))
}

// boundsOf adds up what the keys may be admitted, and those that were asked for once.
func (r *run) boundsOf(asked []int64, fresh uint64) bounds {
	b := bounds{int64(fresh), int64(fresh), int64(fresh)}
	span := time.Since(r.made)
	for _, n := range asked {
		b.add(r.config, n, 0, span)
	}
	return b
}
