package weirhttp_test

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A limitedServer is a server in memory: requests take latency to arrive, are
// decided by a Limiter with the bubble's clock, and answered as the middleware
// does; the answers take latency as well.
type limitedServer struct {
	limiter  *weir.Limiter
	latency  time.Duration
	silent   bool // leaves Retry-After out
	sent     atomic.Int64
	admitted atomic.Int64
}

func (s *limitedServer) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(s.latency)
	s.sent.Add(1)
	w := httptest.NewRecorder()
	if d := s.limiter.Allow("account"); d.Allowed {
		s.admitted.Add(1)
	} else {
		weirhttp.Refuse(w, r, d)
	}
	time.Sleep(s.latency)
	resp := w.Result()
	if s.silent {
		resp.Header.Del("Retry-After")
	}
	return resp, nil
}

// herd sends one request from each of n clients at once, and returns how many
// were answered with 200 and how long it took until the last one was.
func herd(t *testing.T, n int, transport *weirhttp.Transport) (ok int64, took time.Duration) {
	t.Helper()
	start := time.Now()
	var count atomic.Int64
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			client := &http.Client{Transport: transport}
			resp, err := client.Get("http://api.example.com/contacts")
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				t.Error(err)
			}
			if resp.StatusCode == http.StatusOK {
				count.Add(1)
			}
		})
	}
	all.Wait()
	return count.Load(), time.Since(start)
}

func mustLimiter(t testing.TB, q weir.Quota) *weir.Limiter {
	t.Helper()
	l, err := weir.New(q)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// clients is the size of the herd.
const clients = 1000

// TestHerdWithPace has a herd draw on one key whose quota is fixed, while the
// server's budget is whole or spent and while others draw on it too. It must be
// done in the time that the quota takes to earn its requests, and a hold.
func TestHerdWithPace(t *testing.T) {
	const latency = 25 * time.Millisecond
	full := weir.PerMinute(300)
	small := weir.Quota{Limit: 300, Period: time.Minute, Burst: 30}
	fast := weir.PerSecond(100)
	for _, test := range []struct {
		name         string
		server, pace weir.Quota
		spent        int64         // of the server's budget, before
		others       time.Duration // between two requests of others; 0: there are none
		refused      int64         // at most; 0: nothing may be
	}{
		{"as the server", full, full, 0, 0, 0},
		{"smaller burst", full, small, 0, 0, 0},
		{"fast", fast, fast, 0, 0, 0},
		{"budget spent, smaller burst", full, small, 300, 0, 30},
		{"budget spent, fast", fast, fast, 100, 0, 100},
		{"others take a fifth", full, small, 300, time.Second, clients / 5},
		{"others take half", full, small, 300, 400 * time.Millisecond, clients / 5},
		{"others take half, fast", fast, fast, 0, 20 * time.Millisecond, clients / 5},
		{"twice too fast", full, weir.Quota{Limit: 600, Period: time.Minute, Burst: 30}, 300, 0, clients / 5},
		{"twice too fast, no burst", fast, weir.Quota{Limit: 200, Period: time.Second, Burst: 1}, 100, 0, clients / 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &limitedServer{limiter: mustLimiter(t, test.server), latency: latency}
				server.limiter.AllowN("account", test.spent)
				stop := drawOn(server.limiter, test.others)
				// No hold is longer than a second; all of them together are.
				transport := &weirhttp.Transport{Base: server, Pace: mustLimiter(t, test.pace), MaxWait: time.Second}
				ok, took := herd(t, clients, transport)
				stop()

				sent, admitted := server.sent.Load(), server.admitted.Load()
				t.Logf("%d requests sent for %d admitted (%.3f) in %v", sent, admitted, float64(sent)/float64(admitted), took)
				if ok != clients || admitted != clients {
					t.Errorf("%d answered, %d admitted, want %d", ok, admitted, clients)
				}
				if refused := sent - admitted; refused > test.refused || (refused == 0) != (test.refused == 0) {
					t.Errorf("%d refused, want %d at most", refused, test.refused)
				}
				if sent*10 > admitted*12 {
					t.Errorf("%d sent for %d admitted", sent, admitted)
				}
				earned := earning(clients-(test.server.Limit-test.spent), test.server, test.others)
				paced := earning(clients-cmp.Or(test.pace.Burst, test.pace.Limit), test.pace, 0)
				const hold = time.Second // the least that Retry-After can say
				if most := max(earned, paced) + hold + 2*latency; took > most {
					t.Errorf("took %v, want %v at most", took, most)
				}
				if took < earned-hold {
					t.Errorf("took %v: the server has admitted more than it earns, %v", took, earned)
				}
				if all, _ := transport.Lines(); all > 1 {
					t.Errorf("%d keys are remembered", all)
				}
			})
		})
	}
}

