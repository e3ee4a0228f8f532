package peers_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/httprate"
	"github.com/labstack/echo/v4/middleware"
	"golang.org/x/time/rate"

	"github.com/weirhq/weir"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/subject"
)

// Each test here shows how a limiter admits more than its quota, and by how
// much. The counts are exact: a test that fails says that the limiter has
// changed, and that what the report says of it must change too. The clock is
// fake where the limiter lets it be, so that nothing depends on the machine.

// want compares the count with the one that is known of this version, and with
// the most that a quota of that burst and interval allows in that time.
func want(t *testing.T, got, known int, c subject.Config, within time.Duration) {
	t.Helper()
	most := int(c.MaxIn(within))
	t.Logf("admitted %d within %v, where the quota allows %d", got, within, most)
	if got != known {
		t.Errorf("admitted %d within %v, want %d; if the limiter has changed, its Exact must too", got, within, known)
	}
	if got <= most {
		t.Errorf("admitted %d, which the quota allows", got)
	}
}

// x/time takes a reading of the clock that is older than the last one for the
// present, and then earns the time in between again. Allow reads the clock
// before it takes the lock, so callers that overtake each other do this, by
// microseconds; those who pass times of their own do it by as much as these
// differ.
func TestXTimeOutOfOrder(t *testing.T) {
	c := subject.Config{Limit: 10, Period: time.Second}
	l := rate.NewLimiter(rate.Limit(c.PerSecond()), int(c.Limit))
	early := time.Now()
	late := early.Add(time.Second)
	got := 0
	for range 500 {
		for _, now := range []time.Time{early, late} {
			if l.AllowN(now, 1) {
				got++
			}
		}
	}
	want(t, got, 1000, c, time.Second)

	w := newWeir(t, c)
	got = 0
	for range 500 {
		for _, now := range []time.Duration{0, time.Second} {
			if w.AllowAt(w.Now()+now, "a", 1).Allowed {
				got++
			}
		}
	}
	if most := int(c.MaxIn(2 * time.Second)); got > most {
		t.Errorf("weir admitted %d, the quota allows %d", got, most)
	}
}

func newWeir(t *testing.T, c subject.Config) *weir.Limiter {
	t.Helper()
	l, err := weir.New(weir.Quota{Limit: c.Limit, Period: c.Period})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// slowHeader is the response of a caller that is held up between reading the
// clock and taking the lock: here by its header, in life by the scheduler.
type slowHeader struct {
	http.ResponseWriter
	delay time.Duration
}

func (s slowHeader) Header() http.Header {
	time.Sleep(s.delay)
	return http.Header{}
}

// httprate counts a request in the window of a reading taken before the lock.
// One that is late at a window's edge takes the counter back to the window
// before, which empties both windows: every key starts again.
func TestHTTPRateLateCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ten
		l := httprate.NewRateLimiter(int(c.Limit), c.Period,
			httprate.WithResponseHeaders(httprate.ResponseHeaders{Limit: "Limit"}))
		ask := func() (got int) {
			for range 25 {
				if !l.OnLimit(slowHeader{}, new(http.Request), "victim") {
					got++
				}
			}
			return got
		}
		const late = 5
		time.Sleep(c.Period - time.Millisecond)
		for i := range late {
			// Each is held up until a millisecond after the one before it.
			delay := time.Duration(i+2) * time.Millisecond
			go l.OnLimit(slowHeader{delay: delay}, new(http.Request), fmt.Sprint("late", i))
		}
		synctest.Wait()
		time.Sleep(1500 * time.Microsecond) // into the new window
		start := time.Now()
		got := 0
		for range late + 1 {
			got += ask()
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		want(t, got, 10*(late+1), c, time.Since(start))
	})
}

// edge spends almost the whole limit just before the edge of a window, and all
// that it gets just after.
func edge(t *testing.T, s subject.Subject, c subject.Config, lead time.Duration) (got int, within time.Duration) {
	t.Helper()
	l := open(t, s, c)
	l.Allow("a") // the window begins
	time.Sleep(c.Period - lead)
	start := time.Now()
	got = admitted(l, "a", 25)
	time.Sleep(2 * lead)
	got += admitted(l, "a", 25)
	return got, time.Since(start)
}

