package weirgrpc_test

import (
	"context"
	"crypto/x509"
	"net"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirgrpc"
)

// A textAddr is an address that is only text, as gRPC's handler transport has it.
type textAddr struct{ network, text string }

func (a textAddr) Network() string { return a.network }
func (a textAddr) String() string  { return a.text }

func from(addr net.Addr) context.Context {
	return peer.NewContext(context.Background(), &peer.Peer{Addr: addr})
}

func tcp(ip, zone string) *net.TCPAddr {
	return &net.TCPAddr{IP: net.ParseIP(ip), Port: 49152, Zone: zone}
}

func TestPeerAddr(t *testing.T) {
	for _, c := range []struct {
		name string
		ctx  context.Context
		want string
	}{
		{"IPv4 in 16 bytes, as accept makes it", from(tcp("203.0.113.7", "")), "203.0.113.7"},
		{"IPv4 in 4 bytes", from(&net.TCPAddr{IP: net.IP{203, 0, 113, 7}}), "203.0.113.7"},
		{"IPv6", from(tcp("2001:db8::7", "")), "2001:db8::7"},
		{"zone", from(tcp("fe80::1", "eth0")), "fe80::1%eth0"},
		{"handler transport", from(textAddr{"tcp", "203.0.113.7:49152"}), "203.0.113.7"},
		{"handler transport, IPv6", from(textAddr{"tcp", "[2001:db8::7]:49152"}), "2001:db8::7"},
		{"handler transport, mapped", from(textAddr{"tcp", "[::ffff:203.0.113.7]:49152"}), "203.0.113.7"},

		{"no peer", context.Background(), ""},
		{"nil peer", peer.NewContext(context.Background(), nil), ""},
		{"peer without address", from(nil), ""},
		{"nil TCP address", from((*net.TCPAddr)(nil)), ""},
		{"TCP address without IP", from(&net.TCPAddr{Port: 80}), ""},
		{"Unix socket", from(&net.UnixAddr{Name: "/run/peer.sock", Net: "unix"}), ""},
		{"Unix socket with the name of an address", from(&net.UnixAddr{Name: "203.0.113.7:80", Net: "unix"}), ""},
		{"in memory", from(textAddr{"bufconn", "bufconn"}), ""},
		{"handler transport without address", from(textAddr{"", ""}), ""},
		{"handler transport, no address", from(textAddr{"tcp", "@"}), ""},
		{"handler transport, no port", from(textAddr{"tcp", "203.0.113.7"}), ""},
	} {
		want := netip.Addr{}
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := weirgrpc.PeerAddr(c.ctx); got != want {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// What gRPC itself says of real connections.
func TestPeerAddrOfConnections(t *testing.T) {
	seen := func(t *testing.T, s *service, conn *grpc.ClientConn, want netip.Addr) {
		t.Helper()
		wantCode(t, "check", check(t.Context(), conn), codes.OK)
		if got := s.peer.Load(); got == nil || *got != want {
			t.Errorf("the peer is %v, want %v", got, want)
		}
	}
	loopback := netip.MustParseAddr("127.0.0.1")
	t.Run("TCP", func(t *testing.T) {
		s := new(service)
		seen(t, s, s.dial(t, nil), loopback)
	})
	t.Run("TCP, a listener for IPv4 and IPv6", func(t *testing.T) {
		l, err := net.Listen("tcp", "[::]:0")
		if err != nil {
			t.Skip("no IPv6: ", err)
		}
		s := new(service)
		s.serve(t, l)
		_, port, _ := net.SplitHostPort(l.Addr().String())
		seen(t, s, connect(t, net.JoinHostPort("127.0.0.1", port)), loopback)
	})
	t.Run("Unix socket", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("gRPC has no unix: targets there")
		}
		dir, err := os.MkdirTemp("", "weir") // t.TempDir may be too long for a socket
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "s")
		l, err := net.Listen("unix", file)
		if err != nil {
			t.Fatal(err)
		}
		s := new(service)
		s.serve(t, l)
		seen(t, s, connect(t, "unix:"+file), netip.Addr{})
	})
	t.Run("through net/http", func(t *testing.T) {
		s := new(service)
		server := httptest.NewUnstartedServer(s.server())
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		roots := x509.NewCertPool()
		roots.AddCert(server.Certificate())
		conn := connect(t, server.Listener.Addr().String(),
			grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, "example.com")))
		seen(t, s, conn, loopback)
		conn.Close()
	})
}

func TestAnonymous(t *testing.T) {
	want := weir.Request{Method: "POST", Path: "/grpc.health.v1.Health/Check", Addr: netip.MustParseAddr("2001:db8::7")}
	if got := weirgrpc.Anonymous(from(tcp("2001:db8::7", "")), "/grpc.health.v1.Health/Check"); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Only the method itself is on its route, and no other spelling of it: gRPC knows
// no other.
func TestAnonymousPath(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf, weir.WithIntakeRoutes(weir.Route{Method: "POST", Path: "/leads.v1.Leads/Intake"}))
	if err != nil {
		t.Fatal(err)
	}
	for fullMethod, want := range map[string]weir.Reason{
		"/leads.v1.Leads/Intake":     weir.BySource,
		"/leads.v1.Leads/%49ntake":   weir.Anonymous,
		"/leads.v1.Leads%2FIntake/x": weir.Anonymous,
		"/leads.v1.Leads/Intake?x":   weir.Anonymous,
		"/leads.v1.Leads/Intake#x":   weir.Anonymous,
		"/leads.v1.Leads/Intake%":    weir.Anonymous,
		"/leads.v1.Leads/Intakes":    weir.Anonymous,
	} {
		req := weirgrpc.Anonymous(t.Context(), fullMethod)
		req.SourceKey = "spring"
		if _, got := resolver.Resolve(t.Context(), req); got != want {
			t.Errorf("%s: %v, want %v", fullMethod, got, want)
		}
	}
}

// Whatever a method is called, undoing the escapes of its path once gives its name,
// and there is no query or fragment to cut.
func FuzzAnonymousPath(f *testing.F) {
	for _, seed := range []string{"/leads.v1.Leads/Intake", "/%6Ceads/Intake", "/a?b#c", "/%", "", "//", "/\xff%zz", "*", "a:b/%41"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, fullMethod string) {
		path := weirgrpc.Anonymous(context.Background(), fullMethod).Path
		if strings.ContainsAny(path, "?#") {
			t.Errorf("%q became %q", fullMethod, path)
		}
		if !strings.ContainsAny(fullMethod, "%?#") {
			if path != fullMethod {
				t.Errorf("%q became %q", fullMethod, path)
			}
			return
		}
		if name, err := url.PathUnescape(path); err != nil || name != fullMethod {
			t.Errorf("%q became %q, which is %q: %v", fullMethod, path, name, err)
		}
	})
}
