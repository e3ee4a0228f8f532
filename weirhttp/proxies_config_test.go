package weirhttp_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func prefixes(texts ...string) (list []netip.Prefix) {
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

// What cannot be safe is refused, and the error says what was wrong with which value.
func TestTrustProxiesRefuses(t *testing.T) {
	some := prefixes("10.0.0.0/8")
	for _, c := range []struct {
		source  weirhttp.AddrHeader
		trusted []netip.Prefix
		want    string // in the error
	}{
		{"X-Forwarded-For", nil, "TrustProxies: trusted is empty; it must be the networks of your proxies"},
		{"X-Forwarded-For", []netip.Prefix{some[0], {}}, "trusted[1] is invalid Prefix; it must be valid"},
		{"X-Forwarded-For", []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)}, "trusted[0] is invalid Prefix"},

		{"X-Forwarded-For", prefixes("0.0.0.0/0"), "trusted[0] is 0.0.0.0/0; it must be /8 or longer"},
		{"X-Forwarded-For", prefixes("10.0.0.0/7"), "trusted[0] is 10.0.0.0/7"},
		{"X-Forwarded-For", prefixes("10.0.0.0/8", "0.0.0.0/1", "128.0.0.0/1"), "trusted[1] is 0.0.0.0/1"},
		{"X-Forwarded-For", prefixes("::/0"), "trusted[0] is ::/0; it must be /16 or longer"},
		{"X-Forwarded-For", prefixes("2000::/3"), "trusted[0] is 2000::/3"},
		{"X-Forwarded-For", prefixes("2001::/15"), "trusted[0] is 2001::/15"},
		{"X-Forwarded-For", prefixes("fc00::/6"), "trusted[0] is fc00::/6"},
		{"X-Forwarded-For", prefixes("fe80::/9"), "trusted[0] is fe80::/9"},
		{"X-Forwarded-For", prefixes("::ffff:0.0.0.0/96"), "trusted[0] is ::ffff:0.0.0.0/96; it must be /8 or longer"},
		{"X-Forwarded-For", prefixes("::ffff:10.0.0.0/103"), "trusted[0] is ::ffff:10.0.0.0/103; it must be /8 or longer"},
		{"X-Forwarded-For", prefixes("::ffff:10.0.0.0/95"), "trusted[0] is ::ffff:10.0.0.0/95; it must be /96 or longer"},

		{"", some, `TrustProxies: source is ""; it must be the name of the header`},
		{" ", some, `source is " "; it must be the name of a header`},
		{"X-Forwarded-For:", some, `source is "X-Forwarded-For:"`},
		{"X-Real-IP, X-Forwarded-For", some, `source is "X-Real-IP, X-Forwarded-For"`},
		{"X-Réal-IP", some, `source is "X-Réal-IP"`},
		{"connection", some, `source is "connection"; it must be a header that is not for one hop only`},
		{"TE", some, `source is "TE"`},
		{"Transfer-Encoding", some, `source is "Transfer-Encoding"`},
		{"Host", some, `source is "Host"`},
	} {
		for name, trust := range map[string]func(weirhttp.AddrHeader, ...netip.Prefix) (func(*http.Request) netip.Addr, error){
			"TrustProxies": weirhttp.TrustProxies, "TrustUnixSocket": weirhttp.TrustUnixSocket,
		} {
			if name == "TrustUnixSocket" && len(c.trusted) == 0 {
				continue // allowed there
			}
			clientAddr, err := trust(c.source, c.trusted...)
			var config *weir.ConfigError
			if want := strings.ReplaceAll(c.want, "TrustProxies", name); clientAddr != nil || !errors.As(err, &config) ||
				!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "weir: "+name+": ") {
				t.Errorf("%s(%q, %v): %v, want a ConfigError with %q", name, c.source, c.trusted, err, want)
			}
		}
	}
}

// The widest prefixes that are allowed, and those in a form that is not the canonical one.
func TestTrustProxiesAccepts(t *testing.T) {
	for _, c := range []struct{ prefix, peer string }{
		{"10.0.0.0/8", "10.0.0.1"},
		{"10.0.0.1/32", "10.0.0.1"},
		{"10.1.2.3/8", "10.0.0.1"},
		{"::ffff:10.0.0.0/104", "10.0.0.1"},
		{"::ffff:10.0.0.1/128", "10.0.0.1"},
		{"2001::/16", "2001:db8::1"},
		{"fc00::/7", "fd00::1"},
		{"fd00::/8", "fd00::1"},
		{"fe80::/10", "fe80::1"},
		{"fe80::/64", "fe80::1%eth0"},
		{"::1/128", "::1"},
	} {
		clientAddr := trustProxies(t, weirhttp.XForwardedFor, netip.MustParsePrefix(c.prefix))
		r := &http.Request{RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(c.peer), 80).String(),
			Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
		if got := addrText(clientAddr(r)); got != "203.0.113.7" {
			t.Errorf("%s does not trust %s: %s", c.prefix, r.RemoteAddr, got)
		}
	}
}