// earning is how long it takes to earn n requests, less what others take.
func earning(n int64, q weir.Quota, others time.Duration) time.Duration {
	interval := float64(q.Period) / float64(q.Limit)
	if others > 0 {
		interval = 1 / (1/interval - 1/float64(others))
	}
	return time.Duration(float64(n) * interval)
}

// drawOn has others draw on the same budget until stop is called.
func drawOn(l *weir.Limiter, every time.Duration) (stop func()) {
	if every == 0 {
		return func() {}
	}
	ticker := time.NewTicker(every)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				l.Allow("account")
			case <-done:
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

// What a burst as large as the server's costs where the server's budget is spent:
// all of it is refused, once. docs/client.md says so.
func TestHerdRisksItsBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := weir.PerMinute(300)
		server := &limitedServer{limiter: mustLimiter(t, q), latency: 25 * time.Millisecond}
		server.limiter.AllowN("account", 300)
		ok, took := herd(t, clients, &weirhttp.Transport{Base: server, Pace: mustLimiter(t, q)})
		if refused := server.sent.Load() - server.admitted.Load(); ok != clients || refused != 300 {
			t.Errorf("%d answered, %d refused", ok, refused)
		}
		if most := 201*time.Second + 50*time.Millisecond; took > most {
			t.Errorf("took %v, want %v at most", took, most)
		}
	})
}

// Without a pace each request learns alone: the whole herd comes back at each
// Retry-After, for the few requests that have been earned.
func TestHerdWithoutPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &limitedServer{limiter: mustLimiter(t, weir.PerMinute(300)), latency: 25 * time.Millisecond}
		ok, took := herd(t, clients, &weirhttp.Transport{Base: server})
		// They arrive every 1.05 s, the second with its latencies, and 5 are earned meanwhile.
		if want := int64(300 + 3*5); ok != want {
			t.Errorf("%d answered, want %d", ok, want)
		}
		if sent, want := server.sent.Load(), int64(1000+700+695+690); sent != want {
			t.Errorf("%d sent, want %d", sent, want)
		}
		if want := 3*1050*time.Millisecond + 50*time.Millisecond; took != want {
			t.Errorf("took %v, want %v", took, want)
		}
	})
}

// Until all are through, whatever it takes.
func TestHerdWithoutPaceOrBound(t *testing.T) {
	for _, silent := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := &limitedServer{limiter: mustLimiter(t, weir.PerMinute(300)), latency: 25 * time.Millisecond, silent: silent}
			ok, took := herd(t, clients, &weirhttp.Transport{Base: server, MaxAttempts: 1 << 30})
			t.Logf("silent %t: %d sent for %d admitted in %v", silent, server.sent.Load(), server.admitted.Load(), took)
			if ok != clients {
				t.Errorf("%d answered, want %d", ok, clients)
			}
			if least := int64(5); server.sent.Load() < least*clients {
				t.Errorf("%d sent: then nobody would need a pace", server.sent.Load())
			}
		})
	}
}
