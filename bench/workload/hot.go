package workload

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/weirhq/weir/bench/subject"
)

func itoa(n int) string { return strconv.Itoa(n) }

// hot sends everything to one key.
func hot(r *run) {
	key := text(1, usual)
	admitted := make([]count, r.callers)
	var asked int64
	own := func(n int) time.Duration {
		asked += int64(n * r.callers)
		return together(r.callers, func(c int) {
			admitted[c].n += send(r.limiter, key, n)
		})
	}
	floor := func(n int) time.Duration {
		return together(r.callers, func(c int) {
			send(r.floors[c], key, n)
		})
	}
	r.alternate(sliceOf(own), pair{own: own, floor: floor})
	var b bounds
	b.add(r.config, asked, 0, time.Since(r.made))
	r.check("hot key", total(admitted), b)
}

func send(l subject.Limiter, key string, n int) (admitted int64) {
	for range n {
		if l.Allow(key) {
			admitted++
		}
	}
	return admitted
}

const residents = 1024 // few enough for the caches

// keyLength goes round some keys of a length. Those that are asked for are other
// strings than those that were first seen: a comparison has to look at them.
func keyLength(length int) func(*run) {
	return func(r *run) {
		var keys [residents]string
		for i := range keys {
			r.limiter.Allow(text(uint64(i), length))
			keys[i] = text(uint64(i), length)
		}
		round(r, func(l subject.Limiter, n int) (admitted int64) {
			for i := range n {
				if l.Allow(keys[i%residents]) {
					admitted++
				}
			}
			return admitted
		})
	}
}

// addresses goes round some addresses. The floor is that of their text.
func addresses(r *run) {
	var addrs [residents]netip.Addr
	for i := range addrs {
		addrs[i] = address(uint64(i))
	}
	round(r, func(l subject.Limiter, n int) (admitted int64) {
		if l, ok := l.(subject.AddrLimiter); ok {
			for i := range n {
				if l.AllowAddr(addrs[i%residents]) {
					admitted++
				}
			}
			return admitted
		}
		if l == r.floors[0] {
			return send(l, "203.0.113.77", n)
		}
		for i := range n {
			if l.Allow(addrs[i%residents].String()) {
				admitted++
			}
		}
		return admitted
	})
}

// round measures f, which makes n requests that all have to be admitted.
func round(r *run, f func(l subject.Limiter, n int) (admitted int64)) {
	var asked, admitted int64
	own := func(n int) time.Duration {
		asked += int64(n)
		start := time.Now()
		admitted += f(r.limiter, n)
		return time.Since(start)
	}
	floor := func(n int) time.Duration {
		start := time.Now()
		f(r.floors[0], n)
		return time.Since(start)
	}
	r.alternate(sliceOf(own), pair{own: own, floor: floor})
	r.check("resident keys", admitted, bounds{asked, asked, asked})
}
