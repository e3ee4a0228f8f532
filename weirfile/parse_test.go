package weirfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

const good = `{
  "quotas": {"business": "300/1m", "business-intake": "600/2m burst 20", "user": "7/1s", "ip": "1/1h"},
  "overrides": {
    "business": {
      "42": {"quota": "3000/1m burst 500", "note": "launch ☃ \ud83d\ude80", "until": "2027-01-31T01:00:00+01:00"},
      "43": "600/1m"
    },
    "user": {},
    "ip": {"203.0.113.7": "30/1m", "2001:db8::/64": {"quota": "31/1m"}, "unknown": "32/1m"}
  }
}`

func TestParse(t *testing.T) {
	config, err := Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[weir.Partition]weir.Quota{
		weir.Business:       weir.PerMinute(300),
		weir.BusinessIntake: {Limit: 600, Period: 2 * time.Minute, Burst: 20},
		weir.User:           weir.PerSecond(7),
		weir.IP:             weir.PerHour(1),
		weir.Partition(4):   {},
		weir.Partition(255): {},
	} {
		if got := config.Quota(part); got != want {
			t.Errorf("the quota of %v is %v, want %v", part, got, want)
		}
	}
	want := []Override{
		{weir.Business, "42", weir.Quota{Limit: 3000, Period: time.Minute, Burst: 500}, "launch ☃ 🚀",
			time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC), 5, 7},
		{weir.Business, "43", weir.PerMinute(600), "", time.Time{}, 6, 7},
		{weir.IP, "203.0.113.7/32", weir.PerMinute(30), "", time.Time{}, 9, 12},
		{weir.IP, "2001:db8::/64", weir.PerMinute(31), "", time.Time{}, 9, 36},
		{weir.IP, "unknown", weir.PerMinute(32), "", time.Time{}, 9, 73},
	}
	got := slices.Collect(config.Overrides())
	for i := range got {
		if !got[i].Until.IsZero() {
			got[i].Until = got[i].Until.UTC()
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the overrides are\n%+v, want\n%+v", got, want)
	}
	if _, err := Parse([]byte("\r\n\t " + strings.ReplaceAll(good, "\n", "\r\n") + " \n")); err != nil {
		t.Errorf("with other white space: %v", err)
	}
	if _, err := Parse([]byte(quotaFile("1/1s", ""))); err != nil {
		t.Errorf("without overrides: %v", err)
	}
}

// The partitions of this package are those of weir.
func TestPartitionsAreAll(t *testing.T) {
	limiter := newLimiter(t, stopped)
	for i, part := range partitions {
		if int(part) != i || limiter.Limiter(part) == nil {
			t.Errorf("partition %d is %v", i, part)
		}
	}
	if next := weir.Partition(len(partitions)); limiter.Limiter(next) != nil {
		t.Errorf("%v is not among them", next)
	}
}

func TestParseErrors(t *testing.T) {
	for _, test := range badFiles {
		t.Run(test.name, func(t *testing.T) {
			config, err := Parse([]byte(test.content))
			if err == nil || config != nil {
				t.Fatalf("no error, and %+v", config)
			}
			got := strings.Split(err.Error(), "\n")
			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
			var errs Errors
			errors.As(err, &errs)
			for _, e := range errs {
				checkPlace(t, test.content, e)
			}
		})
	}
}

// checkPlace checks that what an error is about begins where it says.
func checkPlace(t *testing.T, content string, e *Error) {
	t.Helper()
	lines := strings.Split(content, "\n")
	if e.Err != nil || e.Field == "." {
		return
	}
	begin := `"` // of a name or a text
	switch {
	case e.Value == "missing", e.Value == "an object":
		begin = "{"
	case e.Value == "an array", strings.HasPrefix(e.Value, "nested"):
		begin = "["
	case json.Valid([]byte(e.Value)):
		begin = e.Value[:1]
	}
	at := lines[e.Line-1][e.Column-1:]
	if !strings.HasPrefix(at, begin) {
		t.Errorf("%v: there is %s", e, at)
	}
}

