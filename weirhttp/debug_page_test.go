package weirhttp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// elements are the elements of a page that is well formed, with their attributes
// and the text right in them.
func elements(t *testing.T, page string) (all []element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var open []int
	for {
		token, err := d.Token()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			open, all = append(open, len(all)), append(all, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				all[open[len(open)-1]].text += string(token)
			}
		}
	}
}

type element struct {
	name, text string
	attrs      map[string]string
}

// names are the names of elements, in order.
func names(all []element) (names []string) {
	for _, e := range all {
		names = append(names, e.name)
	}
	return names
}

var hostileIDs = []string{
	`<script>alert(1)</script>`, `</code></table></main><script>alert(1)</script>`, `" onmouseover="alert(1)`,
	`' autofocus onfocus='alert(1)`, `<!--`, `]]>`, `{{.}}`, `&lt;b&gt;`, `javascript:alert(1)`,
	"\xff\xfe<b>\xc0", "\x00\x1b[31m", "\u202e<i>\u2066", "<svg/onload=alert(1)>", strings.Repeat("<b>", 40),
}

// Whatever is in ids, the page has the elements that it has without.
func TestDebugPageWithHostileIDs(t *testing.T) {
	pages := map[bool][]element{}
	for _, hostile := range []bool{false, true} {
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.ShowKeys())
		for i, id := range hostileIDs {
			if !hostile {
				id = fmt.Sprint("benign ", i)
			}
			for range len(hostileIDs) - i { // in this order
				debug.Observe(outcome(id, false))
			}
		}
		pages[hostile] = elements(t, bodyOf(t, get(debug, "/")))
	}
	if got, want := names(pages[true]), names(pages[false]); !slices.Equal(got, want) {
		t.Errorf("elements\n%v, want\n%v", got, want)
	}
	var shown []string
	for i, e := range pages[true] {
		if e.name == "code" {
			shown = append(shown, e.text)
		}
		for attr := range e.attrs {
			if strings.HasPrefix(attr, "on") || attr == "style" {
				t.Errorf("<%s> has %s", e.name, attr)
			}
			if _, ok := pages[false][i].attrs[attr]; !ok {
				t.Errorf("<%s> has %s, by an id", e.name, attr)
			}
		}
	}
	if len(shown) != len(hostileIDs) || shown[0] != hostileIDs[0] || shown[7] != `&lt;b&gt;` || shown[11] != `"\u202e<i>\u2066"` {
		t.Errorf("keys are shown as %q", shown)
	}
}

// The page has one style and one script, which its policy knows by their hashes; it
// names nothing that is elsewhere.
func TestDebugPageNeedsNothingElse(t *testing.T) {
	resp := get(weirhttp.NewDebug(newPartitionLimiter(t, plenty)), "/")
	policy := resp.Header.Get("Content-Security-Policy")
	page := bodyOf(t, resp)
	for _, name := range []string{"style", "script"} {
		_, rest, found := strings.Cut(page, "<"+name+">")
		text, rest, closed := strings.Cut(rest, "</"+name+">")
		if !found || !closed || strings.Contains(rest, "<"+name) {
			t.Fatalf("no <%s>, or several", name)
		}
		sum := sha256.Sum256([]byte(text))
		if source := name + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, source) {
			t.Errorf("policy %q, want %s", policy, source)
		}
		page = strings.Replace(page, text, "", 1) // scripts are not well-formed
	}
	for _, directive := range []string{"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"} {
		if !slices.Contains(strings.Split(policy, "; "), directive) {
			t.Errorf("policy %q, want %s", policy, directive)
		}
	}
	for _, e := range elements(t, page) {
		for attr, value := range e.attrs {
			if attr == "src" || attr == "srcset" || attr == "href" && value != "data:," && value != "?format=json" {
				t.Errorf("<%s %s=%q>", e.name, attr, value)
			}
		}
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Resource-Policy": "same-origin", "Vary": "Accept",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// What a screen reader needs: captions, headers that say of what, charts in words.
func TestDebugPageIsAccessible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
		for i := range 1200 {
			debug.Observe(outcome("42", i%4 != 0))
		}
		o := outcome("42", false)
		o.Shadow = true
		debug.Observe(o)
		time.Sleep(time.Second)
		count, charts := map[string]int{}, []string{}
		for _, e := range elements(t, bodyOf(t, get(debug, "/"))) {
			count[e.name]++
			if e.name == "th" && e.attrs["scope"] == "" {
				t.Errorf("a header %q of nothing", e.text)
			}
			if e.name == "svg" {
				if e.attrs["role"] != "img" {
					t.Errorf("%v", e.attrs)
				}
				charts = append(charts, html.UnescapeString(e.attrs["aria-label"]))
			}
		}
		if count["table"] != count["caption"] || count["table"] != count["thead"] || count["table"] != 9 || count["h1"] != 1 || count["h2"] != 4 {
			t.Errorf("%v", count)
		}
		want := "Admitted per second in the last 1 seconds: 900 in all, 900.0 on average, 900 at most, 900 in the last second"
		if !slices.Contains(charts, want) || len(charts) != 9 || !strings.HasPrefix(charts[6], "Refused in shadow per second") {
			t.Errorf("charts in words: %q", charts)
		}
	})
}

