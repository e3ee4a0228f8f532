package conformance

import (
	"math"
	"time"

	"github.com/weirhq/weir"
)

const (
	plainModel    = "a random sequence of operations agrees with the model"
	changingModel = "a random sequence with changes of quota agrees with the model"
)

var decidingFaults = []fault{
	{"it admits one more than the burst", func(w *wrong) {
		w.quota = func(q weir.Quota) weir.Quota { return withBurst(q, +1) }
	}, []string{"a fresh key admits exactly the burst", "Remaining is exact", "MaxIn is reached and never exceeded",
		"no window of a random schedule exceeds MaxIn", "many callers are admitted exactly the burst", plainModel}},

	{"it admits one less than the burst", func(w *wrong) {
		w.quota = func(q weir.Quota) weir.Quota { return withBurst(q, -1) }
	}, []string{"a fresh key admits exactly the burst", "MaxIn is reached and never exceeded",
		"many callers are admitted exactly the burst", plainModel}},

	{"RetryAfter is cut to milliseconds", func(w *wrong) {
		w.decision = func(d *weir.Decision) {
			if d.RetryAfter != weir.Never {
				d.RetryAfter = d.RetryAfter.Truncate(time.Millisecond)
			}
		}
	}, []string{"RetryAfter is exact", "RetryAfterSeconds is the least that is enough", plainModel}},

	{"RetryAfter is one Resolution short", func(w *wrong) {
		w.decision = func(d *weir.Decision) {
			if d.RetryAfter > 1 && d.RetryAfter != weir.Never {
				d.RetryAfter--
			}
		}
	}, []string{"RetryAfter is exact", plainModel}},

	{"RetryAfter is one Resolution long", func(w *wrong) {
		w.decision = func(d *weir.Decision) {
			if d.RetryAfter > 0 && d.RetryAfter != weir.Never {
				d.RetryAfter++
			}
		}
	}, []string{"RetryAfter is exact", "RetryAfterSeconds is the least that is enough", plainModel}},

	{"RetryAfter is that of a cost of 1", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			d := w.l.AllowN(key, n)
			if one := w.l.Peek(key); !d.Allowed && !one.Allowed && d.RetryAfter != weir.Never {
				d.RetryAfter = one.RetryAfter
			}
			return d
		}
	}, []string{"RetryAfter is exact", plainModel}},

	{"a refusal costs one", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			d := w.l.AllowN(key, n)
			if !d.Allowed && d.RetryAfter != weir.Never {
				w.force(key, 1)
			}
			return d
		}
	}, []string{"a refusal writes nothing", "RetryAfter is exact", plainModel}},

	{"a cost above the burst is cut to it", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision { return w.l.AllowN(key, min(n, newTerms(w.q, 1).burst)) }
	}, []string{"a cost above the burst is refused with Never and leaves no trace", plainModel}},

	{"a cost above the burst spends what there is", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			d := w.l.AllowN(key, n)
			if d.RetryAfter == weir.Never && n > 0 {
				w.l.Allow(key)
			}
			return d
		}
	}, []string{"a cost above the burst is refused with Never and leaves no trace", plainModel}},

	{"a great cost overflows", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			if n > math.MaxInt64/2 {
				n = 1
			}
			return w.l.AllowN(key, n)
		}
	}, []string{"a cost above the burst is refused with Never and leaves no trace"}},

	{"a cost of 0 spends one", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			if n == 0 {
				n = 1
			}
			return w.l.AllowN(key, n)
		}
	}, []string{"a cost of 0 is a Peek", plainModel}},

	{"a cost of 0 is always admitted", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			d := w.l.AllowN(key, n)
			if n == 0 {
				d.Allowed, d.RetryAfter = true, 0
			}
			return d
		}
	}, []string{"a cost of 0 is a Peek", plainModel}},

	{"a negative cost gives back", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			if n < 0 {
				w.l.Refund(key, -max(n, -math.MaxInt64))
			}
			return w.l.AllowN(key, n)
		}
	}, []string{"a negative cost is refused with Never", plainModel}},

	{"a negative cost is admitted", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision { return w.l.AllowN(key, max(n, 0)) }
	}, []string{"a negative cost is refused with Never", plainModel}},

	{"Remaining is one too many", func(w *wrong) {
		w.decision = func(d *weir.Decision) { d.Remaining++ }
	}, []string{"Remaining is exact", plainModel}},

	{"Remaining is what was left before", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			before := w.l.Peek(key)
			d := w.l.AllowN(key, n)
			d.Remaining = before.Remaining
			return d
		}
	}, []string{"Remaining is exact", "a fresh key admits exactly the burst", plainModel}},

	{"ResetAfter is one Resolution short", func(w *wrong) {
		w.decision = func(d *weir.Decision) { d.ResetAfter = max(d.ResetAfter-1, 0) }
	}, []string{"ResetAfter is exact", plainModel}},

	{"a key is forgotten before it is as if never seen", func(w *wrong) {
		w.allow = func(key string, n int64) weir.Decision {
			if w.l.Peek(key).ResetAfter < newTerms(w.q, 1).interval/2+1 {
				w.l.Reset(key)
			}
			return w.l.AllowN(key, n)
		}
	}, []string{"ResetAfter is exact", plainModel}},

	{"Limit is the burst", func(w *wrong) {
		w.decision = func(d *weir.Decision) { d.Limit = newTerms(w.q, 1).burst }
	}, []string{"Limit is that of the quota", plainModel}},

	{"T is rounded down", func(w *wrong) {
		w.quota = func(q weir.Quota) weir.Quota {
			burst := newTerms(q, 1).burst
			if floor := int64(q.Period) / q.Limit; floor > 0 {
				return weir.Quota{Limit: 1, Period: time.Duration(floor), Burst: burst}
			}
			return q
		}
		w.decision = func(d *weir.Decision) { d.Limit = w.q.Limit }
	}, []string{"MaxIn is reached and never exceeded", plainModel}},

	{"it counts in fixed windows", fixedWindows, []string{"no window of a random schedule exceeds MaxIn",
		"MaxIn is reached and never exceeded", "RetryAfter is exact", plainModel}},
}

func withBurst(q weir.Quota, more int64) weir.Quota {
	q.Burst = max(newTerms(q, 1).burst+more, 1)
	return q
}

// fixedWindows starts afresh whenever another τ begins.
func fixedWindows(w *wrong) {
	spent, windows := map[string]int64{}, map[string]time.Duration{}
	w.allow = func(key string, n int64) weir.Decision {
		t := newTerms(w.q, 1)
		now := w.l.Now()
		if window := now / t.tolerance; windows[key] != window {
			windows[key], spent[key] = window, 0
		}
		d := weir.Decision{Limit: w.q.Limit, Allowed: spent[key]+n <= t.burst}
		if d.Allowed {
			spent[key] += n
		} else {
			d.RetryAfter = t.tolerance - now%t.tolerance
		}
		d.Remaining, d.ResetAfter = t.burst-spent[key], t.cost(spent[key])
		return d
	}
}
