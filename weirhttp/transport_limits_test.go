package weirhttp_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// These tests are about waits that are too long, and what is remembered of holds.

// Beyond MaxWait nothing more is sent, and everybody is told at once, until an hour has passed.
func TestHeldBeyondMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(1, "86400")}
		transport := &weirhttp.Transport{Base: base, Pace: mustLimiter(t, weir.PerSecond(10))}
		resp, err := transport.RoundTrip(request(t, http.MethodGet, ""))
		if err != nil || resp.StatusCode != 429 {
			t.Fatalf("%v, %v", resp, err)
		}
		time.Sleep(time.Minute)
		start := time.Now()
		_, err = (&http.Client{Transport: transport}).Do(request(t, http.MethodGet, ""))
		var held *weirhttp.HeldError
		if !errors.As(err, &held) || *held != (weirhttp.HeldError{Key: "api.example.com", Asked: 24 * time.Hour, Left: 59 * time.Minute, MaxWait: 2 * time.Minute}) {
			t.Fatalf("%+v", err)
		}
		if want := `weirhttp: not sent: the server has refused "api.example.com" for 24h0m0s, which is beyond MaxWait, 2m0s; the next is sent in 59m0s`; held.Error() != want {
			t.Errorf("%v", held)
		}
		if time.Since(start) != 0 || len(base.at) != 1 {
			t.Errorf("after %v and %d attempts", time.Since(start), len(base.at))
		}
		time.Sleep(weirhttp.MaxHold - 3*time.Minute) // now it is worth waiting
		queue(t, transport, 3)
		want := []time.Duration{0, weirhttp.MaxHold, weirhttp.MaxHold + 100*ms, weirhttp.MaxHold + 200*ms}
		if !slices.Equal(base.at, want) {
			t.Errorf("sent at %v, want %v", base.at, want)
		}
	})
}

// Who waits in line for a key that is then held beyond MaxWait is told when its
// turn comes: by the refusal that it has had, if it has had one.
func TestHeldBeyondMaxWaitWhileInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: func(number int) *http.Response {
			if number <= 2 {
				return answer(429, "1")()
			}
			return answer(429, "3600")()
		}}
		slow := arrivesAfter(ms, base)
		// Two are sent at once and refused, the others stand in line. When the hold is
		// over, the first of them learns that it is an hour.
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 1, Period: time.Second, Burst: 2})}
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				resp, err := transport.RoundTrip(request(t, http.MethodGet, ""))
				var what string
				var held *weirhttp.HeldError
				switch {
				case errors.As(err, &held):
					what = "held"
				case err == nil:
					what = "429 " + resp.Header.Get("Retry-After") + " " + bodyOf(t, resp)
				default:
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(what, " at ", time.Since(base.start).Round(10*ms))]++
			})
		}
		all.Wait()
		want := map[string]int{"429 3600 refused at 2s": 1, "held at 3s": 1, "429 1 refused at 4s": 1, "429 1 refused at 5s": 1}
		if len(base.at) != 3 || !maps.Equal(got, want) {
			t.Errorf("%v after %d attempts, want %v", got, len(base.at), want)
		}
		// Their places are not kept for them: who comes next is the first after the hold.
		now := time.Since(base.start)
		if next, want := now+transport.Pace.Peek("api.example.com").RetryAfter, base.at[2]+time.Hour; next != want {
			t.Errorf("the next is sent at %v, want %v", next, want)
		}
	})
}

