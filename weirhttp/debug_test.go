package weirhttp_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func get(debug *weirhttp.Debug, target string) *http.Response {
	return call(debug, httptest.NewRequest(http.MethodGet, target, nil))
}

// What the JSON says, as docs/debug.md describes it.
type debugPage struct {
	KeysShown  bool `json:"keys_shown"`
	Partitions []struct {
		Partition string
		Policies  []struct {
			Name, Quota             string
			Keys, Admitted, Refused int64
			Bytes                   int64
		}
		Totals  debugCounts
		Seconds struct {
			Admitted, Refused []int64
			ShadowRefused     []int64 `json:"shadow_refused"`
		}
		Reasons []struct {
			Reason   string
			Fallback bool
			debugCounts
		}
		RefusedMost struct {
			Refused      int64
			OthersAtMost int64 `json:"others_at_most"`
			Keys         []struct {
				Hash, Key string
				KeyCut    bool  `json:"key_cut"`
				AtLeast   int64 `json:"at_least"`
				AtMost    int64 `json:"at_most"`
			}
		} `json:"refused_most"`
	}
}

type debugCounts struct {
	Admitted, Refused int64
	ShadowRefused     int64 `json:"shadow_refused"`
}

func pageOf(t *testing.T, debug *weirhttp.Debug) (page debugPage) {
	t.Helper()
	resp := get(debug, "/?format=json")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	if err := json.Unmarshal([]byte(bodyOf(t, resp)), &page); err != nil {
		t.Fatal(err)
	}
	return page
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

// Through the middleware: what it says is what the limiter did.
func TestDebugCounts(t *testing.T) {
	limiter := newPartitionLimiter(t, weir.Quota{Limit: 3, Period: time.Hour})
	debug := weirhttp.NewDebug(limiter)
	handler := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(debug.Observe))(teapot)
	shadow := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(debug.Observe), weirhttp.WithShadow())(teapot)
	business := getOf("/contacts")
	business.Header.Set("Business", "42")
	intake := httptest.NewRequest(http.MethodPost, "/leads", nil) // without a source key
	for range 5 {
		call(handler, business)
		call(handler, intake)
	}
	call(shadow, business)
	page := pageOf(t, debug)
	if len(page.Partitions) != 4 || page.KeysShown {
		t.Fatalf("%+v", page)
	}
	for _, p := range page.Partitions {
		var want debugCounts
		switch p.Partition {
		case "business":
			want = debugCounts{3, 2, 1}
		case "ip":
			want = debugCounts{3, 2, 0}
		}
		if p.Totals != want {
			t.Errorf("%s: %+v, want %+v", p.Partition, p.Totals, want)
		}
		if policy := p.Policies[0]; len(p.Policies) != 1 || policy.Name != p.Partition || policy.Quota != "3/1h" ||
			policy.Admitted != want.Admitted || policy.Refused != want.Refused+want.ShadowRefused || policy.Bytes == 0 {
			t.Errorf("%s: %+v", p.Partition, p.Policies)
		}
		for _, r := range p.Reasons {
			if fallback := strings.HasPrefix(r.Reason, "source-"); r.Fallback != fallback {
				t.Errorf("%s: fallback %v", r.Reason, r.Fallback)
			}
			counts := debugCounts{}
			if r.Reason == "by-business" || r.Reason == "source-missing" {
				counts = want
			}
			if r.debugCounts != counts {
				t.Errorf("%s: %+v, want %+v", r.Reason, r.debugCounts, counts)
			}
		}
	}
}

// Outcomes of middleware without partitions belong to none.
func TestDebugIgnoresOthers(t *testing.T) {
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
	handler := weirhttp.ByKey(three(t), everybody, weirhttp.WithOnDecision(debug.Observe))(teapot)
	call(handler, getOf("/"))
	debug.Observe(weirhttp.Outcome{Ruling: weir.Ruling{Reason: 200, Key: weir.PartitionKey{Partition: 7}}})
	for _, p := range pageOf(t, debug).Partitions {
		if p.Totals != (debugCounts{}) {
			t.Errorf("%s: %+v", p.Partition, p.Totals)
		}
	}
}

