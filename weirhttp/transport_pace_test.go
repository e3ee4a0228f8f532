package weirhttp_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func contextWithin(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// A timedBase notes when each attempt came, since its making, and answers it as
// answer says, by its number from 1.
type timedBase struct {
	start  time.Time
	answer func(number int) *http.Response

	mu    sync.Mutex
	at    []time.Duration
	paths []string
}

func (b *timedBase) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = append(b.at, time.Since(b.start))
	b.paths = append(b.paths, r.URL.Path)
	return b.answer(len(b.at)), nil
}

// arrivesAfter is a way of d to base, and answersAfter one back.
func arrivesAfter(d time.Duration, base http.RoundTripper) baseFunc {
	return func(r *http.Request) (*http.Response, error) {
		time.Sleep(d)
		return base.RoundTrip(r)
	}
}

func answersAfter(d time.Duration, base http.RoundTripper) baseFunc {
	return func(r *http.Request) (*http.Response, error) {
		resp, err := base.RoundTrip(r)
		time.Sleep(d)
		return resp, err
	}
}

// refuseFirst refuses the first n attempts.
func refuseFirst(n int, retryAfter string) func(int) *http.Response {
	return func(number int) *http.Response {
		if number <= n {
			return answer(429, retryAfter)()
		}
		return fine()
	}
}

// sendFine sends a request that is to end well.
func sendFine(t *testing.T, transport http.RoundTripper, path string) {
	r := request(t, http.MethodGet, "")
	r.URL.Path = path
	if resp, err := transport.RoundTrip(r); err != nil || resp.StatusCode != 200 {
		t.Errorf("%s: %v, %v", path, resp, err)
	}
}

// queue sends n requests that arrive one after the other at one instant, numbered
// by their paths, and waits for all.
func queue(t *testing.T, transport http.RoundTripper, n int) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { sendFine(t, transport, "/"+strconv.Itoa(i)) })
		synctest.Wait()
	}
	all.Wait()
}

const ms = time.Millisecond

// A refusal holds back the whole line, which then goes on in its order and with
// its distances: not all at once.
func TestHoldMovesTheLine(t *testing.T) {
	for _, test := range []struct {
		name  string
		quota weir.Quota
		want  []time.Duration
		order string
	}{
		// The first is refused at 0 and held until 5 s; it goes to the end.
		{"no burst", weir.Quota{Limit: 10, Period: time.Second, Burst: 1},
			[]time.Duration{0, 5000 * ms, 5100 * ms, 5200 * ms, 5300 * ms}, "/0 /0 /1 /2 /3"},
		// What was saved up before the hold, or would be during it, is not there after it.
		{"burst", weir.Quota{Limit: 10, Period: time.Second, Burst: 8},
			[]time.Duration{0, 5000 * ms, 5100 * ms, 5200 * ms, 5300 * ms}, "/0 /0 /1 /2 /3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &timedBase{start: time.Now(), answer: refuseFirst(1, "5")}
				transport := &weirhttp.Transport{Base: base, Pace: mustLimiter(t, test.quota)}
				queue(t, transport, 4)
				if !slices.Equal(base.at, test.want) || strings.Join(base.paths, " ") != test.order {
					t.Errorf("sent at %v: %v\nwant %v: %v", base.at, base.paths, test.want, test.order)
				}
				if all, idle := transport.Lines(); all != 0 || idle != 0 {
					t.Errorf("%d lines remain, %d of them idle", all, idle)
				}
			})
		})
	}
}

// Those who have places already, when somebody in front is refused, keep order and
// distances; newcomers come behind them.
func TestHoldMovesPlacesAlreadyTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Two of a burst, then one each second. The second is refused, at 0.5 s.
		base := &timedBase{start: time.Now()}
		base.answer = func(number int) *http.Response {
			if number == 2 {
				return answer(429, "10")()
			}
			return fine()
		}
		slow := answersAfter(500*ms, base)
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 1, Period: time.Second, Burst: 2})}
		var all sync.WaitGroup
		all.Go(func() { queue(t, transport, 5) })
		time.Sleep(2 * time.Second) // held by now
		all.Go(func() { queue(t, transport, 1) })
		all.Wait()
		const s = time.Second
		// The hold is from 0.5 to 10.5 s. Requests 2, 3 and 4 had places at 1, 2 and 3 s, which
		// are now 10 s later; behind them the one refused, and the newcomer, which is /0 again.
		want := []time.Duration{0, 0, 11 * s, 12 * s, 13 * s, 14 * s, 15 * s}
		if order := "/0 /1 /2 /3 /4 /1 /0"; !slices.Equal(base.at, want) || strings.Join(base.paths, " ") != order {
			t.Errorf("sent at %v: %v\nwant %v: %v", base.at, base.paths, want, order)
		}
	})
}

