package weirhttp_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// These tests send over TCP. Their backoffs are a millisecond, and nothing is
// measured by the real clock.

// refusing is a server that answers the first n requests with the body given, and
// 429.
func refusing(t *testing.T, n int64, body string, next http.HandlerFunc) *httptest.Server {
	t.Helper()
	var count atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1) <= n {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, body)
			return
		}
		next(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func sayOK(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// impatient has a Base of its own, whose connections end with the test.
func impatient(t *testing.T) *weirhttp.Transport {
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	return &weirhttp.Transport{Base: base, BaseBackoff: time.Millisecond}
}

// The connection of a refusal carries the retry, if the refusal is short.
func TestTransportReusesConnections(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       []bool // for each attempt: its connection had been used before
	}{
		{"refusal", problem, []bool{false, true, true}},
		{"chunked", strings.Repeat("x", weirhttp.MaxAside), []bool{false, true, true}},
		{"long", strings.Repeat("x", 1<<20), []bool{false, false, false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := refusing(t, 2, test.body, sayOK)
			var reused []bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = append(reused, info.Reused) },
			})
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: impatient(t)}).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got := bodyOf(t, resp); got != "ok" || !slices.Equal(reused, test.want) {
				t.Errorf("%q, connections reused: %v, want %v", got, reused, test.want)
			}
		})
	}
}

// A body arrives whole with the last attempt, though the others were answered before
// they had been read, and so do the trailers that the caller sets at its end.
func TestTransportReplaysOverTCP(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<13) // 128 KiB: a server reads as much of what its handler has left
	server := refusing(t, 2, problem, func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %v %x %s", n, err, hash.Sum(nil), r.Trailer.Get("Checksum"))
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"Checksum": nil}
	r.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(&trailing{Reader: bytes.NewReader(body), trailer: r.Trailer}), nil
	}
	r.Body, _ = r.GetBody()
	resp, err := (&http.Client{Transport: impatient(t)}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, want := bodyOf(t, resp), fmt.Sprintf("%d <nil> %x 17", len(body), sha256.Sum256(body)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// trailing sets a trailer once it has been read, as net/http allows.
type trailing struct {
	io.Reader
	trailer http.Header
	once    sync.Once
}

func (b *trailing) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.once.Do(func() { b.trailer.Set("Checksum", "17") })
	}
	return n, err
}

// The zero Transport sends by the default one, and leaves an upgrade's connection to
// the caller.
func TestZeroTransport(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if line, err := rw.ReadString('\n'); err == nil {
			_, _ = io.WriteString(conn, line)
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: &weirhttp.Transport{}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	conn, ok := resp.Body.(io.ReadWriter)
	if resp.StatusCode != http.StatusSwitchingProtocols || !ok {
		t.Fatalf("status %d, body %T", resp.StatusCode, resp.Body)
	}
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 6)
	if _, err := io.ReadFull(conn, echo); err != nil || string(echo) != "hello\n" {
		t.Errorf("%q, %v", echo, err)
	}
}

// A herd over TCP, limited by the middleware and paced alike: all get through, few are
// refused, and no goroutine is left of it. The server's burst is larger, for arrivals
// up to 10 ms early.
func TestHerdOverTCP(t *testing.T) {
	const herd = 100
	before := runtime.NumGoroutine()
	quota := weir.Quota{Limit: 1000, Period: time.Second, Burst: 20}
	limiter := mustLimiter(t, weir.Quota{Limit: 1000, Period: time.Second, Burst: 30})
	server := httptest.NewServer(weirhttp.ByKey(limiter, everybody)(http.HandlerFunc(sayOK)))
	transport := &weirhttp.Transport{Base: &http.Transport{MaxIdleConnsPerHost: herd}, Pace: mustLimiter(t, quota)}
	client := &http.Client{Transport: transport}
	var all sync.WaitGroup
	for range herd {
		all.Go(func() {
			resp, err := client.Get(server.URL)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK || bodyOf(t, resp) != "ok" {
				t.Errorf("status %d", resp.StatusCode)
			}
		})
	}
	all.Wait()
	if s := limiter.Stats(); s.Admitted != herd || s.Refused > herd/5 {
		t.Errorf("%+v", s)
	}
	client.CloseIdleConnections()
	server.Close()
	// Connections take a moment to end, and tell nobody.
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}
