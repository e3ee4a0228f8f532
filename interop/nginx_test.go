package interop

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// nginxConf is nginx without anything that it would write outside of its own
// directory. It has no Forwarded of its own; the map makes one, as an entry after
// those that the client has sent. Its requests to the service come from
// 127.0.0.100, the one address that the service trusts.
const nginxConf = `
pid nginx.pid;
error_log stderr notice;
worker_processes 1;
events { worker_connections 64; }
http {
	access_log off;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	map $http_forwarded $forwarded_before {
		""      "";
		default "$http_forwarded, ";
	}
	server {
		listen %[1]s;
		location / {
			proxy_pass %[2]s;
			proxy_bind 127.0.0.100;
			%[3]s
		}
	}
}
`

const proxyAddr = "127.0.0.100"

// spoofs is what a client sends that wants to be 127.0.0.6, or nobody, in all
// headers that anybody might read.
var spoofs = []http.Header{
	{"X-Forwarded-For": {"127.0.0.6"}, "Forwarded": {"for=127.0.0.6"}, "X-Real-Ip": {"127.0.0.6"}},
	{"X-Forwarded-For": {"127.0.0.6, 127.0.0.100"}, "Forwarded": {"for=127.0.0.6, for=127.0.0.100"}, "X-Real-Ip": {"127.0.0.100"}},
	{"X-Forwarded-For": {"192.0.2.3", "127.0.0.6"}, "Forwarded": {`for="`, `for=127.0.0.6;by="`}, "X-Real-Ip": {"192.0.2.3", "127.0.0.6"}},
	{"X-Forwarded-For": {"unknown, \"", ","}, "Forwarded": {`for=127.0.0.6, for="\`}, "X-Real-Ip": {""}},
}

// Behind nginx each client has a budget of its own, and no header that a client
// sends changes whose it is: not through nginx, and not around it.
func TestBehindNginx(t *testing.T) {
	nginx := program(t, "nginx", "nginx")
	needLoopbackNetwork(t)
	for _, c := range []struct {
		header weirhttp.AddrHeader
		line   string // of nginx's configuration
	}{
		{weirhttp.XForwardedFor, "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"},
		{"X-Real-IP", "proxy_set_header X-Real-IP $remote_addr;"},
		{weirhttp.Forwarded, `proxy_set_header Forwarded "${forwarded_before}for=$remote_addr";`},
	} {
		t.Run(string(c.header), func(t *testing.T) {
			service := serveBehind(t, c.header)
			proxied := startNginx(t, nginx, service.url, c.line)

			for _, client := range []string{"127.0.0.2", "127.0.0.3"} {
				service.spends(t, client, proxied, client, proxyAddr, nil)
			}
			service.spends(t, "127.0.0.4", proxied, "127.0.0.4", proxyAddr, spoofs)
			// Who calls the service itself is not trusted, whatever it says.
			service.spends(t, "127.0.0.5", service.url, "127.0.0.5", "127.0.0.5", spoofs)
			// Whom they wanted to be has all of its budget still.
			service.spends(t, "127.0.0.6", proxied, "127.0.0.6", proxyAddr, nil)
		})
	}
}

// What docs/client-address.md warns of: nginx without the line passes on what the
// client sends. So the test above would see a spoof that is believed.
func TestNginxThatSetsNoHeader(t *testing.T) {
	nginx := program(t, "nginx", "nginx")
	needLoopbackNetwork(t)
	service := serveBehind(t, weirhttp.XForwardedFor)
	proxied := startNginx(t, nginx, service.url, "")
	service.spends(t, "127.0.0.2", proxied, "127.0.0.6", proxyAddr, spoofs[:1])
	// Without a header, everybody is nginx.
	service.spends(t, "127.0.0.2", proxied, proxyAddr, proxyAddr, nil)
}

// quota is the budget of each client of a service behind nginx: so little is
// earned in an hour that the test does not see it.
var quota = weir.Quota{Limit: 4, Period: 1000 * time.Hour}

// A behind is a service behind a proxy. Each request sends word of who its peer
// was, and whom it was counted for.
type behind struct {
	url  string
	seen chan [2]string
}

// serveBehind serves "ok", trusting proxyAddr.
func serveBehind(t *testing.T, header weirhttp.AddrHeader) *behind {
	t.Helper()
	clientAddr, err := weirhttp.TrustProxies(header, netip.MustParsePrefix(proxyAddr+"/32"))
	if err != nil {
		t.Fatal(err)
	}
	b := &behind{seen: make(chan [2]string, 1)}
	limit := weirhttp.New(newPartitions(t, quota), func(r *http.Request) weir.Request {
		req := weirhttp.Anonymous(r)
		req.Addr = clientAddr(r)
		return req
	}, weirhttp.WithOnDecision(func(o weirhttp.Outcome) {
		b.seen <- [2]string{weirhttp.PeerAddr(o.Request).String(), o.Key.String()}
	}))
	server := httptest.NewServer(limit(http.HandlerFunc(answer)))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// spends has a client at from make requests to url until its budget is spent, each
// with the next of headers, and one more. They must come from peer, and draw on
// the whole budget of one address, counted.
func (b *behind) spends(t *testing.T, from, url, counted, peer string, headers []http.Header) {
	t.Helper()
	client := clientAt(from)
	want := [2]string{peer, "ip:" + counted}
	var statuses []int
	for i := range int(quota.Limit) + 1 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(headers) > 0 {
			r.Header = headers[i%len(headers)].Clone()
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
		select {
		case got := <-b.seen:
			if got != want {
				t.Errorf("%s to %s with %v: peer and key %q, want %q", from, url, r.Header, got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%s to %s with %v: status %d, and the service has not seen it", from, url, r.Header, resp.StatusCode)
		}
	}
	if want := []int{200, 200, 200, 200, 429}; !slices.Equal(statuses, want) {
		t.Errorf("%s to %s: statuses %v, want %v", from, url, statuses, want)
	}
}

// startNginx starts an nginx in front of a service and returns its URL. The line
// goes into its configuration.
func startNginx(t *testing.T, nginx, service, line string) (url string) {
	t.Helper()
	// nginx must be told its port. It is free now, and most likely still is in a moment.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()

	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), fmt.Appendf(nil, nginxConf, addr, service, line), 0o600); err != nil {
		t.Fatal(err)
	}
	background(t, exec.Command(nginx, "-p", dir, "-c", "nginx.conf", "-e", "stderr", "-g", "daemon off;"))
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %v", err)
		}
	}
}
