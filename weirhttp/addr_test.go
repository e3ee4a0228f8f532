package weirhttp_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/weirhq/weir/weirhttp"
)

func TestPeerAddr(t *testing.T) {
	for _, c := range []struct{ remote, want string }{
		{"203.0.113.7:49152", "203.0.113.7"},
		{"[2001:db8::7]:49152", "2001:db8::7"},
		{"[::]:0", "::"},
		{"[::ffff:203.0.113.7]:49152", "::ffff:203.0.113.7"},
		{"[fe80::1%eth0]:49152", "fe80::1%eth0"},

		// Without a port: what some proxy middleware leaves behind.
		{"203.0.113.7", "203.0.113.7"},
		{"2001:db8::7", "2001:db8::7"},
		{"::", "::"},
		{"::1", "::1"},

		// No address.
		{"", ""},
		{"@", ""},
		{":", ""},
		{"/run/peer.sock", ""},
		{"localhost:80", ""},
		{"203.0.113.7:", ""},
		{"203.0.113.7:http", ""},
		{"203.0.113.7:65536", ""},
		{"203.0.113.256:80", ""},
		{"203.0.113.7, 10.0.0.1", ""},
		{"[203.0.113.7]:80", ""},
		{"[2001:db8::7]", ""},
		{"[2001:db8::7", ""},
		{"[]:80", ""},
		{"[", ""},
	} {
		want := netip.Addr{}
		if c.want != "" {
			want = netip.MustParseAddr(c.want)
		}
		if got := weirhttp.PeerAddr(&http.Request{RemoteAddr: c.remote}); got != want {
			t.Errorf("PeerAddr(%q) = %v, want %v", c.remote, got, want)
		}
	}
}

func TestPeerAddrAllocatesNothing(t *testing.T) {
	for _, remote := range []string{
		"203.0.113.7:49152", "[2001:db8::7]:49152", "[::ffff:203.0.113.7]:49152", "203.0.113.7", "2001:db8::7", "", "@",
	} {
		r := &http.Request{RemoteAddr: remote}
		if got := testing.AllocsPerRun(100, func() { weirhttp.PeerAddr(r) }); got != 0 {
			t.Errorf("%q: %v allocations", remote, got)
		}
	}
}
