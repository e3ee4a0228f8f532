package leads

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sendAll sends all streams at once and returns when every response has come. Windows
// count from began.
func sendAll(ctx context.Context, began time.Time, c *clients, streams []stream, rows []*row) {
	var senders sync.WaitGroup
	for i := range streams {
		s := &streams[i]
		r := rowOf(rows, s.partition)
		var sent atomic.Int64
		for range s.conns {
			senders.Go(func() {
				for n := int(sent.Add(1)); n <= s.requests && ctx.Err() == nil; n = int(sent.Add(1)) {
					during := window{from: time.Since(began)}
					got, err := c.send(ctx, s.from, s.token, s.endpoint(n))
					during.to = time.Since(began)
					r.add(s, got, err, during)
				}
			})
		}
	}
	senders.Wait()
}

// clients sends requests from several addresses, each with connections of its
// own that stay open.
type clients struct {
	base   string // "http://127.0.0.1:40123"
	opened atomic.Int64

	mu sync.Mutex
	by map[netip.Addr]*http.Client
}

func newClients(server string) *clients {
	return &clients{base: "http://" + server, by: map[netip.Addr]*http.Client{}}
}

// from returns the client that calls from addr.
func (c *clients) from(addr netip.Addr) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[addr] == nil {
		c.by[addr] = &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 100, // the default of 2 would open and close connections all the time
			DialContext: func(ctx context.Context, network, server string) (net.Conn, error) {
				c.opened.Add(1)
				return dialFrom(ctx, addr, server)
			},
		}}
	}
	return c.by[addr]
}

// close closes the connections, which must be idle.
func (c *clients) close() {
	for _, client := range c.by {
		client.CloseIdleConnections()
	}
}

// dialFrom connects to server from the given address of this machine.
func dialFrom(ctx context.Context, addr netip.Addr, server string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))}
	return dialer.DialContext(ctx, "tcp", server)
}

// A reply is what the demonstration looks at of a response.
type reply struct {
	status     int
	retryAfter string
	body       string
}

// send sends one request and reads the whole response.
func (c *clients) send(ctx context.Context, from netip.Addr, token string, e endpoint) (reply, error) {
	var body io.Reader
	if e.method == http.MethodPost {
		body = strings.NewReader(`{"name": "Ada"}`)
	}
	r, err := http.NewRequestWithContext(ctx, e.method, c.base+e.path, body)
	if err != nil {
		return reply{}, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.from(from).Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header.Get("Retry-After"), string(text)}, err
}
