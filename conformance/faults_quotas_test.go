package conformance

import (
	"github.com/weirhq/weir"
)

const (
	keeps        = "SetQuota keeps what was consumed, counted in requests"
	thereAndBack = "lowering a quota and raising it again forgives nothing"
	belowDebt    = "a debt above a smaller burst is kept"
)

var quotaFaults = []fault{
	{"SetQuota forgets", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error { return after(w, q, w.l.Reset) }
	}, []string{keeps, thereAndBack, belowDebt, "time is earned at the rate of its day", changingModel}},

	{"SetQuota forgives one", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error { return after(w, q, func(key string) { w.l.Refund(key, 1) }) }
	}, []string{keeps, thereAndBack, belowDebt, changingModel}},

	{"SetQuota charges one", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error { return after(w, q, func(key string) { w.force(key, 1) }) }
	}, []string{keeps, thereAndBack, changingModel}},

	{"SetQuota cuts debts to the new burst", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error {
			t := newTerms(q, 1)
			return after(w, q, func(key string) {
				if debt := w.l.Peek(key).ResetAfter; debt > t.tolerance {
					w.l.Refund(key, int64((debt-t.tolerance)/t.interval))
				}
			})
		}
	}, []string{keeps, thereAndBack, belowDebt, changingModel}},

	{"SetQuota leaves keys that have been seen under the old one", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error {
			old := w.l.Quota()
			return after(w, q, func(key string) {
				if _, own := w.l.KeyQuota(key); !own && q.Validate() == nil {
					_ = w.l.SetKeyQuota(key, old) // old is valid
				}
			})
		}
	}, []string{keeps, belowDebt, "a faster rate shortens the wait", changingModel}},

	{"SetQuota does nothing", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error { return q.Validate() }
	}, []string{keeps, "SetQuota reaches keys never seen", "a faster rate shortens the wait", changingModel}},

	{"SetQuota takes what is not valid for the same quota", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error { _ = w.l.SetQuota(q); return nil }
	}, []string{"a quota that is not valid changes nothing"}},

	{"SetQuota forgets before it finds the quota not valid", func(w *wrong) {
		w.setQuota = func(q weir.Quota) error {
			err := w.l.SetQuota(q)
			if err != nil {
				w.each(w.l.Reset)
			}
			return err
		}
	}, []string{"a quota that is not valid changes nothing"}},
}

// after sets the quota, then calls f with each key.
func after(w *wrong, q weir.Quota, f func(key string)) error {
	err := w.l.SetQuota(q)
	if err == nil {
		w.each(f)
	}
	return err
}
