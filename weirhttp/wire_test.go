package weirhttp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/weirhttp"
)

// These tests compare what leaves the server, byte by byte. Only the value of
// Date is not compared.

const (
	wireHead = "HTTP/1.1 429 Too Many Requests\r\n" +
		"Cache-Control: no-store\r\nContent-Length: 122\r\n" +
		"Content-Type: application/problem+json\r\n" +
		"Retry-After: 17\r\n" +
		"Date: -\r\n" +
		"\r\n"
	// The server adds Connection where it will close the connection.
	wireHeadClosing = "HTTP/1.1 429 Too Many Requests\r\n" +
		"Cache-Control: no-store\r\n" +
		"Content-Length: 122\r\n" +
		"Content-Type: application/problem+json\r\n" +
		"Retry-After: 17\r\n" +
		"Date: -\r\n" +
		"Connection: close\r\n" +
		"\r\n"
	wireTeapot = "HTTP/1.1 418 I'm a teapot\r\n" +
		"Date: -\r\n" +
		"Content-Length: 0\r\n" +
		"\r\n"
)

var date = regexp.MustCompile(`\r\nDate: [^\r\n]+\r\n`)

// byPath gives each path one request, so that a test chooses what is admitted.
func byPath(r *http.Request) string { return r.URL.Path }

// wire is a connection to a server on which one middleware limits by path.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T) *wire {
	t.Helper()
	server := httptest.NewServer(weirhttp.ByKey(newLimiter(t, oneIn17s), byPath)(teapot))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{t, conn, bufio.NewReader(conn)}
}

func (w *wire) send(request string) {
	w.t.Helper()
	if _, err := io.WriteString(w.conn, request); err != nil {
		w.t.Fatal(err)
	}
}

// expect reads exactly as much as want is long, but for Date.
func (w *wire) expect(want string) {
	w.t.Helper()
	wantHead, wantBody, _ := strings.Cut(want, "\r\n\r\n")
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("after %q: %v", head.String(), err)
		}
		head.WriteString(line)
	}
	if got := date.ReplaceAllString(head.String(), "\r\nDate: -\r\n"); got != wantHead+"\r\n\r\n" {
		w.t.Fatalf("head\n%q, want\n%q", got, wantHead+"\r\n\r\n")
	}
	body := make([]byte, len(wantBody))
	if _, err := io.ReadFull(w.in, body); err != nil {
		w.t.Fatal(err)
	}
	if string(body) != wantBody {
		w.t.Fatalf("body\n%q, want\n%q", body, wantBody)
	}
}

// expectEnd wants the server to have closed the connection, with nothing more
// on it.
func (w *wire) expectEnd() {
	w.t.Helper()
	if rest, err := io.ReadAll(w.in); err != nil || len(rest) > 0 {
		w.t.Fatalf("instead of the end: %q, %v", rest, err)
	}
}

// A refusal is the response of rate-limits.md, and the connection goes on: a
// byte too many or too few would be found in the response after it.
func TestWireKeepAlive(t *testing.T) {
	w := dial(t)
	const a, b = "GET /a HTTP/1.1\r\nHost: weir\r\n\r\n", "GET /b HTTP/1.1\r\nHost: weir\r\n\r\n"
	w.send(a)
	w.expect(wireTeapot)
	for range 3 {
		w.send(a)
		w.expect(wireHead + problem)
	}
	w.send(b)
	w.expect(wireTeapot)
	w.send(a + b + a) // pipelined
	w.expect(wireHead + problem)
	w.expect(wireHead + problem)
	w.expect(wireHead + problem)
}

func TestWireHead(t *testing.T) {
	w := dial(t)
	w.send("GET /a HTTP/1.1\r\nHost: weir\r\n\r\n")
	w.expect(wireTeapot)
	w.send("HEAD /a HTTP/1.1\r\nHost: weir\r\n\r\n")
	w.expect(wireHead) // the same headers, no body: what follows is the next response
	w.send("GET /a HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")
	w.expect(wireHeadClosing + problem)
	w.expectEnd()
}

// A short body is skipped by the server, unread by anybody else.
func TestWireShortBody(t *testing.T) {
	w := dial(t)
	const post = "POST /a HTTP/1.1\r\nHost: weir\r\nContent-Length: 6\r\n\r\na lead"
	w.send(post)
	w.expect(wireTeapot)
	w.send(post)
	w.expect(wireHead + problem)
	w.send("GET /b HTTP/1.1\r\nHost: weir\r\n\r\n")
	w.expect(wireTeapot)
}

// Who asks before sending a long body is spared sending it: the answer is the
// refusal, without "100 Continue" before it.
func TestWireExpectContinue(t *testing.T) {
	w := dial(t)
	w.send("GET /a HTTP/1.1\r\nHost: weir\r\n\r\n")
	w.expect(wireTeapot)
	w.send("POST /a HTTP/1.1\r\nHost: weir\r\nContent-Length: 1000000000\r\nExpect: 100-continue\r\n\r\n")
	w.expect(wireHeadClosing + problem)
	w.expectEnd()
}

func TestHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(weirhttp.ByKey(newLimiter(t, oneIn17s), byPath)(teapot))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	for _, c := range []struct {
		method string
		status int
		body   string
	}{
		{http.MethodGet, http.StatusTeapot, ""},
		{http.MethodGet, http.StatusTooManyRequests, problem},
		{http.MethodHead, http.StatusTooManyRequests, ""},
		{http.MethodPost, http.StatusTooManyRequests, problem},
	} {
		t.Run(fmt.Sprintf("%s %d", c.method, c.status), func(t *testing.T) {
			r, err := http.NewRequest(c.method, server.URL+"/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.ProtoMajor != 2 || resp.StatusCode != c.status {
				t.Fatalf("%s %d, want HTTP/2 and %d", resp.Proto, resp.StatusCode, c.status)
			}
			if got := bodyOf(t, resp); got != c.body {
				t.Errorf("body %q, want %q", got, c.body)
			}
			if c.status == http.StatusTooManyRequests {
				resp.Header.Del("Date")
				checkHeader(t, resp.Header, http.Header{
					"Content-Type":  {"application/problem+json"},
					"Cache-Control": {"no-store"}, "Content-Length": {"122"},
					"Retry-After": {"17"},
				})
			}
		})
	}
}