// Who has forgotten WithOnDecision is told so, and nobody else.
func TestDebugPageUnobserved(t *testing.T) {
	limiter := newPartitionLimiter(t, plenty)
	debug := weirhttp.NewDebug(limiter)
	told := func() bool { return strings.Contains(bodyOf(t, get(debug, "/")), "WithOnDecision") }
	if told() {
		t.Error("told before anything was decided")
	}
	synctest.Test(t, func(t *testing.T) { // for Stats of the first look are kept for a second
		debug = weirhttp.NewDebug(limiter)
		limiter.AllowKey(weir.PartitionKey{Partition: weir.User, ID: "7"}, 1)
		if !told() {
			t.Error("not told")
		}
		debug.Observe(outcome("42", true))
		if told() {
			t.Error("told although something was observed")
		}
	})
}

// Quotas are those of now, also of policies beside the first.
func TestDebugQuotasAreLive(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf)
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, forAll(plenty),
		weir.WithFurtherQuotas(weir.Business, weir.PerHour(5)), weir.WithIPv6Tier(48, weir.PerHour(6)))
	if err != nil {
		t.Fatal(err)
	}
	debug := weirhttp.NewDebug(limiter)
	quotas := func() map[string]string {
		all := map[string]string{}
		for _, p := range pageOf(t, debug).Partitions {
			for _, policy := range p.Policies {
				all[policy.Name] = policy.Quota
			}
		}
		return all
	}
	want := map[string]string{"business-2": "5/1h", "ip/48": "6/1h"}
	for part := range weir.Partition(4) {
		want[part.String()] = plenty.String()
	}
	if got := quotas(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	want["business-2"] = "7/1h"
	if err := limiter.Policies(weir.Business)[1].Limiter.SetQuota(weir.PerHour(7)); err != nil {
		t.Fatal(err)
	}
	if got := quotas(); !maps.Equal(got, want) { // within the same second
		t.Errorf("%v, want %v", got, want)
	}
}

