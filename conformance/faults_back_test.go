package conformance

import (
	"strings"

	"github.com/weirhq/weir"
)

const apart = "keys are kept apart"

var backFaults = []fault{
	{"Refund gives back one too many", func(w *wrong) {
		w.refund = func(key string, n int64) {
			if n > 0 {
				w.l.Refund(key, n)
				w.l.Refund(key, 1)
			}
		}
	}, []string{"Refund gives back what was spent", apart, "what many callers spend and give back adds up", plainModel}},

	{"Refund gives back one, whatever is asked", func(w *wrong) {
		w.refund = func(key string, n int64) { w.l.Refund(key, min(n, 1)) }
	}, []string{"Refund gives back what was spent", plainModel}},

	{"Refund keeps the part of a request that has been earned", func(w *wrong) {
		w.refund = func(key string, n int64) {
			if t := newTerms(w.q, 1); n > 0 && w.l.Peek(key).ResetAfter >= t.interval {
				w.l.Refund(key, min(n, int64(w.l.Peek(key).ResetAfter/t.interval)))
			}
		}
	}, []string{"Refund never gives more than a key never seen has", plainModel}},

	{"Refund gives credit", func(w *wrong) { credit(w, true) }, []string{"Refund never gives more than a key never seen has", plainModel}},

	{"Refund gives credit to keys never seen", func(w *wrong) { credit(w, false) }, []string{"Refund of a key never seen changes nothing"}},

	{"Refund of less than nothing spends", func(w *wrong) {
		w.refund = func(key string, n int64) {
			if n < 0 {
				w.force(key, 1)
			}
			w.l.Refund(key, n)
		}
	}, []string{"Refund of nothing or less changes nothing", plainModel}},

	{"Refund of nothing gives back one", func(w *wrong) {
		w.refund = func(key string, n int64) {
			if n == 0 {
				n = 1
			}
			w.l.Refund(key, n)
		}
	}, []string{"Refund of nothing or less changes nothing", plainModel}},

	{"Reset does nothing", func(w *wrong) {
		w.reset = func(string) {}
	}, []string{"Reset forgets", apart, plainModel}},

	{"Reset keeps one", func(w *wrong) {
		w.reset = func(key string) { w.l.Reset(key); w.l.Allow(key) }
	}, []string{"Reset forgets", plainModel}},

	{"Reset resets every key", func(w *wrong) {
		w.reset = func(string) { w.each(w.l.Reset) }
	}, []string{"Reset forgets", apart, plainModel}},

	{"keys end at a NUL", func(w *wrong) {
		w.key = func(key string) string { key, _, _ = strings.Cut(key, "\x00"); return key }
	}, []string{apart}},
	{"keys end at a newline", func(w *wrong) {
		w.key = func(key string) string { key, _, _ = strings.Cut(key, "\n"); return key }
	}, []string{apart}},
	{"keys are trimmed", func(w *wrong) { w.key = strings.TrimSpace }, []string{apart}},
	{"keys are lowered", func(w *wrong) { w.key = strings.ToLower }, []string{apart}},
	{"keys are made valid UTF-8", func(w *wrong) {
		w.key = func(key string) string { return strings.ToValidUTF8(key, "\ufffd") }
	}, []string{apart}},
	{"keys are cut to 255 bytes", func(w *wrong) {
		w.key = func(key string) string { return key[:min(len(key), 255)] }
	}, []string{apart}},
	{"keys lose their last byte", func(w *wrong) {
		w.key = func(key string) string { return key[:max(len(key)-1, 0)] }
	}, []string{apart}},
	{"keys are their hash tag", func(w *wrong) {
		w.key = func(key string) string {
			if _, rest, ok := strings.Cut(key, "{"); ok {
				if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
					return tag
				}
			}
			return key
		}
	}, []string{apart}},
	{"the empty key is another one", func(w *wrong) {
		w.key = func(key string) string {
			if key == "" {
				return "nil"
			}
			return key
		}
	}, []string{apart}},
}

// credit admits what was given back beyond what was owed, of keys that have been seen or of the others.
func credit(w *wrong, ofSeen bool) {
	credits := map[string]int64{}
	spentFrom := map[string]bool{}
	w.refund = func(key string, n int64) {
		if n > 0 && w.l.Peek(key).ResetAfter == 0 && spentFrom[key] == ofSeen {
			credits[key] = 1
		}
		w.l.Refund(key, n)
	}
	w.allow = func(key string, n int64) weir.Decision {
		spentFrom[key] = true
		d := w.l.AllowN(key, n)
		if !d.Allowed && n == 1 && credits[key] > 0 {
			credits[key]--
			d.Allowed, d.RetryAfter = true, 0
		}
		return d
	}
}
