package leads

import (
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// refusal is the body of every 429, as rate-limits.md prints it.
const refusal = `{
  "status": 429,
  "title": "Too many requests.",
  "detail": "The API rate limit for this account has been exceeded."
}`

// refusalWire is the whole response on the wire, but for the value of Date.
var refusalWire = strings.ReplaceAll(`HTTP/1.1 429 Too Many Requests
Cache-Control: no-store
Content-Length: 122
Content-Type: application/problem+json
Retry-After: 1
Date: *

`, "\n", "\r\n") + refusal

// checkAll compares everything that the table and the lookups show.
func checkAll(rows []*row, lookups, demanded map[string]int) error {
	var wrong []error
	for _, r := range rows {
		wrong = append(wrong, r.check(documented))
	}
	if !maps.Equal(lookups, demanded) {
		wrong = append(wrong, fmt.Errorf("source keys were looked up %v times, want %v", lookups, demanded))
	}
	return errors.Join(wrong...)
}

// check compares what became of one partition key with what quota demands. A key
// that was never seen before has its burst at once, and one request more each
// emission interval. So it must not be admitted more often than that in the time
// that all took; nor less often in the time until the last refusal, for a request
// is refused only if everything that was earned until then is spent.
func (r *row) check(quota weir.Quota) error {
	var wrong []error
	complain := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", r.partition, fmt.Sprintf(format, args...)))
	}
	for what, n := range r.odd {
		complain("%d × %s", n, what)
	}
	if r.sent != r.planned || r.sent != r.admitted+r.refused {
		complain("%d sent, %d admitted and %d refused, of %d planned", r.sent, r.admitted, r.refused, r.planned)
	}
	least, most := quota.MaxIn(r.shortest.length()), quota.MaxIn(r.longest.length())
	if n := int64(r.admitted); n < least || n > most {
		complain("%d admitted in %v; %v demands %d to %d", n, r.longest.length(), quota, least, most)
	}
	for seen, n := range r.retryAfter {
		seconds, err := strconv.ParseInt(seen, 10, 64)
		if longest := longestWait(quota); err != nil || seconds < 1 || seconds > longest {
			complain("%d × Retry-After %q; one request is earned within %d s", n, seen, longest)
		}
	}
	if !maps.Equal(r.reasons, r.plannedReasons) {
		complain("counted for the reasons %v, want %v", r.reasons, r.plannedReasons)
	}
	return errors.Join(wrong...)
}

// longestWait is the most whole seconds a caller can have to wait for one
// request: the emission interval, rounded up.
func longestWait(quota weir.Quota) int64 {
	interval := (quota.Period-1)/time.Duration(quota.Limit) + 1
	return int64((interval-1)/time.Second) + 1
}
