package weirhttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// These tests are about what happens to bodies, and to the caller's request.

func TestTransportReplaysBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := request(t, http.MethodPost, "name=ada")
		first := &watchedBody{Reader: r.Body}
		r.Body = first
		base, resp, _ := play(t, &weirhttp.Transport{}, r, refused5s, refused5s, fine)
		if want := []string{"name=ada", "name=ada", "name=ada"}; !slices.Equal(base.bodies, want) {
			t.Errorf("sent %q, want %q", base.bodies, want)
		}
		if resp.StatusCode != 200 || !first.closed {
			t.Errorf("status %d, body closed: %t", resp.StatusCode, first.closed)
		}
	})
	for _, body := range []io.ReadCloser{nil, http.NoBody} { // need no GetBody
		synctest.Test(t, func(t *testing.T) {
			r := request(t, http.MethodPost, "")
			r.Body, r.GetBody = body, nil
			if _, resp, _ := play(t, &weirhttp.Transport{}, r, refused5s, fine); resp.StatusCode != 200 {
				t.Errorf("status %d with body %v", resp.StatusCode, body)
			}
		})
	}
}

// The body is the Base's to close once that has it, also if the exchange ends later.
func TestTransportClosesTheBodyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := contextWithin(t, 7*time.Second)
		defer cancel()
		time.AfterFunc(time.Second, cancel)
		r := request(t, http.MethodPost, "name=ada").WithContext(ctx)
		body := &countedBody{Reader: r.Body}
		r.Body = body
		_, err := (&weirhttp.Transport{Base: &playedBase{responses: []func() *http.Response{refused5s}}}).RoundTrip(r)
		if err != context.Canceled || body.closes != 1 {
			t.Errorf("%v, closed %d times", err, body.closes)
		}
	})
}

type countedBody struct {
	io.Reader
	closes int
}

func (b *countedBody) Close() error { b.closes++; return nil }

func TestTransportCannotReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("file is gone")
		r := request(t, http.MethodPost, "name=ada")
		r.GetBody = func() (io.ReadCloser, error) { return nil, failure }
		base := &playedBase{responses: []func() *http.Response{refused5s}}
		resp, err := (&weirhttp.Transport{Base: base}).RoundTrip(r)
		if !errors.Is(err, failure) || resp != nil || len(base.requests) != 1 {
			t.Errorf("%v, %v after %d attempts", resp, err, len(base.requests))
		}
	})
}

// Each attempt has a request of its own, so that neither a Base that edits it nor
// one that reads it late meets the caller's, or another attempt's.
func TestTransportDoesNotTouchTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := request(t, http.MethodPost, "name=ada")
		r.Header.Set("Accept", "text/plain")
		r.Trailer = http.Header{"Checksum": nil}
		before, beforeBody := *r, r.Body
		beforeHeader, beforeURL := r.Header.Clone(), *r.URL
		base := &playedBase{responses: []func() *http.Response{refused5s, fine}}
		transport := &weirhttp.Transport{Base: baseFunc(func(attempt *http.Request) (*http.Response, error) {
			if got := attempt.Header.Values("Authorization"); len(got) != 0 {
				t.Errorf("an attempt finds what another has added: %q", got)
			}
			attempt.Header.Set("Authorization", "Bearer s3cret")
			attempt.URL.Host = "other.example.com"
			attempt.Trailer.Set("Checksum", "1") // as the body of a caller does, who knows only its own map
			return base.RoundTrip(attempt)
		})}
		if _, err := transport.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if r.Body != beforeBody || !reflect.DeepEqual(r.Header, beforeHeader) || *r.URL != beforeURL {
			t.Errorf("changed: %+v", r)
		}
		if r.Trailer.Get("Checksum") != "1" {
			t.Error("the trailers are not the caller's")
		}
		if r.Method != before.Method || r.ContentLength != before.ContentLength || r.Host != before.Host {
			t.Errorf("changed: %+v, was %+v", r, before)
		}
		if base.requests[0] == r || base.requests[1] == base.requests[0] {
			t.Error("a request was sent itself, or twice")
		}
	})
}