// A window that begins with a key's first request gives the whole limit at its
// end and the whole limit again at the beginning of the next. These two need the
// real clock, so this is tried again where the machine was too slow to hit the
// edge.
func TestWindowsEdge(t *testing.T) {
	c := subject.Config{Limit: 10, Period: 500 * time.Millisecond, MaxKeys: 1000}
	for _, s := range []subject.Subject{peers.SethVargo, peers.Ulule} {
		t.Run(s.Name, func(t *testing.T) {
			for try := range 5 {
				got, within := edge(t, s, c, 20*time.Millisecond)
				if within < 2*c.Interval() || try == 4 {
					want(t, got, 19, c, within)
					return
				}
			}
		})
	}
	t.Run("weir", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			if got, within := edge(t, peers.Weir, ten, time.Millisecond); got > int(ten.MaxIn(within)) {
				t.Errorf("admitted %d within %v", got, within)
			}
		})
	})
}

// Windows that slide by a share of the last one's count come out close to a
// quota, and round that share to a whole request in the caller's favour: down
// always, or to the nearest.
func TestSlidingWindowsRound(t *testing.T) {
	for _, test := range []struct {
		subject subject.Subject
		after   time.Duration // the window's edge
	}{
		{peers.Narasimha, time.Millisecond},
		{peers.HTTPRate, 600 * time.Millisecond},
	} {
		t.Run(test.subject.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := open(t, test.subject, ten)
				time.Sleep(ten.Period - time.Millisecond)
				start := time.Now()
				got := admitted(l, "a", 25)
				time.Sleep(test.after + time.Millisecond)
				got += admitted(l, "a", 25)
				want(t, got, 11, ten, time.Since(start))
			})
		})
	}
}

// tailscale adds tokens only to an empty bucket, but then for all the time since
// it last did. So a key that took one token and stayed away gets the rest of its
// bucket and a full one.
func TestTailscaleSavesUpTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, peers.Tailscale, ten)
		l.Allow("a")
		time.Sleep(ten.Period)
		want(t, admitted(l, "a", 25), 19, ten, 0)
	})
}

// tollbooth drops a bucket a fixed time after it was made, whatever is in it.
func TestTollboothExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, peers.Tollbooth, ten)
		l.Allow("a")
		time.Sleep(ten.Period - time.Millisecond)
		start := time.Now()
		got := admitted(l, "a", 25)
		time.Sleep(2 * time.Millisecond)
		got += admitted(l, "a", 25)
		want(t, got, 20, ten, time.Since(start))
	})
}

// echo forgets a visitor after three minutes by default, though its bucket may
// need longer to fill.
func TestEchoExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := subject.Config{Limit: 60, Period: time.Hour}
		store := middleware.NewRateLimiterMemoryStoreWithConfig(middleware.RateLimiterMemoryStoreConfig{
			Rate: rate.Limit(c.PerSecond()), Burst: int(c.Limit),
		})
		got := 0
		start := time.Now()
		for range 20 { // an hour
			for range 100 {
				if ok, _ := store.Allow("a"); ok {
					got++
				}
			}
			time.Sleep(3*time.Minute + time.Second)
			_, _ = store.Allow("somebody") // whose request does the cleaning
		}
		want(t, got, 1200, c, time.Since(start))
	})
}

// A cache of the keys seen last forgets those that others push out, so whoever
// can make up keys has their budget back.
func TestLRUForgets(t *testing.T) {
	for _, s := range []subject.Subject{peers.ThrottledLRU, peers.Tailscale} {
		t.Run(s.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := open(t, s, ten)
				got := admitted(l, "a", 25)
				for i := range ten.MaxKeys {
					l.Allow(fmt.Sprint("made up ", i))
				}
				want(t, got+admitted(l, "a", 25), 20, ten, 0)
			})
		})
	}
	t.Run("weir", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, peers.Weir, ten)
			got := admitted(l, "a", 25)
			for i := range 20 * ten.MaxKeys {
				l.Allow(fmt.Sprint("made up ", i))
			}
			if got += admitted(l, "a", 25); got != 10 {
				t.Errorf("admitted %d, the quota allows 10", got)
			}
		})
	})
}
