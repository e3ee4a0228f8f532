package weirhttp

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"
)

// The page is one response: style and script stand in it. A browser runs what
// has these hashes and nothing else, so that a mistake in escaping would not be
// enough to run what a caller has put into an id.
var (
	//go:embed debug.html
	debugHTML string
	//go:embed debug.css
	debugCSS string
	//go:embed debug.js
	debugJS string
)

// debugPolicy is the Content-Security-Policy. The image is the icon, which is
// empty; the connection is the script's, to renew the page.
var debugPolicy = strings.Join([]string{
	"default-src 'none'",
	"style-src '" + hashSource(debugCSS) + "'",
	"script-src '" + hashSource(debugJS) + "'",
	"img-src data:",
	"connect-src 'self'",
	"base-uri 'none'",
	"form-action 'none'",
	"frame-ancestors 'none'",
}, "; ")

func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// newDebugPage parses the template for each Debug, rather than once for the
// package: so a program without a Debug is not linked with most of what templates
// need, and is larger by 0.5 MB rather than by 4.
func newDebugPage() *template.Template {
	return template.Must(template.New("debug").Funcs(template.FuncMap{
		"bytes":  formatBytes,
		"chart":  newChart,
		"count":  formatCount,
		"css":    func() template.CSS { return template.CSS(debugCSS) },
		"script": func() template.JS { return template.JS(debugJS) },
	}).Parse(debugHTML))
}

// A chart is a row of bars, one a second.
type chart struct {
	What   string
	Bars   string // the path: in a box of historySeconds by chartHeight, the present at the right
	Height int
	Width  int
	Last   int64 // in the last whole second
	Most   int64
	Sum    int64
	Span   int // seconds
}

// chartHeight is finer than the pixels that it is drawn with.
const chartHeight = 100

func newChart(what string, counts []int64) chart {
	c := chart{What: what, Height: chartHeight, Width: historySeconds, Span: len(counts)}
	if len(counts) == 0 {
		return c
	}
	c.Last, c.Most = counts[len(counts)-1], slices.Max(counts)
	var path strings.Builder
	for i, n := range counts {
		c.Sum += n
		if n > 0 {
			x := historySeconds - len(counts) + i
			// Not less than 2: who was there must be seen.
			h := max(2, float64(n)/float64(c.Most)*chartHeight)
			fmt.Fprintf(&path, "M%d %dv-%.4gh1v%.4[3]gz", x, chartHeight, h)
		}
	}
	c.Bars = path.String()
	return c
}

// Mean is the average of a second, with one digit behind the point.
func (c chart) Mean() string {
	return strconv.FormatFloat(float64(c.Sum)/float64(max(c.Span, 1)), 'f', 1, 64)
}

// Observed reports whether anything was.
func (p partitionState) Observed() bool { return p.Totals != resultCounts{} }

// Unobserved reports that the limiter has decided and no outcome has come to
// Observe: somebody has forgotten WithOnDecision.
func (s debugState) Unobserved() bool {
	decided := false
	for _, p := range s.Partitions {
		if p.Observed() {
			return false
		}
		for _, policy := range p.Policies {
			decided = decided || policy.Admitted > 0 || policy.Refused > 0
		}
	}
	return decided
}

// formatCount writes 1234567 as 1,234,567.
func formatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// formatBytes writes bytes with three digits that count: 3.21 MiB.
func formatBytes(n int64) string {
	if n < 1<<10 {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), -1
	for value >= 999.5 && unit < len("KMGTPE")-1 {
		value /= 1 << 10
		unit++
	}
	return strconv.FormatFloat(value, 'g', 3, 64) + " " + "KMGTPE"[unit:unit+1] + "iB"
}