// The body is closed also if nothing is ever sent.
func TestTransportClosesTheBodyOfWhatItDoesNotSend(t *testing.T) {
	l := newLimiter(t, oneIn17s)
	l.Allow("api.example.com")
	r := request(t, http.MethodPost, "name=ada")
	body := &watchedBody{Reader: r.Body}
	r.Body = body
	ctx, cancel := contextWithin(t, oneIn17s.Period-1)
	defer cancel()
	_, err := (&weirhttp.Transport{Pace: l, Base: baseFunc(nil)}).RoundTrip(r.WithContext(ctx))
	var deadline *weir.DeadlineError
	if !errors.As(err, &deadline) || !body.closed {
		t.Errorf("%v, body closed: %t", err, body.closed)
	}
}

// A refusal that is not returned is read to its end if that is near, and closed
// before the wait.
func TestTransportSetsRefusalsAside(t *testing.T) {
	for _, test := range []struct {
		name   string
		length int   // of the body
		told   int64 // Content-Length
		read   int
	}{
		{"empty", 0, 0, 0},
		{"short", 122, 122, 122},
		{"short, chunked", 122, -1, 122},
		{"the longest", weirhttp.MaxAside, weirhttp.MaxAside, weirhttp.MaxAside},
		{"one more", weirhttp.MaxAside + 1, -1, weirhttp.MaxAside + 1},
		{"long", 1 << 20, -1, weirhttp.MaxAside + 1},
		{"long, and says so", 1 << 20, 1 << 20, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				body := &watchedBody{Reader: strings.NewReader(strings.Repeat("x", test.length))}
				transport := &weirhttp.Transport{}
				base := &playedBase{responses: []func() *http.Response{func() *http.Response {
					resp := refused5s()
					resp.Body, resp.ContentLength = body, test.told
					return resp
				}, fine}}
				transport.Base = base
				var exchange sync.WaitGroup
				exchange.Go(func() {
					if resp, err := transport.RoundTrip(request(t, http.MethodGet, "")); err != nil || resp.StatusCode != 200 {
						t.Errorf("%v, %v", resp, err)
					}
				})
				defer exchange.Wait()
				synctest.Wait() // it waits, 5 seconds
				if base.attempts() != 1 || !body.closed || body.read != test.read {
					t.Errorf("during the wait: %d attempts, closed: %t, %d bytes read, want %d",
						base.attempts(), body.closed, body.read, test.read)
				}
			})
		})
	}
	for _, body := range []io.ReadCloser{nil, http.NoBody, &brokenBody{}} {
		synctest.Test(t, func(t *testing.T) {
			_, resp, _ := play(t, &weirhttp.Transport{}, request(t, http.MethodGet, ""), func() *http.Response {
				resp := refused5s()
				resp.Body = body
				return resp
			}, fine)
			if b, ok := body.(*brokenBody); resp.StatusCode != 200 || ok && !b.closed {
				t.Errorf("status %d, body %v", resp.StatusCode, body)
			}
		})
	}
}

type brokenBody struct{ closed bool }

func (*brokenBody) Read([]byte) (int, error) { return 0, fmt.Errorf("connection reset") }
func (b *brokenBody) Close() error           { b.closed = true; return nil }

func TestTransportClosesIdleConnections(t *testing.T) {
	base := &idleBase{}
	(&http.Client{Transport: &weirhttp.Transport{Base: base}}).CloseIdleConnections()
	if base.closed != 1 {
		t.Errorf("closed %d times", base.closed)
	}
	(&weirhttp.Transport{Base: baseFunc(nil)}).CloseIdleConnections() // has nothing to close
}

type idleBase struct {
	baseFunc
	closed int
}

func (b *idleBase) CloseIdleConnections() { b.closed++ }
