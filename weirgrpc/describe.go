package weirgrpc

import (
	"context"
	"net/netip"
	"net/url"
	"strings"

	"google.golang.org/grpc/peer"

	"github.com/weirhq/weir"
)

// Anonymous describes a call of which nothing is known but what gRPC says: its
// method and path, as gRPC has them on HTTP/2, where every call is a POST and the
// path is "/package.Service/Method"; and its address by [PeerAddr]. It is a describe
// for [UnaryServerInterceptor] and [StreamServerInterceptor] where nobody is
// authenticated, and where other describes start from.
//
// It allocates only for a method with a '%', '?' or '#' in its name, which no
// Protocol Buffers service has.
func Anonymous(ctx context.Context, fullMethod string) weir.Request {
	return weir.Request{Method: "POST", Path: escapedPath(fullMethod), Addr: PeerAddr(ctx)}
}

// escapedPath returns a path that [weir.Resolver] takes for fullMethod. The resolver
// undoes escapes and cuts queries, and gRPC does neither: left as it is, a method
// named "/%6Ceads/Intake" would draw on the budget of /leads/Intake. Only a server
// with an unknown service handler ever sees one.
func escapedPath(fullMethod string) string {
	// Three searches, as in weirhttp: one strings.ContainsAny takes twice as long.
	if strings.IndexByte(fullMethod, '%') >= 0 || strings.IndexByte(fullMethod, '?') >= 0 || strings.IndexByte(fullMethod, '#') >= 0 {
		return (&url.URL{Path: fullMethod}).EscapedPath()
	}
	return fullMethod
}

// PeerAddr returns the address at the other end of the call's connection, without
// its port. Behind a proxy that is the proxy's address, and everybody who comes
// through it shares one budget; no metadata is looked at, because anybody can send
// some.
//
// An IPv4 address mapped into IPv6, which is how a listener for both reports its
// IPv4 clients, is returned as the IPv4 address, and so has one text whichever
// listener it came by. A zone is kept; [weir.Resolver] drops it. A Unix socket, an
// in-memory connection, and a context without a peer give the zero Addr, for which
// weir keeps a budget of its own.
//
// As a key it would give whoever has an IPv6 network as many budgets as addresses:
// [weir.Resolver] cuts them to /64, and for
// [UnaryServerInterceptorByKey] [netip.Addr.Prefix] does.
//
// It takes tens of nanoseconds and allocates nothing, an IPv6 zone that the process
// has not met before aside; under [google.golang.org/grpc.Server.ServeHTTP] it
// parses the address that net/http reports.
func PeerAddr(ctx context.Context) netip.Addr {
	p, _ := peer.FromContext(ctx)
	if p == nil || p.Addr == nil {
		return netip.Addr{}
	}
	if a, ok := p.Addr.(interface{ AddrPort() netip.AddrPort }); ok { // *net.TCPAddr
		return a.AddrPort().Addr().Unmap()
	}
	// By its network, and not by its looks: a client may bind its Unix socket to a
	// file named 203.0.113.7:80.
	if p.Addr.Network() != "tcp" {
		return netip.Addr{}
	}
	addrPort, err := netip.ParseAddrPort(p.Addr.String())
	if err != nil {
		return netip.Addr{}
	}
	return addrPort.Addr().Unmap()
}