// However many look, live keys are counted once a second; and if that takes long,
// for a tenth of the time. Each count reads the limiter's clock.
func TestDebugCountsKeysSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counted atomic.Int64
		var takes time.Duration
		resolver, err := weir.NewResolver(sourceOf)
		if err != nil {
			t.Fatal(err)
		}
		limiter, err := weir.NewPartitionLimiter(resolver, forAll(plenty), weir.WithClock(func() time.Duration {
			counted.Add(1)
			time.Sleep(takes / 4) // for each partition
			return time.Hour
		}))
		if err != nil {
			t.Fatal(err)
		}
		debug := weirhttp.NewDebug(limiter)
		since := func() int64 { return counted.Swap(0) / 4 }
		since()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { pageOf(t, debug) })
		}
		wg.Wait()
		if n := since(); n != 1 {
			t.Errorf("counted %d times for 100 looks at once", n)
		}
		time.Sleep(time.Second - 1)
		if pageOf(t, debug); since() != 0 {
			t.Error("counted again within a second")
		}
		time.Sleep(time.Nanosecond)
		if pageOf(t, debug); since() != 1 {
			t.Error("not counted again after a second")
		}
		takes = 400 * time.Millisecond
		time.Sleep(time.Second)
		if pageOf(t, debug); since() != 1 {
			t.Error("not counted again after another second")
		}
		time.Sleep(9*takes - 1)
		if pageOf(t, debug); since() != 0 {
			t.Error("counting takes more than a tenth of the time")
		}
		time.Sleep(time.Nanosecond)
		if pageOf(t, debug); since() != 1 {
			t.Error("not counted again after nine times as long as it takes")
		}
	})
}

// A Debug is as large as its doc comment says.
func TestDebugMemory(t *testing.T) {
	limiter := newPartitionLimiter(t, plenty)
	for _, c := range []struct {
		opts []weirhttp.DebugOption
		most uint64
	}{
		{nil, 450_000},
		{[]weirhttp.DebugOption{weirhttp.ShowKeys()}, 1_100_000},
		{[]weirhttp.DebugOption{weirhttp.TopKeys(132)}, 450_000 + 100*12_000},
		{[]weirhttp.DebugOption{weirhttp.TopKeys(132), weirhttp.ShowKeys()}, 1_100_000 + 100*32_000},
	} {
		var before, after runtime.MemStats
		all := make([]*weirhttp.Debug, 4)
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range all {
			all[i] = weirhttp.NewDebug(limiter, c.opts...)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := (after.HeapAlloc - before.HeapAlloc) / uint64(len(all))
		runtime.KeepAlive(all)
		t.Logf("%d bytes", each)
		if each > c.most || each < c.most/3 {
			t.Errorf("%d bytes, said to be up to %d", each, c.most)
		}
	}
}

// The fields of the JSON are those of the table in docs/debug.md.
func TestDebugJSONIsDocumented(t *testing.T) {
	debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty), weirhttp.ShowKeys())
	debug.Observe(outcome(strings.Repeat("x", 65), false)) // so that no field is left out
	var state any
	if err := json.Unmarshal([]byte(bodyOf(t, get(debug, "/?format=json"))), &state); err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, v := range v {
				walk(v)
			}
		case map[string]any:
			for name, v := range v {
				served[name] = true
				walk(v)
			}
		}
	}
	walk(state)

	doc, err := os.ReadFile("../docs/debug.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| field | |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	documented := map[string]bool{}
	for _, name := range regexp.MustCompile("`\\.?([a-z_]+)(\\[\\])?`").FindAllStringSubmatch(table, -1) {
		documented[name[1]] = true
	}
	for _, value := range []string{"ip", "user", "business"} {
		delete(documented, value)
	}
	if got, want := slices.Sorted(maps.Keys(documented)), slices.Sorted(maps.Keys(served)); !slices.Equal(got, want) {
		t.Errorf("documented\n%v, served\n%v", got, want)
	}
}

// The page is the same for HEAD, but for its body.
func TestDebugHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // within one nanosecond
		debug := weirhttp.NewDebug(newPartitionLimiter(t, plenty))
		got := get(debug, "/")
		r := getOf("/")
		r.Method = http.MethodHead
		head := call(debug, r)
		if !maps.EqualFunc(head.Header, got.Header, slices.Equal) {
			t.Errorf("header\n%v, want\n%v", head.Header, got.Header)
		}
		if body := bodyOf(t, got); head.ContentLength != int64(len(body)) || bodyOf(t, head) != "" {
			t.Errorf("%d bytes are announced, want %d", head.ContentLength, len(body))
		}
	})
}