// What weir and encoding/json found wrong can be told apart.
func TestErrorsWrap(t *testing.T) {
	_, err := Parse([]byte(three + `"user": {"a": "0/1s", "b": "1"}, "`))
	var errs Errors
	var first *Error
	var config *weir.ConfigError
	var parse *weir.ParseError
	var syntax *json.SyntaxError
	if !errors.As(err, &errs) || len(errs) != 3 {
		t.Fatalf("no list of three errors: %v", err)
	}
	if !errors.As(err, &first) || first != errs[0] || first.Field != ".overrides.user.a" || first.Value != `"0/1s"` || first.Line != 3 || first.Column != 15 {
		t.Errorf("the first error is %+v", first)
	}
	if !errors.As(err, &config) || config.Field != "Quota.Limit" {
		t.Errorf("no ConfigError in %v", err)
	}
	if !errors.As(err, &parse) || parse.Text != "1" {
		t.Errorf("no ParseError in %v", err)
	}
	if !errors.As(err, &syntax) {
		t.Errorf("no SyntaxError in %v", err)
	}
}

// A file that somebody is still writing is refused, wherever it breaks off, and
// whatever had been read of it is not called missing.
func TestParseTruncated(t *testing.T) {
	for n := range len(good) {
		_, err := Parse([]byte(good[:n]))
		var errs Errors
		var syntax *json.SyntaxError
		if !errors.As(err, &errs) || len(errs) != 1 || !errors.As(err, &syntax) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
		upTo := good[:max(n-1, 0)]
		line, column := 1+strings.Count(upTo, "\n"), len(upTo)-strings.LastIndexByte(upTo, '\n')
		if errs[0].Line != line || errs[0].Column != column {
			t.Fatalf("the first %d bytes, which end at %d:%d: %v", n, line, column, err)
		}
	}
}

func TestErrorsAreBounded(t *testing.T) {
	for n, want := range map[int]int{1: 1, maxErrors: maxErrors, maxErrors + 1: maxErrors + 1, 3 * maxErrors: maxErrors + 1} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "\"x%d\": 1,\n", i)
		}
		_, err := Parse([]byte(three + b.String() + `"user": {}}}`))
		var errs Errors
		if !errors.As(err, &errs) || len(errs) != want {
			t.Fatalf("%d errors of %d, want %d", len(errs), n, want)
		}
		last := errs[want-1]
		if gaveUp := strings.HasSuffix(last.Error(), "the file: more than 1000 errors; the rest was not looked at"); gaveUp != (want < n || n > maxErrors) {
			t.Errorf("of %d errors the last is %v", n, last)
		}
		if last.Line != 2+want {
			t.Errorf("of %d errors the last is in line %d, want %d", n, last.Line, 2+want)
		}
	}
	list := oneLine(`{"x": [` + strings.Repeat("1,", 3*maxErrors) + `1]}`)
	if _, err := Parse([]byte(list)); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("what is in a value that should not be there is not looked at: %v", err)
	}
}

func TestHugeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("64 MiB")
	}
	data := make([]byte, MaxBytes+1)
	for i := range data {
		data[i] = ' '
	}
	copy(data, three+"}}")
	if _, err := Parse(data[:MaxBytes]); err != nil {
		t.Error(err)
	}
	_, err := Parse(data)
	if want := "the file is of more than 67108864 bytes; it must be no longer"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestFieldOf(t *testing.T) {
	long := strings.Repeat("x", maxShown)
	for want, path := range map[string][]string{
		`.`:                        {},
		`.a_B9`:                    {"a_B9"},
		`.["9"]`:                   {"9"},
		`.a["b-c"].d`:              {"a", "b-c", "d"},
		`.a["b\"\\\n\u200b"][""]`:  {"a", "b\"\\\n\u200b", ""},
		`.` + long:                 {long},
		`.["` + long + `"…]`:       {long + "x"},
		`.["` + long[1:] + `"…].a`: {long[1:] + "☃", "a"}, // not cut inside a character
	} {
		if got := fieldOf(path...); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}
