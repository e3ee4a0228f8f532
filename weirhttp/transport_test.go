package weirhttp_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/weirhttp"
)

// A baseFunc is a RoundTripper made of a function.
type baseFunc func(*http.Request) (*http.Response, error)

func (f baseFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A playedBase answers attempts with the responses it is given, the last of them
// again and again. Like every RoundTripper it closes the body, after reading it.
type playedBase struct {
	responses []func() *http.Response

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (b *playedBase) attempts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.requests)
}

func (b *playedBase) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(text)
		r.Body.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests = append(b.requests, r)
	b.bodies = append(b.bodies, body)
	return b.responses[min(len(b.requests), len(b.responses))-1](), nil
}

// answer makes responses with a status, a Retry-After unless it is empty, and a body
// that can tell what was done with it.
func answer(status int, retryAfter string) func() *http.Response {
	return func() *http.Response {
		h := http.Header{}
		if retryAfter != "" {
			h.Set("Retry-After", retryAfter)
		}
		return &http.Response{StatusCode: status, Header: h, ContentLength: -1,
			Body: &watchedBody{Reader: strings.NewReader("refused")}}
	}
}

type watchedBody struct {
	io.Reader
	read   int
	closed bool
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *watchedBody) Close() error { b.closed = true; return nil }

// play sends a request by a Transport, in a bubble, and returns its base.
func play(t *testing.T, transport *weirhttp.Transport, r *http.Request, responses ...func() *http.Response) (*playedBase, *http.Response, time.Duration) {
	t.Helper()
	base := &playedBase{responses: responses}
	transport.Base = base
	start := time.Now()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	return base, resp, time.Since(start)
}

func request(t testing.TB, method, body string) *http.Request {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://api.example.com/contacts", reader)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var (
	fine      = answer(http.StatusOK, "")
	refused5s = answer(http.StatusTooManyRequests, "5")
)

// whole draws the longest backoff.
func whole(below time.Duration) time.Duration { return below }

func TestTransportWaits(t *testing.T) {
	at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format(http.TimeFormat) }
	for _, test := range []struct {
		name   string
		answer func() *http.Response
		want   time.Duration
		reason weirhttp.AttemptReason
	}{
		{"seconds", refused5s, 5 * time.Second, weirhttp.AttemptRetryAfter},
		{"503", answer(http.StatusServiceUnavailable, "5"), 5 * time.Second, weirhttp.AttemptRetryAfter},
		{"as long as MaxWait", answer(429, "120"), 2 * time.Minute, weirhttp.AttemptRetryAfter},
		{"date", func() *http.Response { return answer(429, at(5*time.Second))() }, 5 * time.Second, weirhttp.AttemptRetryAfter},
		{"date of a clock an hour ahead", func() *http.Response {
			resp := answer(429, at(time.Hour+5*time.Second))()
			resp.Header.Set("Date", at(time.Hour))
			return resp
		}, 5 * time.Second, weirhttp.AttemptRetryAfter},
		{"date that has passed", func() *http.Response { return answer(429, at(-time.Hour))() }, time.Second, weirhttp.AttemptBackoff},
		{"absent", answer(429, ""), time.Second, weirhttp.AttemptBackoff},
		{"zero", answer(429, "0"), time.Second, weirhttp.AttemptBackoff},
		{"unreadable", answer(429, "soon"), time.Second, weirhttp.AttemptBackoff},
		{"503 without", answer(http.StatusServiceUnavailable, ""), time.Second, weirhttp.AttemptBackoff},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts []weirhttp.Attempt
				transport := &weirhttp.Transport{OnAttempt: func(a weirhttp.Attempt) { attempts = append(attempts, a) }}
				transport.SetRandom(whole)
				base, resp, took := play(t, transport, request(t, http.MethodGet, ""), test.answer, fine)
				if resp.StatusCode != http.StatusOK || len(base.requests) != 2 || took != test.want {
					t.Errorf("status %d after %d attempts and %v, want %v", resp.StatusCode, len(base.requests), took, test.want)
				}
				if a := attempts[0]; a.Reason != test.reason || a.Wait != test.want {
					t.Errorf("%v %v, want %v %v", a.Reason, a.Wait, test.reason, test.want)
				}
			})
		})
	}
}