// However many prefixes there are, in whatever order, inside each other or not, an address is trusted if one holds it.
func TestTrustProxiesManyPrefixes(t *testing.T) {
	trusted := prefixes("192.0.2.128/25", "10.1.0.0/16", "2001:db8::/32", "192.0.2.0/26", "10.1.2.0/24", "10.0.0.0/8", "10.0.0.0/8",
		"192.0.2.255/32", "10.255.255.0/24", "2001:db8:7::/48", "::1/128", "255.0.0.0/8", "203.0.113.0/32", "::ffff:192.0.2.64/128")
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, trusted...)
	probe := func(addr netip.Addr) {
		want := slices.ContainsFunc(trusted[:len(trusted)-1], func(p netip.Prefix) bool { return p.Contains(addr) }) ||
			addr == netip.MustParseAddr("192.0.2.64")
		r := &http.Request{RemoteAddr: netip.AddrPortFrom(addr, 80).String(), Header: http.Header{"X-Forwarded-For": {"198.51.100.1"}}}
		if got := addrText(clientAddr(r)) == "198.51.100.1"; got != want {
			t.Errorf("%s: trusted %v, want %v", addr, got, want)
		}
	}
	for _, p := range trusted {
		first := p.Masked().Addr().Unmap()
		last := first.AsSlice()
		for bit := p.Bits() + len(last)*8 - p.Addr().BitLen(); bit < len(last)*8; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		end, _ := netip.AddrFromSlice(last)
		for _, addr := range []netip.Addr{first, first.Prev(), first.Next(), end, end.Prev(), end.Next()} {
			if addr.IsValid() {
				probe(addr)
			}
		}
	}
}

// The prefixes are the caller's to change afterwards.
func TestTrustProxiesCopiesPrefixes(t *testing.T) {
	trusted := prefixes("10.0.0.0/8")
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, trusted...)
	trusted[0] = netip.MustParsePrefix("198.51.100.0/24")
	for peer, want := range map[string]string{"10.0.0.1:80": "203.0.113.7", "198.51.100.1:80": "198.51.100.1"} {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {"203.0.113.7"}}}
		if got := addrText(clientAddr(r)); got != want {
			t.Errorf("from %s: %s, want %s", peer, got, want)
		}
	}
}

func TestLoopback(t *testing.T) {
	if want := prefixes("127.0.0.0/8", "::1/128"); !slices.Equal(weirhttp.Loopback(), want) {
		t.Errorf("got %v, want %v", weirhttp.Loopback(), want)
	}
	weirhttp.Loopback()[0] = netip.Prefix{}
	trustProxies(t, weirhttp.XForwardedFor, weirhttp.Loopback()...) // each call makes its own
}

// overUnix makes r a request that has come over a Unix socket, and overTCP one that has not.
func overUnix(r *http.Request) *http.Request {
	return local(r, &net.UnixAddr{Name: "/run/weir.sock", Net: "unix"})
}
func overTCP(r *http.Request) *http.Request { return local(r, &net.TCPAddr{Port: 80}) }

func local(r *http.Request, addr net.Addr) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr))
}

func TestTrustUnixSocket(t *testing.T) {
	for _, c := range []struct {
		name    string
		over    func(*http.Request) *http.Request
		trusted []netip.Prefix
		peer    string
		sent    []string
		want    string
	}{
		{"one hop", overUnix, nil, "@", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"a system that has no @", overUnix, nil, "", []string{"203.0.113.7"}, "203.0.113.7"},
		{"a peer with a name", overUnix, nil, "/run/proxy.sock", []string{"203.0.113.7"}, "203.0.113.7"},
		{"two hops", overUnix, proxyNetworks, "@", []string{"203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"two hops, one trusted", overUnix, nil, "@", []string{"203.0.113.7, 10.0.0.2"}, "10.0.0.2"},
		{"no header", overUnix, nil, "@", nil, ""},
		{"rubbish", overUnix, nil, "@", []string{"unix:"}, ""},

		{"TCP", overTCP, nil, "198.51.100.9:80", []string{"203.0.113.7"}, "198.51.100.9"},
		{"TCP from a proxy", overTCP, proxyNetworks, "10.0.0.1:80", []string{"203.0.113.7"}, "203.0.113.7"},
		{"TCP, with a RemoteAddr that is no address", overTCP, nil, "@", []string{"203.0.113.7"}, ""},
		{"nobody knows what", func(r *http.Request) *http.Request { return r }, nil, "@", []string{"203.0.113.7"}, ""},
		// What middleware has found out about the client stays.
		{"a RemoteAddr from elsewhere", overUnix, nil, "198.51.100.9:0", []string{"203.0.113.7"}, "198.51.100.9"},
	} {
		clientAddr, err := weirhttp.TrustUnixSocket(weirhttp.XForwardedFor, c.trusted...)
		if err != nil {
			t.Fatal(err)
		}
		r := c.over(&http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.sent}})
		if got := addrText(clientAddr(r)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if c.trusted != nil { // without TrustUnixSocket, such a peer is like any other without an address
			if got, tcp := trustProxies(t, weirhttp.XForwardedFor, c.trusted...)(r), c.peer != "@"; got.IsValid() != tcp {
				t.Errorf("%s: TrustProxies has %s", c.name, got)
			}
		}
	}
}

// The same with what net/http makes of a real Unix socket.
func TestTrustUnixSocketServed(t *testing.T) {
	dir, err := os.MkdirTemp("", "weir") // t.TempDir is too long a name for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "http.sock")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Skipf("no Unix sockets here: %v", err)
	}
	clientAddr, err := weirhttp.TrustUnixSocket("X-Real-IP")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, addrText(clientAddr(r)))
	})}
	go server.Serve(listener)
	defer server.Close()

	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	defer client.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, "http://weir.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Real-IP", "203.0.113.7")
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := bodyOf(t, resp); got != "203.0.113.7" {
		t.Errorf("%q, want 203.0.113.7", got)
	}
}

