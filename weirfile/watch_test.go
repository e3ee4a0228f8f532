package weirfile

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
)

// watching starts a watch of f that hears of signals by a channel.
func watching(f *File, report func(error)) (signals chan os.Signal, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals = make(chan os.Signal, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.watch(ctx, signals, report)
	}()
	return signals, func() { cancel(); <-ended }
}

func TestWatchReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t, stopped)
		f, path := newFile(t, limiter, quotaFile("1/1m", ""))
		var reports []error
		signals, stop := watching(f, func(err error) { reports = append(reports, err) })
		for _, step := range []struct {
			content string
			bad     bool
			want    int64
		}{
			{quotaFile("2/1m", ""), false, 2}, {"{", true, 2}, {quotaFile("3/1m", ""), false, 3},
		} {
			replace(t, path, step.content)
			signals <- os.Interrupt // any: what is asked for is the platform's
			synctest.Wait()
			if last := reports[len(reports)-1]; (last != nil) != step.bad {
				t.Errorf("reported: %v", last)
			}
			if q := limiter.Limiter(weir.User).Quota(); q.Limit != step.want {
				t.Errorf("the quota is %v, want a limit of %d", q, step.want)
			}
		}
		stop() // a goroutine that stays would fail the bubble
		if len(reports) != 3 {
			t.Errorf("%d reports", len(reports))
		}
	})
}

func TestOverridesEnd(t *testing.T) {
	const year2000 = "2000-01-01T" // when the clock of a synctest bubble begins
	content := quotaFile("10/1m", `"user": {
		"always": "20/1m",
		"over":   {"quota": "20/1m", "until": "`+year2000+`00:00:00Z"},
		"second": {"quota": "20/1m", "until": "`+year2000+`00:00:01Z"},
		"hour":   {"quota": "20/1m", "until": "`+year2000+`02:00:00+01:00"}}`)
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t, stopped)
		users := limiter.Limiter(weir.User)
		f, _ := newFile(t, limiter, content)
		begin := time.Now()
		users.AllowN("second", 12)
		if err := users.SetQuota(weir.PerMinute(5)); err != nil { // by hand; only Reload puts it right
			t.Fatal(err)
		}
		_, stop := watching(f, func(error) { t.Error("an end was reported") })
		for _, step := range []struct {
			at   time.Duration
			want map[string]int64
		}{
			{0, map[string]int64{"always": 20, "over": 5, "second": 20, "hour": 20}},
			{time.Second - 1, map[string]int64{"always": 20, "second": 20, "hour": 20}},
			{time.Second, map[string]int64{"always": 20, "second": 5, "hour": 20}},
			{time.Hour - 1, map[string]int64{"always": 20, "hour": 20}},
			{time.Hour, map[string]int64{"always": 20, "hour": 5}},
		} {
			time.Sleep(step.at - time.Since(begin))
			synctest.Wait()
			for key, want := range step.want {
				if d := users.Peek(key); d.Limit != want {
					t.Errorf("after %v, %s is limited to %d, want %d", step.at, key, d.Limit, want)
				}
			}
		}
		if d := users.Peek("second"); d.Allowed {
			t.Errorf("12 were spent, of 5: %+v", d)
		}
		stop()
		// It comes back if the file gives it another end, and only then.
		reload(t, f, content)
		if d := users.Peek("hour"); d.Limit != 10 {
			t.Errorf("hour is limited to %d after its end", d.Limit)
		}
		reload(t, f, strings.Replace(content, year2000+"02", year2000+"03", 1))
		if d := users.Peek("hour"); d.Limit != 20 {
			t.Errorf("hour is limited to %d with another end", d.Limit)
		}
		// Nobody watches.
		time.Sleep(2 * time.Hour)
		if d := users.Peek("hour"); d.Limit != 20 {
			t.Errorf("hour is limited to %d, and nobody watches", d.Limit)
		}
		if err := f.Reload(); err != nil {
			t.Fatal(err)
		}
		if d := users.Peek("hour"); d.Limit != 10 {
			t.Errorf("hour is limited to %d after its end and a Reload", d.Limit)
		}
	})
}

// An end that a Reload brings while Watch sleeps is kept, and so is one that
// passed between Open and Watch.
func TestWatchSeesNewEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limiter := newLimiter(t, stopped)
		users := limiter.Limiter(weir.User)
		ending := func(at time.Duration) string {
			until := time.Now().Add(at).Format(time.RFC3339)
			return quotaFile("10/1m", `"user": {"key": {"quota": "20/1m", "until": "`+until+`"}}`)
		}
		f, _ := newFile(t, limiter, ending(time.Second))
		time.Sleep(time.Minute)
		_, stop := watching(f, func(error) {})
		defer stop()
		synctest.Wait()
		if d := users.Peek("key"); d.Limit != 10 {
			t.Errorf("it ended before Watch began, and its limit is %d", d.Limit)
		}
		for _, at := range []time.Duration{time.Hour, 2 * time.Second} {
			reload(t, f, ending(at))
			synctest.Wait()
			if d := users.Peek("key"); d.Limit != 20 {
				t.Errorf("it ends in %v, and its limit is %d", at, d.Limit)
			}
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if d := users.Peek("key"); d.Limit != 10 {
			t.Errorf("it ended now, and its limit is %d", d.Limit)
		}
	})
}

// However far an end is, Watch looks at the clock on the wall once a minute; if
// there is none to come, not at all.
func TestDoze(t *testing.T) {
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	at := func(d time.Duration) Override { return Override{Until: now.Add(d)} }
	for _, test := range []struct {
		overrides []Override
		want      time.Duration
		ok        bool
	}{
		{nil, maxDoze, false},
		{[]Override{{}, at(0), at(-time.Hour)}, maxDoze, false},
		{[]Override{{}, at(time.Hour)}, maxDoze, true},
		{[]Override{at(time.Minute + 1), at(time.Minute)}, time.Minute, true},
		{[]Override{at(-1), at(time.Second), at(1), at(time.Hour)}, 1, true},
		{[]Override{{Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}}, maxDoze, true}, // beyond what a Duration holds
	} {
		c := &Config{overrides: test.overrides}
		if d, ok := c.doze(now); d != test.want || ok != test.ok {
			t.Errorf("%v: %v, %v, want %v, %v", test.overrides, d, ok, test.want, test.ok)
		}
	}
}

// Where there is no SIGHUP, Watch says so at once, asks for no signals, and still
// ends overrides and itself.
func TestWatchWithoutSignals(t *testing.T) {
	f, _ := newFile(t, newLimiter(t, stopped), good)
	ctx, cancel := context.WithCancel(t.Context())
	var reports []error
	done := f.watchFor(ctx, nil, func(err error) { reports = append(reports, err) })
	if len(reports) != 1 || !errors.Is(reports[0], errors.ErrUnsupported) || !strings.Contains(reports[0].Error(), runtime.GOOS) {
		t.Errorf("reported: %v", reports)
	}
	cancel()
	<-done
}
