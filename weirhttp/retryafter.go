package weirhttp

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// RetryAfter reports how long a response asks to wait before the next request:
// its Retry-After field (RFC 9110, section 10.2.3), in seconds or as an HTTP date
// in any of the three formats of section 5.6.7.
//
// A date counts from the response's Date field, and from the local clock only
// where that is absent or unreadable. Both were written by the server, so their
// difference is what it meant, however wrong its clock or the local one is. Date
// is cut to whole seconds, so the wait comes out up to one second longer than
// meant, never shorter.
//
// It is false if there is no such field, and if none can be read: a negative
// number, a fraction, a date that has passed, or anything else. The field may
// occur once only; of several that can be read, the longest wait counts, so that
// whoever wrote them is obeyed. Zero seconds, and a date that is now, are a wait of
// 0. Seconds beyond what a Duration holds are [weir.Never]; they may have any
// number of digits.
//
// It does not look at the status, does not block, and allocates only where a field
// cannot be read as a number.
func RetryAfter(resp *http.Response) (wait time.Duration, ok bool) {
	lines := resp.Header["Retry-After"]
	if len(lines) == 0 {
		return 0, false
	}
	now := time.Now()
	if date, ok := parseHTTPDate(resp.Header.Get("Date"), now); ok {
		now = date
	}
	for _, line := range lines {
		if w, valid := parseRetryAfter(line, now); valid {
			wait, ok = max(wait, w), true
		}
	}
	return wait, ok
}

// parseRetryAfter reads one Retry-After. Dates count from now.
func parseRetryAfter(s string, now time.Time) (time.Duration, bool) {
	s = strings.Trim(s, " \t")
	if wait, ok := parseDelaySeconds(s); ok {
		return wait, true
	}
	date, ok := parseHTTPDate(s, now)
	if !ok || date.Before(now) {
		return 0, false
	}
	return date.Sub(now), true // saturates
}

// parseDelaySeconds reads 1*DIGIT. strconv would let a sign through and fail
// where this has to saturate.
func parseDelaySeconds(s string) (time.Duration, bool) {
	const most = int64(math.MaxInt64 / time.Second)
	var seconds int64
	for i := range len(s) {
		digit := int64(s[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		if seconds <= most { // beyond, more digits change nothing
			seconds = 10*seconds + digit
		}
	}
	if seconds > most {
		return math.MaxInt64, len(s) > 0
	}
	return time.Duration(seconds) * time.Second, len(s) > 0
}

// The formats of RFC 9110, section 5.6.7. All are in UTC. [http.ParseTime] is not
// used because it takes the name of any zone in the second of them, and for UTC.
const (
	formatRFC850  = "Monday, 02-Jan-06 15:04:05 GMT" // obsolete
	formatASCTime = time.ANSIC                       // obsolete; in UTC, though it does not say so
)

// parseHTTPDate reads an HTTP date. The years of RFC 850 have two digits: one that
// seems to be more than 50 years after now means the one a century before.
func parseHTTPDate(s string, now time.Time) (time.Time, bool) {
	// A leap second is in the grammar, and not in package time.
	leap := time.Duration(0)
	if i := strings.Index(s, ":60"); i >= 0 && strings.LastIndexByte(s, ':') == i {
		s, leap = s[:i]+":59"+s[i+len(":60"):], time.Second
	}
	for _, format := range [...]string{http.TimeFormat, formatASCTime} {
		if date, err := time.Parse(format, s); err == nil {
			return date.Add(leap), true
		}
	}
	date, err := time.Parse(formatRFC850, s)
	if err != nil {
		return time.Time{}, false
	}
	return inCentury(date, now).Add(leap), true
}

// inCentury moves a date by centuries to where its last two digits put it: at most
// 50 years after now, and as late as that allows.
func inCentury(date, now time.Time) time.Time {
	latest := now.AddDate(50, 0, 0)
	years := (latest.Year() - date.Year()) / 100 * 100
	date = date.AddDate(years, 0, 0)
	for date.After(latest) {
		date = date.AddDate(-100, 0, 0)
	}
	return date
}
