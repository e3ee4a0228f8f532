package weirhttp_test

import (
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/weirhttp"
)

func withRetryAfter(date string, lines ...string) *http.Response {
	h := http.Header{}
	if lines != nil {
		h["Retry-After"] = lines
	}
	if date != "" {
		h.Set("Date", date)
	}
	return &http.Response{Header: h}
}

func TestRetryAfter(t *testing.T) {
	const (
		date    = "Sun, 06 Nov 1994 08:49:37 GMT" // the dates of RFC 9110, section 5.6.7
		rfc850  = "Sunday, 06-Nov-94 08:49:37 GMT"
		asctime = "Sun Nov  6 08:49:37 1994"
		before  = "Sun, 06 Nov 1994 08:49:20 GMT"
		late    = "Wed, 06 Nov 2126 08:49:20 GMT"
	)
	for _, test := range []struct {
		name  string
		date  string
		lines []string
		want  time.Duration
		ok    bool
	}{
		{"absent", "", nil, 0, false},
		{"empty", "", []string{""}, 0, false},
		{"seconds", "", []string{"17"}, 17 * time.Second, true},
		{"zero", "", []string{"0"}, 0, true},
		{"zeros", "", []string{"0000000000000000000000000000017"}, 17 * time.Second, true},
		{"white space", "", []string{" \t17 "}, 17 * time.Second, true},
		{"the most seconds", "", []string{"9223372036"}, 9223372036 * time.Second, true},
		{"one second more", "", []string{"9223372037"}, math.MaxInt64, true},
		{"beyond int64", "", []string{"9223372036854775808"}, math.MaxInt64, true},
		{"beyond uint64", "", []string{strings.Repeat("9", 1000)}, math.MaxInt64, true},
		{"negative", "", []string{"-1"}, 0, false},
		{"signed", "", []string{"+1"}, 0, false},
		{"fraction", "", []string{"1.5"}, 0, false},
		{"unit", "", []string{"17s"}, 0, false},
		{"words", "", []string{"soon"}, 0, false},
		{"other digits", "", []string{"١٧"}, 0, false},
		{"list", "", []string{"17, 18"}, 0, false},

		{"date", before, []string{date}, 17 * time.Second, true},
		{"date of RFC 850", before, []string{rfc850}, 17 * time.Second, true},
		{"date of asctime", before, []string{asctime}, 17 * time.Second, true},
		{"Date of RFC 850", "Sunday, 06-Nov-94 08:49:20 GMT", []string{date}, 17 * time.Second, true},
		{"Date of asctime", "Sun Nov  6 08:49:20 1994", []string{date}, 17 * time.Second, true},
		{"date that is now", date, []string{date}, 0, true},
		{"date that has passed", "Sun, 06 Nov 1994 08:49:38 GMT", []string{date}, 0, false},
		{"date in centuries", before, []string{"Fri, 31 Dec 9999 23:59:59 GMT"}, math.MaxInt64, true},
		{"leap second", "Sat, 31 Dec 2016 23:59:59 GMT", []string{"Sat, 31 Dec 2016 23:59:60 GMT"}, time.Second, true},
		{"no such second", before, []string{"Sun, 06 Nov 1994 08:49:61 GMT"}, 0, false},
		{"no such minute", before, []string{"Sun, 06 Nov 1994 08:60:37 GMT"}, 0, false},
		{"no such minute, leap second", before, []string{"Sun, 06 Nov 1994 08:60:60 GMT"}, 0, false},
		{"no such day", before, []string{"Sun, 31 Nov 1994 08:49:37 GMT"}, 0, false},
		{"other zone", before, []string{"Sun, 06 Nov 1994 08:49:37 PST"}, 0, false},
		{"other zone, RFC 850", before, []string{"Sunday, 06-Nov-94 08:49:37 PST"}, 0, false},
		{"date and more", before, []string{date + " or later"}, 0, false},
		// Two digits of a year: at most 50 years ahead, however package time reads them.
		{"year 70 in 2126", late, []string{"Tuesday, 06-Nov-70 08:49:20 GMT"}, (44*365 + 11) * 24 * time.Hour, true},
		{"year 76 in 2126", late, []string{"Wednesday, 06-Nov-76 08:49:20 GMT"}, (50*365 + 13) * 24 * time.Hour, true},
		{"one second too many", late, []string{"Wednesday, 06-Nov-76 08:49:21 GMT"}, 0, false},
		{"year 27 in 2126", late, []string{"Thursday, 06-Nov-27 08:49:20 GMT"}, 365 * 24 * time.Hour, true},
		{"year 90 in 2126", late, []string{"Monday, 06-Nov-90 08:49:20 GMT"}, 0, false},

		{"the longest of several", "", []string{"5", "17", "9"}, 17 * time.Second, true},
		{"those that can be read", "", []string{"soon", "17", "-1"}, 17 * time.Second, true},
		{"seconds and a date", before, []string{"5", date}, 17 * time.Second, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := weirhttp.RetryAfter(withRetryAfter(test.date, test.lines...))
			if got != test.want || ok != test.ok {
				t.Errorf("%v, %t, want %v, %t", got, ok, test.want, test.ok)
			}
		})
	}
}