// Who has a place shortly before the end of such a hold does not wait for it either:
// at its end all these would go at once.
func TestHeldBeyondMaxWaitSendsTheLineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(1, "180")}
		slow := answersAfter(ms, base)
		transport := &weirhttp.Transport{Base: slow, Pace: mustLimiter(t, weir.Quota{Limit: 1, Period: time.Minute, Burst: 1})}
		left := make(chan time.Duration, 2)
		var all sync.WaitGroup
		all.Go(func() {
			if resp, err := transport.RoundTrip(request(t, http.MethodGet, "")); err != nil || resp.StatusCode != 429 {
				t.Errorf("%v, %v", resp, err)
			}
		})
		synctest.Wait()
		for range 2 { // with places at 1 and 2 minutes
			all.Go(func() {
				_, err := transport.RoundTrip(request(t, http.MethodGet, ""))
				var held *weirhttp.HeldError
				if !errors.As(err, &held) {
					t.Errorf("%v", err)
					return
				}
				left <- held.Left
			})
		}
		all.Wait()
		close(left)
		var got []time.Duration
		for l := range left {
			got = append(got, l)
		}
		if want := []time.Duration{2*time.Minute + ms, time.Minute + ms}; len(base.at) != 1 || !slices.Equal(got, want) {
			t.Errorf("%d attempts; left %v, want %v", len(base.at), got, want)
		}
	})
}

// tenth admits one every 100 ms.
var tenth = weir.Quota{Limit: 10, Period: time.Second, Burst: 1}

// A request whose turn comes after its deadline is not sent.
func TestPaceBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(0, "")}
		transport := &weirhttp.Transport{Base: base, Pace: mustLimiter(t, tenth)}
		queue(t, transport, 1)
		ctx, cancel := contextWithin(t, 50*ms)
		defer cancel()
		resp, err := transport.RoundTrip(request(t, http.MethodGet, "").WithContext(ctx))
		var deadline *weir.DeadlineError
		if !errors.As(err, &deadline) || *deadline != (weir.DeadlineError{Wait: 100 * ms, Left: 50 * ms}) || resp != nil {
			t.Errorf("%v, %v", resp, err)
		}
		if len(base.at) != 1 || time.Since(base.start) != 0 {
			t.Errorf("%d attempts, %v", len(base.at), time.Since(base.start))
		}
	})
}

// The Retry-After ends before the deadline, but the turn in line does not come: that
// is known at once, and the caller gets the refusal.
func TestRefusedAndTheLineIsTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := &timedBase{start: time.Now(), answer: refuseFirst(1, "1")}
		transport := &weirhttp.Transport{Base: answersAfter(50*ms, base), Pace: mustLimiter(t, tenth)}
		ctx, cancel := contextWithin(t, 1300*ms)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			resp, err := transport.RoundTrip(request(t, http.MethodGet, "").WithContext(ctx))
			if err != nil || resp.StatusCode != 429 || bodyOf(t, resp) != "refused" || time.Since(base.start) != 50*ms {
				t.Errorf("%v, %v at %v", resp, err, time.Since(base.start))
			}
		})
		synctest.Wait()
		queue(t, transport, 3) // with places at 100, 200 and 300 ms, which move by a second
		all.Wait()
		if want := []time.Duration{0, 1100 * ms, 1200 * ms, 1300 * ms}; !slices.Equal(base.at, want) {
			t.Errorf("sent at %v, want %v", base.at, want)
		}
	})
}

// Contexts of a request whose place, at 100 ms, is moved by a hold.
func TestHoldAndContexts(t *testing.T) {
	for _, test := range []struct {
		name     string
		deadline time.Duration
		cancel   time.Duration
		want     error
		at       time.Duration
	}{
		{"moved", 1101 * ms, time.Hour, nil, 1100 * ms},
		{"moved beyond the deadline", 1100 * ms, time.Hour, context.DeadlineExceeded, 100 * ms},
		{"cancelled during the hold", time.Hour, 500 * ms, context.Canceled, 500 * ms},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := &timedBase{start: time.Now(), answer: refuseFirst(1, "1")}
				transport := &weirhttp.Transport{Base: answersAfter(time.Nanosecond, base), Pace: mustLimiter(t, tenth)}
				var all sync.WaitGroup
				all.Go(func() { sendFine(t, transport, "/") })
				synctest.Wait()
				ctx, cancel := contextWithin(t, test.deadline)
				defer cancel()
				time.AfterFunc(test.cancel, cancel)
				_, err := transport.RoundTrip(request(t, http.MethodGet, "").WithContext(ctx))
				if at := time.Since(base.start).Round(ms); !errors.Is(err, test.want) || at != test.at {
					t.Errorf("%v at %v, want %v at %v", err, at, test.want, test.at)
				}
				all.Wait()
			})
		})
	}
}