// usual are requests as most services see them.
var usual = []struct {
	name    string
	source  weirhttp.AddrHeader
	trusted int // how many prefixes, of which the last two are those of the proxies
	lines   []string
}{
	{"xff/hops=1", weirhttp.XForwardedFor, 2, []string{"203.0.113.7"}},
	{"xff/hops=1/ipv6", weirhttp.XForwardedFor, 2, []string{"2001:db8:1:2:3:4:5:6"}},
	{"xff/hops=1/prefixes=22", weirhttp.XForwardedFor, 22, []string{"203.0.113.7"}},
	{"xff/hops=2", weirhttp.XForwardedFor, 2, []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}},
	{"xff/hops=3", weirhttp.XForwardedFor, 2, []string{"203.0.113.7, 10.0.0.3, 10.0.0.2:80"}},
	{"forwarded/hops=1", weirhttp.Forwarded, 2, []string{`for=203.0.113.7;proto=https;host=example.com`}},
	{"forwarded/hops=3", weirhttp.Forwarded, 2, []string{`for="[2001:db8::7]:4711", for=10.0.0.3;by="a, b", for=10.0.0.2`}},
	{"single", "CF-Connecting-IP", 22, []string{"203.0.113.7"}},
	{"untrusted", weirhttp.XForwardedFor, 22, []string{"203.0.113.7"}},
	{"missing", weirhttp.XForwardedFor, 2, nil},
}

func usualRequest(t testing.TB, i int) (func(*http.Request) netip.Addr, *http.Request) {
	u := usual[i]
	var trusted []netip.Prefix
	for n := range u.trusted - len(proxyNetworks) {
		trusted = append(trusted, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(n), 0}), 24))
	}
	r := &http.Request{RemoteAddr: proxyPeer, Header: http.Header{http.CanonicalHeaderKey(string(u.source)): u.lines}}
	if u.name == "untrusted" {
		r.RemoteAddr = "198.51.100.9:80"
	}
	return trustProxies(t, u.source, append(trusted, proxyNetworks...)...), r
}

func TestTrustProxiesAllocatesNothing(t *testing.T) {
	for i, u := range usual {
		clientAddr, r := usualRequest(t, i)
		if got := testing.AllocsPerRun(100, func() { clientAddr(r) }); got != 0 {
			t.Errorf("%s: %v allocations", u.name, got)
		}
		want := map[string]string{"xff/hops=1/ipv6": "2001:db8:1:2:3:4:5:6", "forwarded/hops=3": "2001:db8::7",
			"untrusted": "198.51.100.9", "missing": "10.0.0.1"}[u.name]
		if got := addrText(clientAddr(r)); got != want && (want != "" || got != "203.0.113.7") {
			t.Errorf("%s: %s", u.name, got)
		}
	}
}

func BenchmarkTrustProxies(b *testing.B) {
	bench := func(name string, clientAddr func(*http.Request) netip.Addr, r *http.Request) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				clientAddr(r)
			}
		})
	}
	for i, u := range usual {
		clientAddr, r := usualRequest(b, i)
		bench(u.name, clientAddr, r)
	}
	// As much work as can be caused: by a proxy, since a client's entries are not read.
	worst := strings.Repeat("!", 490) + "=a;for=10.0.0.2,"
	for source, line := range map[weirhttp.AddrHeader]string{
		weirhttp.XForwardedFor: strings.Repeat(strings.Repeat(" ", 480)+"10.0.0.2,", 20),
		weirhttp.Forwarded:     strings.Repeat(worst, 20),
	} {
		r := &http.Request{RemoteAddr: proxyPeer, Header: http.Header{string(source): {strings.TrimSuffix(line, ",")}}}
		bench("worst/"+string(source), trustProxies(b, source, proxyNetworks...), r)
	}
}