// A date counts from the server's clock, if that can be known, and not from this one.
func TestRetryAfterAndClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format(http.TimeFormat) }
		for _, test := range []struct {
			name, date, retryAfter string
			want                   time.Duration
			ok                     bool
		}{
			{"clocks agree", at(0), at(17 * time.Second), 17 * time.Second, true},
			{"server an hour ahead", at(time.Hour), at(time.Hour + 17*time.Second), 17 * time.Second, true},
			{"server an hour behind", at(-time.Hour), at(-time.Hour + 17*time.Second), 17 * time.Second, true},
			{"server 30 years ahead", at(262980 * time.Hour), at(262980*time.Hour + 17*time.Second), 17 * time.Second, true},
			{"no Date", "", at(17 * time.Second), 17 * time.Second, true},
			{"no Date, in the past", "", at(-time.Second), 0, false},
			{"bad Date", "yesterday", at(17 * time.Second), 17 * time.Second, true},
			{"Date later than the date", at(time.Hour), at(17 * time.Second), 0, false},
		} {
			got, ok := weirhttp.RetryAfter(withRetryAfter(test.date, test.retryAfter))
			if got != test.want || ok != test.ok {
				t.Errorf("%s: %v, %t, want %v, %t", test.name, got, ok, test.want, test.ok)
			}
		}
	})
}

// FuzzRetryAfter compares with integers of any size, and with net/http where that
// reads a date of RFC 9110's preferred format.
func FuzzRetryAfter(f *testing.F) {
	f.Add("17", "")
	f.Add("Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:20 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		got, ok := weirhttp.RetryAfter(withRetryAfter(date, value))
		if got < 0 || !ok && got != 0 {
			t.Fatalf("%v, %t", got, ok)
		}
		trimmed := strings.Trim(value, " \t")
		if trimmed != "" && strings.Trim(trimmed, "0123456789") == "" {
			n, _ := new(big.Int).SetString(trimmed, 10)
			want := time.Duration(math.MaxInt64)
			if n.Mul(n, big.NewInt(int64(time.Second))); n.IsInt64() {
				want = time.Duration(n.Int64())
			}
			if got != want || !ok {
				t.Fatalf("%v, %t, want %v", got, ok, want)
			}
			return
		}
		then, err1 := time.Parse(http.TimeFormat, trimmed)
		now, err2 := time.Parse(http.TimeFormat, date)
		if err1 != nil || err2 != nil {
			return
		}
		if want := then.Sub(now); ok != (want >= 0) || ok && got != want {
			t.Fatalf("%v, %t, want %v", got, ok, want)
		}
	})
}