// What is remembered of keys is bounded by those in line and a number of those
// held, and goes when their holds are over.
func TestHoldsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &weirhttp.Transport{
			Base: baseFunc(func(*http.Request) (*http.Response, error) { return answer(429, "600")(), nil }),
			Pace: mustLimiter(t, weir.PerSecond(10)),
			Key:  func(r *http.Request) string { return r.URL.Path },
		}
		send := func(key int) error {
			r := request(t, http.MethodGet, "")
			r.URL.Path = "/" + strconv.Itoa(key)
			_, err := transport.RoundTrip(r)
			return err
		}
		const beyond = 100
		for key := range weirhttp.MaxIdleLines + beyond {
			if err := send(key); err != nil {
				t.Fatal(err)
			}
		}
		if all, idle := transport.Lines(); all != weirhttp.MaxIdleLines || idle != all {
			t.Errorf("%d lines, %d of them idle, want %d", all, idle, weirhttp.MaxIdleLines)
		}
		// The last ones are held; of the first ones only Pace knows.
		var held *weirhttp.HeldError
		for _, key := range []int{beyond, weirhttp.MaxIdleLines + beyond - 1} {
			if err := send(key); !errors.As(err, &held) {
				t.Errorf("key %d: %v", key, err)
			}
		}
		if d := transport.Pace.Peek("/0"); d.Allowed || d.RetryAfter != 10*time.Minute {
			t.Errorf("%+v", d)
		}
		if all, idle := transport.Lines(); all != weirhttp.MaxIdleLines || idle != all {
			t.Errorf("%d lines, %d of them idle, want %d", all, idle, weirhttp.MaxIdleLines)
		}
		time.Sleep(10 * time.Minute)
		if err := send(-1); err != nil {
			t.Error(err)
		}
		if all, idle := transport.Lines(); all != 1 || idle != 1 {
			t.Errorf("%d lines, %d of them idle, after all holds but one", all, idle)
		}
	})
}

func TestDefaultKey(t *testing.T) {
	for link, want := range map[string]string{
		"http://API.Example.com/a?b":  "api.example.com",
		"http://api.example.com:80":   "api.example.com",
		"https://api.example.com:80":  "api.example.com:80",
		"https://api.example.com:443": "api.example.com",
		"http://api.example.com:8080": "api.example.com:8080",
		"http://[2001:DB8::1]:80/":    "[2001:db8::1]",
		"unix://socket:80":            "socket:80",
		"/contacts":                   "",
	} {
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		pace := newLimiter(t, weir.PerMinute(2))
		transport := &weirhttp.Transport{Pace: pace, Base: &playedBase{responses: []func() *http.Response{fine}}}
		if _, err := transport.RoundTrip((&http.Request{URL: u}).WithContext(t.Context())); err != nil {
			t.Fatal(err)
		}
		if d := pace.Peek(want); d.Remaining != 1 {
			t.Errorf("%s does not draw on %q", link, want)
		}
	}
	// Base has something to say about this one.
	_, err := (&weirhttp.Transport{Pace: newLimiter(t, weir.PerMinute(2))}).RoundTrip(&http.Request{})
	if err == nil || err.Error() != "http: nil Request.URL" {
		t.Error(err)
	}
}

// Key is asked once a request, and Paced tells how long each attempt stood in line.
func TestPaceIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := 0
		var paced []time.Duration
		transport := &weirhttp.Transport{
			Base:      &timedBase{start: time.Now(), answer: refuseFirst(1, "2")},
			Pace:      mustLimiter(t, weir.Quota{Limit: 10, Period: time.Second, Burst: 1}),
			Key:       func(*http.Request) string { keys++; return "account" },
			OnAttempt: func(a weirhttp.Attempt) { paced = append(paced, a.Paced) },
		}
		transport.Pace.Allow("account")
		queue(t, transport, 1)
		if want := []time.Duration{100 * ms, 2 * time.Second}; keys != 1 || !slices.Equal(paced, want) {
			t.Errorf("%d calls of Key, paced %v, want %v", keys, paced, want)
		}
	})
}
