package weirhttp

import (
	"bytes"
	"encoding/json"
	"html/template"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// Debug shows what a [weir.PartitionLimiter] is doing, in the spirit of
// net/http/pprof: an [http.Handler] that serves a page for people, and the same
// as JSON for programs, and an observer for [WithOnDecision] that counts.
//
//	debug := weirhttp.NewDebug(limiter)
//	limit := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(debug.Observe))
//	internal.Handle("/debug/weir", debug)
//
// For each partition there are its quotas, live keys, memory, migrations and
// horizon raises; how many requests were admitted and refused in each of the last
// 300 seconds, and in all, and for which reasons; and the keys that were refused
// most.
//
// It asks nobody who he is. Mount it where only operators get to, on a port of its
// own, as one does with pprof. The ids of keys are neither shown nor kept, unless
// [ShowKeys] asks for them.
//
// A Debug has no goroutine and needs no Close. It takes some 0.4 MB, 0.6 MB more
// with ShowKeys, whatever is observed.
type Debug struct {
	limiter  *weir.PartitionLimiter
	base     time.Time // the start of second 0: of the wall clock's second that it was made in
	made     time.Time
	listed   int // keys of a partition that are shown
	showKeys bool

	counts  debugCounts
	refused [numPartitions]*topKeys
	stats   statsCache
	page    *template.Template
}

// A DebugOption changes what [NewDebug] makes.
type DebugOption func(*Debug)

// ShowKeys shows the ids of the keys that were refused most: of businesses and
// users as they are, up to 64 bytes of them, and the addresses of the others.
// Whoever can see the page then sees who the callers are. Without it, a key is a
// number of 16 hexadecimal digits, its SipHash-1-3 under a random key that never
// leaves this Debug: the same for the same caller for as long as the process
// lives, so that one can follow it, and of no meaning to anybody else.
func ShowKeys() DebugOption {
	return func(d *Debug) { d.showKeys = true }
}

// TopKeys sets how many of the keys that were refused most are shown of each
// partition; without it, 20. It panics if n is not from 1 to 1000. Above 32, memory
// grows with it: by 11 KB a key, and 20 KB more with [ShowKeys].
func TopKeys(n int) DebugOption {
	if n < 1 || n > 1000 {
		panic("weirhttp: TopKeys: " + strconv.Itoa(n) + ", must be from 1 to 1000")
	}
	return func(d *Debug) { d.listed = n }
}

// NewDebug returns a Debug of a limiter. It shows what that limiter knows by
// itself, and what is given to [Debug.Observe]. It panics if limiter is nil.
func NewDebug(limiter *weir.PartitionLimiter, opts ...DebugOption) *Debug {
	if limiter == nil {
		panic("weirhttp: NewDebug: nil limiter")
	}
	now := time.Now()
	d := &Debug{
		limiter: limiter,
		made:    now,
		base:    now.Add(-time.Duration(now.Nanosecond())), // keeps the monotonic reading, as Truncate does not
		listed:  20,
		page:    newDebugPage(),
	}
	for _, opt := range opts {
		opt(d)
	}
	for i := range d.refused {
		d.refused[i] = newTopKeys(d.listed, d.showKeys)
	}
	return d
}

// Observe counts an outcome; give it to [WithOnDecision] of middleware made by
// [New] with the same limiter. It may be given to several, and called by any
// number of goroutines at once. Outcomes of [ByKey], [ByMulti] and [ByRoute]
// belong to no partition and are not counted.
//
// It allocates nothing, and goroutines that run at once nearly always count in
// different cache lines. An admitted request costs one reading of the clock and
// two atomic additions, some 50 ns; a refused one a hash, and a step in a summary
// that a mutex guards, too, some 30 to 60 ns more. If the mutex is taken it goes to
// another of 8, and waits only if all are taken.
func (d *Debug) Observe(o Outcome) {
	if o.Reason >= numReasons || o.Reason.Partition() != o.Key.Partition {
		return
	}
	result := refusedRequests
	switch {
	case o.Allowed:
		result = admittedRequests
	case o.Shadow:
		result = shadowRequests
	}
	second := d.second(time.Since(d.base))
	stripe := ownStripe()
	d.counts.add(stripe, o.Reason, result, second)
	if !o.Allowed {
		d.refused[o.Key.Partition].add(stripe, second, o.Key)
	}
}

// second is the number of the second that is so far from base.
func (d *Debug) second(since time.Duration) uint64 { return uint64(since / time.Second) }

// ServeHTTP serves the page, or with ?format=json, or if the Accept field wants
// application/json rather than text/html, the JSON that docs/debug.md describes.
// Methods other than GET and HEAD get status 405, and any other format 400.
//
// The page renews itself while it is looked at. It fetches nothing else, from
// nowhere, and its Content-Security-Policy sees to that. No cache keeps it.
//
// A request takes some 0.3 ms, and once a second, however many look, that of
// [weir.Limiter.Stats] for each quota: 9 ms for a million keys. It is made to
// wait, so that Stats takes no more than a tenth of one core.
func (d *Debug) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "GET and HEAD only", http.StatusMethodNotAllowed)
		return
	}
	var asJSON bool
	switch format := r.URL.Query().Get("format"); format {
	case "json":
		asJSON = true
	case "html":
	case "":
		asJSON = prefersJSON(r.Header)
	default:
		http.Error(w, "format is "+strconv.Quote(format)+`; it must be "json" or "html"`, http.StatusBadRequest)
		return
	}

	var body bytes.Buffer
	var err error
	contentType := "text/html; charset=utf-8"
	if asJSON {
		contentType = "application/json"
		err = json.NewEncoder(&body).Encode(d.state())
	} else {
		err = d.page.Execute(&body, d.state())
	}
	if err != nil { // a mistake of this package: nothing that is shown can bring it about
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Content-Security-Policy", debugPolicy)
	h.Set("Content-Type", contentType)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Vary", "Accept")
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method == http.MethodGet {
		// An error means that the reader has gone; there is nobody to tell.
		_, _ = w.Write(body.Bytes())
	}
}

// prefersJSON reports whether the Accept field names application/json with a
// higher weight than text/html. Ranges with a star want neither: browsers send
// them too.
func prefersJSON(h http.Header) bool {
	weights := map[string]float64{}
	for _, accepted := range strings.Split(strings.Join(h.Values("Accept"), ","), ",") {
		name, params, err := mime.ParseMediaType(accepted)
		if err != nil {
			continue
		}
		weight := 1.0
		if q, ok := params["q"]; ok {
			if weight, err = strconv.ParseFloat(q, 64); err != nil {
				continue
			}
		}
		weights[name] = max(weights[name], weight)
	}
	return weights["application/json"] > weights["text/html"]
}