// Which requests are sent again, by status, method and what they say of themselves.
func TestTransportRetries(t *testing.T) {
	withKey := func(name string) http.Header { return http.Header{name: nil} }
	for _, test := range []struct {
		status int
		method string
		header http.Header
		want   int // attempts
	}{
		{429, "GET", nil, 4}, {429, "POST", nil, 4}, {429, "PATCH", nil, 4}, {429, "CONNECT", nil, 4}, {429, "PURGE", nil, 4},
		{503, "", nil, 4}, {503, "GET", nil, 4}, {503, "HEAD", nil, 4}, {503, "OPTIONS", nil, 4}, {503, "TRACE", nil, 4},
		{503, "PUT", nil, 4}, {503, "DELETE", nil, 4},
		{503, "POST", nil, 1}, {503, "PATCH", nil, 1}, {503, "CONNECT", nil, 1}, {503, "get", nil, 1},
		{503, "POST", withKey("Idempotency-Key"), 4}, {503, "POST", withKey("X-Idempotency-Key"), 4},
		{503, "POST", withKey("Idempotency"), 1},
		{101, "GET", nil, 1}, {200, "GET", nil, 1}, {301, "GET", nil, 1}, {425, "GET", nil, 1}, {428, "GET", nil, 1},
		{500, "GET", nil, 1}, {502, "GET", nil, 1}, {504, "GET", nil, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := request(t, "GET", "")
			r.Method, r.Header = test.method, test.header
			base, resp, _ := play(t, &weirhttp.Transport{}, r, answer(test.status, "1"))
			if len(base.requests) != test.want || resp.StatusCode != test.status {
				t.Errorf("%s of %v, answered with %d: %d attempts, want %d", test.method, test.header, test.status, len(base.requests), test.want)
			}
			if b := resp.Body.(*watchedBody); b.read != 0 || b.closed {
				t.Errorf("%s answered with %d: the response returned had %d bytes read, closed: %t", test.method, test.status, b.read, b.closed)
			}
		})
	}
}