// Several refusals of one crowd hold until the last of their times, not for their sum.
func TestHoldsDoNotAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(4, "5")}
		slow := baseFunc(func(r *http.Request) (*http.Response, error) {
			n, _ := strconv.Atoi(r.URL.Path[1:])
			time.Sleep(time.Duration(n+1) * 10 * ms)
			return base.RoundTrip(r)
		})
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 10, Period: time.Second, Burst: 4})}
		queue(t, transport, 4)
		// Refused at 10, 20, 30 and 40 ms; so held until 5040 ms.
		at := base.at[4:]
		for i, got := range at {
			least := 5040*ms + time.Duration(i)*100*ms
			if got < least || got > least+200*ms {
				t.Errorf("sent at %v, want the %d. no sooner than %v", at, i, least)
			}
		}
		if len(at) != 4 {
			t.Errorf("%d after the hold", len(at))
		}
	})
}

// A later refusal that asks for less shortens nothing.
func TestHoldIsNotShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: func(number int) *http.Response {
			switch number {
			case 1:
				return answer(429, "3")()
			case 2:
				return answer(429, "1")()
			}
			return fine()
		}}
		slow := arrivesAfter(10*ms, base) // so that both are on their way
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 1, Period: time.Second, Burst: 10})}
		transport.Pace.AllowN("api.example.com", 8)
		time.Sleep(500 * ms)
		queue(t, transport, 2)
		// Held until 3510 ms, though places by the pace are at 3 and 4 s; and 10 ms on their way.
		if want := []time.Duration{510 * ms, 510 * ms, 3520 * ms, 4010 * ms}; !slices.Equal(base.at, want) {
			t.Errorf("sent at %v, want %v", base.at, want)
		}
	})
}

// Where the key's burst reaches beyond the hold, its next place may be before the
// hold's end.
func TestHoldIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(1, "1")}
		transport := &weirhttp.Transport{Base: base, Pace: mustLimiter(t, weir.Quota{Limit: 1, Period: time.Second, Burst: 10})}
		transport.Pace.AllowN("api.example.com", 9)
		time.Sleep(500 * ms)
		queue(t, transport, 1)
		if want := []time.Duration{500 * ms, 1500 * ms}; !slices.Equal(base.at, want) {
			t.Errorf("sent at %v, want %v", base.at, want)
		}
	})
}

// After a Reset, what the key has saved up again is spent by the hold all the same.
func TestHoldAfterReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(1, "5")}
		slow := arrivesAfter(50*ms, base)
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 10, Period: time.Second, Burst: 4})}
		var all sync.WaitGroup
		all.Go(func() { sendFine(t, transport, "/0") })
		synctest.Wait()
		transport.Pace.AllowN("api.example.com", 3)
		all.Go(func() { sendFine(t, transport, "/1") }) // has a place at 100 ms
		synctest.Wait()
		transport.Pace.Reset("api.example.com")
		time.Sleep(60 * ms) // /0 has been refused
		queue(t, transport, 3)
		all.Wait()
		// Held until 5050 ms, and 50 ms on their way.
		want := []time.Duration{50 * ms, 5100 * ms, 5150 * ms, 5200 * ms, 5300 * ms, 5400 * ms}
		if !slices.Equal(base.at, want) {
			t.Errorf("sent at %v, want %v", base.at, want)
		}
	})
}

// A hold is the key's alone, and only what says so by 429 and Retry-After holds.
func TestWhatHolds(t *testing.T) {
	for _, test := range []struct {
		name string
		resp func() *http.Response
		key  string        // of a second request; that of the first is "a"
		want time.Duration // when the second is sent
	}{
		{"429 with Retry-After", refused5s, "a", 5100 * ms}, // behind the first
		{"another key", refused5s, "b", 0},
		{"429 without Retry-After", answer(429, ""), "a", 100 * ms},
		{"503 with Retry-After", answer(503, "5"), "a", 100 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &timedBase{start: time.Now(), answer: func(number int) *http.Response {
					if number == 1 {
						return test.resp()
					}
					return fine()
				}}
				transport := &weirhttp.Transport{
					Base: base,
					Pace: mustLimiter(t, weir.Quota{Limit: 10, Period: time.Second, Burst: 1}),
					Key:  func(r *http.Request) string { return r.URL.Query().Get("account") },
				}
				transport.SetRandom(whole)
				var all sync.WaitGroup
				for path, key := range map[string]string{"/first": "a", "/second": test.key} {
					all.Go(func() {
						if path == "/second" {
							synctest.Wait() // until the first has been refused
						}
						r := request(t, http.MethodGet, "")
						r.URL.Path, r.URL.RawQuery = path, "account="+key
						if resp, err := transport.RoundTrip(r); err != nil || resp.StatusCode != 200 {
							t.Errorf("%v, %v", resp, err)
						}
					})
				}
				all.Wait()
				if got := base.at[slices.Index(base.paths, "/second")]; got != test.want {
					t.Errorf("sent at %v, want %v", got, test.want)
				}
			})
		})
	}
}
