package weirhttp

import (
	"net/http"
	"net/netip"
	"strings"
)

// PeerAddr returns the address at the other end of the connection: RemoteAddr
// without its port. Behind a proxy that is the proxy's address, and everybody
// who comes through it shares one budget; no header is looked at, because
// anybody can send one.
//
// The address is returned as it stands, with its zone if it has one, and an IPv4
// address mapped into IPv6 as such; [weir.Resolver] makes it canonical. A
// RemoteAddr without a port, which some middleware leaves behind, is accepted.
// One that is no address, as on a Unix socket, gives the zero Addr, for which
// weir keeps a budget of its own.
//
// It takes tens of nanoseconds, and does not allocate for what net/http sets, an
// IPv6 zone that the process has not met before aside.
func PeerAddr(r *http.Request) netip.Addr {
	s := r.RemoteAddr
	if len(s) < len("::") { // "" or "@": a Unix socket; the parsers would allocate an error
		return netip.Addr{}
	}
	// Two colons or more and no bracket is a bare IPv6 address.
	if s[0] == '[' || strings.Count(s, ":") == 1 {
		addrPort, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		return addrPort.Addr()
	}
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return addr
}