// When no wait may help, the caller gets the refusal at once, and nobody has
// touched it.
func TestTransportGivesTheRefusalBack(t *testing.T) {
	within := func(d time.Duration) func(*http.Request) *http.Request {
		return func(r *http.Request) *http.Request {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			context.AfterFunc(ctx, cancel)
			return r.WithContext(ctx)
		}
	}
	noGetBody := func(r *http.Request) *http.Request { r.GetBody = nil; return r }
	same := func(r *http.Request) *http.Request { return r }
	for _, test := range []struct {
		name      string
		transport *weirhttp.Transport
		prepare   func(*http.Request) *http.Request
		answer    func() *http.Response
		reason    weirhttp.AttemptReason
	}{
		{"beyond MaxWait", &weirhttp.Transport{}, same, answer(429, "121"), weirhttp.AttemptWaitTooLong},
		{"beyond all", &weirhttp.Transport{}, same, answer(429, strings.Repeat("9", 99)), weirhttp.AttemptWaitTooLong},
		{"beyond a MaxWait of one's own", &weirhttp.Transport{MaxWait: 4 * time.Second}, same, refused5s, weirhttp.AttemptWaitTooLong},
		{"no wait at all", &weirhttp.Transport{MaxWait: -1}, same, answer(429, "1"), weirhttp.AttemptWaitTooLong},
		{"no backoff either", &weirhttp.Transport{MaxWait: -1}, same, answer(429, ""), weirhttp.AttemptWaitTooLong},
		{"one attempt", &weirhttp.Transport{MaxAttempts: 1}, same, refused5s, weirhttp.AttemptLast},
		{"less than one", &weirhttp.Transport{MaxAttempts: -1}, same, refused5s, weirhttp.AttemptLast},
		{"deadline", &weirhttp.Transport{}, within(5*time.Second - 1), refused5s, weirhttp.AttemptDeadlineTooClose},
		{"deadline at that time", &weirhttp.Transport{}, within(5 * time.Second), refused5s, weirhttp.AttemptDeadlineTooClose},
		{"deadline before the backoff", &weirhttp.Transport{}, within(time.Second), answer(429, ""), weirhttp.AttemptDeadlineTooClose},
		{"no GetBody", &weirhttp.Transport{}, noGetBody, refused5s, weirhttp.AttemptNotReplayable},
		{"503 and a POST", &weirhttp.Transport{}, same, answer(503, "5"), weirhttp.AttemptNotIdempotent},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var attempts []weirhttp.Attempt
				test.transport.OnAttempt = func(a weirhttp.Attempt) { attempts = append(attempts, a) }
				test.transport.SetRandom(whole)
				r := test.prepare(request(t, http.MethodPost, "name=ada"))
				base, resp, took := play(t, test.transport, r, test.answer)
				if len(base.requests) != 1 || took != 0 || resp.StatusCode != test.answer().StatusCode {
					t.Errorf("status %d after %d attempts and %v", resp.StatusCode, len(base.requests), took)
				}
				if b := resp.Body.(*watchedBody); b.read != 0 || b.closed {
					t.Errorf("%d bytes read, closed: %t", b.read, b.closed)
				}
				if resp.Request != r {
					t.Error("the response is of another request")
				}
				if len(attempts) != 1 || attempts[0].Reason != test.reason || attempts[0].Wait == 0 {
					t.Errorf("%+v, want one, %v", attempts, test.reason)
				}
				time.Sleep(10 * time.Second) // let the contexts end
			})
		})
	}
}

// Bounds double with each retry, and are never more than the caps.
func TestTransportBackoff(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name      string
		transport *weirhttp.Transport
		want      []time.Duration
	}{
		{"default", &weirhttp.Transport{MaxAttempts: 8}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 30 * s, 30 * s}},
		{"default attempts", &weirhttp.Transport{}, []time.Duration{s, 2 * s, 4 * s}},
		{"own", &weirhttp.Transport{MaxAttempts: 5, BaseBackoff: 3 * s, MaxBackoff: 10 * s}, []time.Duration{3 * s, 6 * s, 10 * s, 10 * s}},
		{"base above the cap", &weirhttp.Transport{BaseBackoff: time.Minute}, []time.Duration{30 * s, 30 * s, 30 * s}},
		{"by MaxWait", &weirhttp.Transport{MaxWait: 3 * s}, []time.Duration{s, 2 * s, 3 * s}},
		{"negative", &weirhttp.Transport{BaseBackoff: -1, MaxBackoff: -1, MaxAttempts: 3}, []time.Duration{s, 2 * s}},
		{"the longest", &weirhttp.Transport{BaseBackoff: math.MaxInt64, MaxBackoff: math.MaxInt64, MaxWait: math.MaxInt64, MaxAttempts: 3},
			[]time.Duration{math.MaxInt64, math.MaxInt64}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var bounds []time.Duration
				test.transport.SetRandom(func(below time.Duration) time.Duration {
					bounds = append(bounds, below)
					return 1
				})
				play(t, test.transport, request(t, http.MethodGet, ""), answer(429, ""))
				if !slices.Equal(bounds, test.want) {
					t.Errorf("%v, want %v", bounds, test.want)
				}
			})
		})
	}
	t.Run("hundreds", func(t *testing.T) { // of doublings overflow nothing
		synctest.Test(t, func(t *testing.T) {
			base, _, took := play(t, &weirhttp.Transport{MaxAttempts: 300}, request(t, http.MethodGet, ""), answer(429, ""))
			// The sum of 299 draws from up to 30 s: some 4,400 s, give or take 150 s.
			if len(base.requests) != 300 || took < 3000*time.Second || took > 6000*time.Second {
				t.Errorf("%d attempts took %v", len(base.requests), took)
			}
		})
	})
}

func TestTransportObeysTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		base := &playedBase{responses: []func() *http.Response{refused5s}}
		client := &http.Client{Transport: &weirhttp.Transport{Base: base}}
		go func() { time.Sleep(2 * time.Second); cancel() }()
		start := time.Now()
		resp, err := client.Do(request(t, http.MethodGet, "").WithContext(ctx))
		if !errors.Is(err, context.Canceled) || resp != nil || time.Since(start) != 2*time.Second || len(base.requests) != 1 {
			t.Errorf("%v, %v after %v and %d attempts", resp, err, time.Since(start), len(base.requests))
		}
	})
	// A client's Timeout is a deadline.
	synctest.Test(t, func(t *testing.T) {
		base := &playedBase{responses: []func() *http.Response{refused5s, refused5s, fine}}
		client := &http.Client{Transport: &weirhttp.Transport{Base: base}, Timeout: 7 * time.Second}
		start := time.Now()
		resp, err := client.Do(request(t, http.MethodGet, ""))
		if err != nil || resp.StatusCode != 429 || time.Since(start) != 5*time.Second || len(base.requests) != 2 {
			t.Fatalf("%v, %v after %v and %d attempts", resp, err, time.Since(start), len(base.requests))
		}
		if got := bodyOf(t, resp); got != "refused" {
			t.Errorf("body %q", got)
		}
		resp.Body.Close()
	})
}

func TestTransportLeavesErrorsAlone(t *testing.T) {
	failure := errors.New("connection reset")
	var attempts []weirhttp.Attempt
	transport := &weirhttp.Transport{
		Base:      baseFunc(func(*http.Request) (*http.Response, error) { return nil, failure }),
		OnAttempt: func(a weirhttp.Attempt) { attempts = append(attempts, a) },
	}
	r := request(t, http.MethodGet, "")
	resp, err := transport.RoundTrip(r)
	if err != failure || resp != nil {
		t.Errorf("%v, %v", resp, err)
	}
	want := weirhttp.Attempt{Request: r, Number: 1, Err: failure, Reason: weirhttp.AttemptFailed}
	if len(attempts) != 1 || attempts[0] != want {
		t.Errorf("%+v, want %+v", attempts, want)
	}
	transport.Base = baseFunc(func(*http.Request) (*http.Response, error) { return nil, nil }) // breaks its contract
	if resp, err := transport.RoundTrip(r); resp != nil || err != nil {
		t.Errorf("%v, %v", resp, err)
	}
}

func TestTransportReportsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []weirhttp.Attempt
		transport := &weirhttp.Transport{OnAttempt: func(a weirhttp.Attempt) { got = append(got, a) }}
		transport.SetRandom(whole)
		r := request(t, http.MethodGet, "")
		play(t, transport, r, refused5s, answer(503, ""), fine)
		want := []weirhttp.Attempt{
			{Request: r, Number: 1, Status: 429, Reason: weirhttp.AttemptRetryAfter, Wait: 5 * time.Second},
			{Request: r, Number: 2, Status: 503, Reason: weirhttp.AttemptBackoff, Wait: 2 * time.Second},
			{Request: r, Number: 3, Status: 200, Reason: weirhttp.AttemptAnswered},
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v, want\n%+v", got, want)
		}
	})
}

func TestAttemptReasonString(t *testing.T) {
	names := map[string]bool{}
	for r := range weirhttp.AttemptDeadlineTooClose + 1 {
		names[r.String()] = true
		if r.Retries() != (r <= weirhttp.AttemptBackoff) {
			t.Errorf("%v retries: %t", r, r.Retries())
		}
	}
	if len(names) != 9 || names[""] || slices.ContainsFunc(slices.Collect(maps.Keys(names)), func(s string) bool {
		return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") != ""
	}) {
		t.Errorf("%v", names)
	}
	if got := weirhttp.AttemptReason(99).String(); got != "AttemptReason(99)" {
		t.Error(got)
	}
}