// Each second has its own count, for five minutes, and the ring comes round.
func TestDebugSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
		expected := map[int]int64{} // by age
		const seconds = 1200
		for s := range seconds {
			n := 1 + s%5
			if s%7 == 0 {
				n = 0 // nobody came
			}
			for range n {
				debug.Observe(outcome("42", s%2 == 0))
			}
			expected[s] = int64(n)
			time.Sleep(time.Second)
		}
		p := pageOf(t, debug).Partitions[weir.Business]
		if len(p.Seconds.Admitted) != 300 || len(p.Seconds.Refused) != 300 {
			t.Fatalf("%d and %d seconds", len(p.Seconds.Admitted), len(p.Seconds.Refused))
		}
		for i := range 300 {
			s := seconds - 300 + i
			admitted, refused := expected[s], int64(0)
			if s%2 != 0 {
				admitted, refused = 0, expected[s]
			}
			if p.Seconds.Admitted[i] != admitted || p.Seconds.Refused[i] != refused {
				t.Fatalf("second %d: %d and %d, want %d and %d", s, p.Seconds.Admitted[i], p.Seconds.Refused[i], admitted, refused)
			}
		}
		time.Sleep(299 * time.Second)
		if p := pageOf(t, debug).Partitions[weir.Business]; sum(p.Seconds.Admitted)+sum(p.Seconds.Refused) != expected[seconds-1] {
			t.Errorf("299 s later: %d and %d", sum(p.Seconds.Admitted), sum(p.Seconds.Refused))
		}
	})
}

// When all is quiet, all is counted, each once.
func TestDebugConcurrent(t *testing.T) {
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
	const callers, each = 8, 5000
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				debug.Observe(outcome(fmt.Sprint(c%3), i%2 == 0))
			}
		})
	}
	wg.Wait()
	p := pageOf(t, debug).Partitions[weir.Business]
	if want := (debugCounts{callers * each / 2, callers * each / 2, 0}); p.Totals != want {
		t.Errorf("%+v, want %+v", p.Totals, want)
	}
	if p.RefusedMost.Refused != callers*each/2 || len(p.RefusedMost.Keys) != 3 {
		t.Errorf("%+v", p.RefusedMost)
	}
	for _, k := range p.RefusedMost.Keys { // three keys fit: nothing is uncertain
		if k.AtLeast != k.AtMost || k.AtLeast%(each/2) != 0 {
			t.Errorf("%+v", k)
		}
	}
}

// Bounds hold whatever the stream is like, and the most frequent key is found.
func TestDebugTopKeys(t *testing.T) {
	const n = 60_000
	r := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(r, 1.2, 1, 50_000)
	for name, key := range map[string]func(i int) string{
		"zipf":    func(int) string { return fmt.Sprint("z", zipf.Uint64()) },
		"uniform": func(int) string { return fmt.Sprint("u", r.IntN(20_000)) },
		// Each newcomer takes over a counter; the heavy key comes once in 50.
		"flood": func(i int) string {
			if i%50 == 0 {
				return "heavy"
			}
			return fmt.Sprint("new ", i)
		},
	} {
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.ShowKeys())
		exact := map[string]int64{}
		for i := range n {
			k := key(i)
			exact[k]++
			debug.Observe(outcome(k, false))
		}
		most := pageOf(t, debug).Partitions[weir.Business].RefusedMost
		if most.Refused != n || len(most.Keys) != 20 {
			t.Fatalf("%s: %d refusals, %d keys", name, most.Refused, len(most.Keys))
		}
		listed := map[string]bool{}
		for _, k := range most.Keys {
			listed[k.Key] = true
			if exact[k.Key] < k.AtLeast || exact[k.Key] > k.AtMost {
				t.Errorf("%s: %s came %d times, which is not in [%d, %d]", name, k.Key, exact[k.Key], k.AtLeast, k.AtMost)
			}
		}
		for k, count := range exact {
			if !listed[k] && count > most.OthersAtMost {
				t.Errorf("%s: %s came %d times, is not listed, and others are said to be at most %d", name, k, count, most.OthersAtMost)
			}
		}
		if top := map[string]string{"zipf": "z0", "flood": "heavy"}[name]; top != "" && most.Keys[0].Key != top {
			t.Errorf("%s: first is %+v", name, most.Keys[0])
		}
	}
}

// Who was refused long ago is forgotten.
func TestDebugForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.ShowKeys())
		keys := func() (all []string) {
			for _, k := range pageOf(t, debug).Partitions[weir.Business].RefusedMost.Keys {
				all = append(all, k.Key)
			}
			return all
		}
		debug.Observe(outcome("old", false))
		time.Sleep(5 * time.Minute)
		debug.Observe(outcome("new", false))
		if got := keys(); len(got) != 2 {
			t.Errorf("after 5 minutes: %q", got)
		}
		time.Sleep(5 * time.Minute)
		if got := keys(); len(got) != 1 || got[0] != "new" {
			t.Errorf("after 10 minutes: %q", got)
		}
		time.Sleep(time.Hour)
		if got := keys(); len(got) != 0 {
			t.Errorf("after an hour: %q", got)
		}
	})
}

// Ids are shown only if asked for, and then as text, whatever they contain.
func TestDebugKeys(t *testing.T) {
	limiter := newPartitionLimiter(t, plenty)
	ids := []string{"plain-id", `<script>alert("x")</script>`, "\xff\xfe\x00", "\u202eevil", strings.Repeat("ä", 60), ""}
	hashes := map[bool][]string{}
	for _, shown := range []bool{false, true} {
		var opts []weirhttp.DebugOption
		if shown {
			opts = append(opts, weirhttp.ShowKeys())
		}
		debug := weirhttp.NewDebug(limiter, opts...)
		for i, id := range ids {
			for range len(ids) - i { // in this order
				debug.Observe(outcome(id, false))
			}
		}
		debug.Observe(outcomeOf("203.0.113.7", false))
		html, text := bodyOf(t, get(debug, "/")), bodyOf(t, get(debug, "/?format=json"))
		for _, body := range []string{html, text} {
			if strings.Contains(body, "plain-id") != shown || strings.Contains(body, "203.0.113.7/32") != shown {
				t.Errorf("asked for %v, and shown %v", shown, strings.Contains(body, "plain-id"))
			}
		}
		if strings.Contains(html, "<script>alert") || strings.Contains(html, "\xff") || strings.Contains(html, "\u202e") {
			t.Error("an id is in the page as it is")
		}
		keys := pageOf(t, debug).Partitions[weir.Business].RefusedMost.Keys
		if len(keys) != len(ids) {
			t.Fatalf("%+v", keys)
		}
		for _, k := range keys {
			hashes[shown] = append(hashes[shown], k.Hash)
			if len(k.Hash) != 16 || !shown && k.Key != "" {
				t.Errorf("%+v", k)
			}
		}
		if shown {
			for i, want := range []string{"plain-id", `\u003cscript\u003e`, `"\xff\xfe\x00"`, `"\u202eevil"`, strings.Repeat("ä", 32), `""`} {
				if i != 1 && (keys[i].Key != want || keys[i].KeyCut != (i == 4)) {
					t.Errorf("%d: %q, cut %v", i, keys[i].Key, keys[i].KeyCut)
				}
			}
		}
	}
	for i := range ids {
		if hashes[false][i] == hashes[true][i] {
			t.Errorf("%s is the hash of %q everywhere: it can be computed", hashes[true][i], ids[i])
		}
	}
}

func TestDebugServes(t *testing.T) {
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
	for _, c := range []struct {
		method, target, accept string
		status                 int
		contentType            string
	}{
		{"GET", "/", "", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", "", 200, "text/html; charset=utf-8"},
		{"GET", "/", "text/html,application/xhtml+xml,*/*;q=0.8", 200, "text/html; charset=utf-8"},
		{"GET", "/", "application/json", 200, "application/json"},
		{"GET", "/", "text/html;q=0.5, application/json;q=0.9", 200, "application/json"},
		{"GET", "/", "text/html, application/json;q=0.9", 200, "text/html; charset=utf-8"},
		{"GET", "/", "application/json;q=x", 200, "text/html; charset=utf-8"},
		{"GET", "/?format=json", "text/html", 200, "application/json"},
		{"GET", "/?format=html", "application/json", 200, "text/html; charset=utf-8"},
		{"GET", "/?format=xml", "", 400, "text/plain; charset=utf-8"},
		{"POST", "/", "", 405, "text/plain; charset=utf-8"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Header.Set("Accept", c.accept)
		resp := call(debug, r)
		body := bodyOf(t, resp)
		if resp.StatusCode != c.status || resp.Header.Get("Content-Type") != c.contentType || (c.method == "HEAD") != (body == "") {
			t.Errorf("%s %s, %q: %d, %v, %d bytes", c.method, c.target, c.accept, resp.StatusCode, resp.Header, len(body))
		}
		if c.status != 200 {
			continue
		}
		policy := resp.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v", resp.Header)
		}
	}
	if allow := call(debug, httptest.NewRequest(http.MethodPost, "/", nil)).Header.Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow: %q", allow)
	}
}

func TestDebugPanics(t *testing.T) {
	for what, f := range map[string]func(){
		"nil limiter":   func() { weirhttp.NewDebug(nil) },
		"TopKeys(0)":    func() { weirhttp.TopKeys(0) },
		"TopKeys(1001)": func() { weirhttp.TopKeys(1001) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			f()
		}()
	}
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.TopKeys(2))
	for i := range 5 {
		debug.Observe(outcome(fmt.Sprint(i), false))
	}
	if most := pageOf(t, debug).Partitions[weir.Business].RefusedMost; len(most.Keys) != 2 || most.OthersAtMost != 1 {
		t.Errorf("%+v", most)
	}
}

func TestDebugObserveAllocatesNothing(t *testing.T) {
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.ShowKeys())
	for _, o := range []weirhttp.Outcome{outcome("42", true), outcome("42", false), outcomeOf("203.0.113.7", false)} {
		if n := testing.AllocsPerRun(1000, func() { debug.Observe(o) }); n != 0 {
			t.Errorf("%v: %v allocations", o.Key, n)
		}
	}
}
