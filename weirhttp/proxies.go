package weirhttp

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/weirhq/weir"
)

// An AddrHeader names the one request header from which [TrustProxies] takes the
// client's address; upper and lower case are the same. [XForwardedFor] and
// [Forwarded] are lists, to which every proxy appends the address that it was
// called from. Any other name, such as "X-Real-IP" or "CF-Connecting-IP", is a
// header with one address, which the proxy must set on every request, in place
// of whatever the caller sent: one that it only passes on is the caller's word.
type AddrHeader string

// The headers that are lists.
const (
	XForwardedFor AddrHeader = "X-Forwarded-For" // addresses, separated by commas
	Forwarded     AddrHeader = "Forwarded"       // RFC 7239; of each element, its for parameter
)

// Bounds on the work that one request can cause, whatever its headers. A request
// that reaches one is not refused: the last trusted hop counts.
const (
	// maxHops is how many entries of a list are read. Chains of proxies have one
	// to four; whoever has more than this many passes them in a circle.
	maxHops = 16

	// maxEntryBytes is the length of the longest entry that is read, the spaces
	// around it included. An address takes 60 bytes with brackets and port; a
	// Forwarded element can have the name of a host in it, of up to 255. Both
	// bounds together are 8 KiB; net/http accepts headers of a megabyte.
	maxEntryBytes = 512
)

// TrustProxies returns a function that is [PeerAddr] for a service behind
// proxies: the client's address, as far as the proxies of the trusted networks
// vouch for it. Whoever else calls the service is not believed.
//
//	clientAddr, err := weirhttp.TrustProxies(weirhttp.XForwardedFor, netip.MustParsePrefix("10.0.0.0/28"))
//
// The connection's other end counts, and no header is looked at, unless it is
// trusted. Then, in a list, all lines of the header are read as one, from the
// right, which is the end that proxies append to: each trusted hop reports the
// one before it, and the first address that is not trusted is the client's. What
// stands to the left of it, the client may have invented; it is never looked at.
// If every address is trusted, the leftmost one counts.
//
// An entry is an address, with or without a port, IPv6 also in brackets, all of
// it also in double quotes. One that is anything else ("unknown", "_hidden",
// empty, rubbish, longer than 512 bytes) ends the walk, and the last trusted hop,
// which is the one that reported this entry, counts. So it is after 16 entries. A
// header of one address counts if there is one line of it, with one address;
// otherwise the peer counts.
//
// The address is canonical: an IPv4 address mapped into IPv6 is the IPv4 address,
// and zones, which mean something only to the host that gave them, are dropped.
// Prefixes are compared with that. The zero Addr is a peer on a Unix socket, see
// [TrustUnixSocket], or one whose RemoteAddr is no address.
//
// The error is a [*weir.ConfigError], for what cannot be safe: no prefix; a
// prefix that is invalid, or wider than any one organisation's network, so
// shorter than /8 in IPv4 and /16 in IPv6 (except in fc00::/7 and fe80::/10,
// which are private); or a source that is not the name of a header, or is that of
// one for a single hop, such as Connection. A prefix of mapped addresses is taken
// for the IPv4 prefix. Trust the proxies alone, not the network that they share
// with clients: a client inside a trusted prefix can name any address as its own.
//
// The function may be called by any number of goroutines at once. It takes some
// 100 ns for one hop and 50 for each further one, nearly twice that for Forwarded,
// hardly more for hundreds of prefixes than for three; and at most some 30 µs, for
// what takes longest, which only a trusted hop can send. It does not block, and
// does not allocate unless an entry does not parse, or has a zone or an escaped
// character in it.
func TrustProxies(source AddrHeader, trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	if len(trusted) == 0 {
		return nil, &weir.ConfigError{Field: "TrustProxies: trusted", Value: "empty",
			Allowed: "the networks of your proxies; without a proxy, use PeerAddr"}
	}
	p, err := newProxies("TrustProxies", source, trusted)
	if err != nil {
		return nil, err
	}
	return p.clientAddr, nil
}

// TrustUnixSocket is [TrustProxies] for a service that its proxy calls over a
// Unix socket: peers that come over one are trusted, whoever they are. The
// prefixes are those of the proxies farther away, if there are any, and of those
// that call over TCP.
//
// A request came over a Unix socket if its RemoteAddr is no address and the
// server's own address ([http.LocalAddrContextKey], which [http.Server] sets) is
// one of a Unix socket. Who can open the socket can name any address as its own,
// so only the proxy may: put it in a directory that nobody else can enter. An
// abstract socket, one whose name begins with '@', has no permissions at all.
//
// Such a peer has no address itself, so where the last trusted hop counts and is
// the peer, the answer is the zero Addr.
func TrustUnixSocket(source AddrHeader, trusted ...netip.Prefix) (func(*http.Request) netip.Addr, error) {
	p, err := newProxies("TrustUnixSocket", source, trusted)
	if err != nil {
		return nil, err
	}
	p.unixSocket = true
	return p.clientAddr, nil
}

// Loopback returns 127.0.0.0/8 and ::1/128, for a proxy on the same host. Every
// process of that host is trusted then.
//
// There is no such function for private networks on purpose. They also hold the
// service's own clients and neighbours, each of which could then name any
// address as its own.
func Loopback() []netip.Prefix {
	return []netip.Prefix{
		netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8),
		netip.PrefixFrom(netip.IPv6Loopback(), 128),
	}
}

// proxies is what TrustProxies was told. It does not change once it is made.
type proxies struct {
	header     string         // in canonical form, as http.Header has it
	trusted    []netip.Prefix // canonical, sorted, none inside another
	unixSocket bool           // trust peers that come over one

	// last reads the last entry of a list, and returns what is left of the line
	// before it, and whether there is more to read. The address is zero for an
	// entry that does not parse. It is nil for a header of one address.
	last func(line string) (addr netip.Addr, rest string, more bool)
}

// clientAddr is what TrustProxies returns.
func (p *proxies) clientAddr(r *http.Request) netip.Addr {
	peer := canonical(PeerAddr(r))
	if !p.trusts(peer) && !(p.unixSocket && !peer.IsValid() && overUnixSocket(r)) {
		return peer
	}
	lines := r.Header[p.header]
	if p.last != nil {
		return p.walk(lines, peer)
	}
	if addr := onlyAddr(lines); addr.IsValid() {
		return addr
	}
	return peer
}

// walk goes from hop to hop, away from a trusted peer, and returns the first that
// is not trusted, or the last that it got to.
func (p *proxies) walk(lines []string, hop netip.Addr) netip.Addr {
	hops := 0
	for _, line := range slices.Backward(lines) {
		for more := true; more; hops++ {
			if hops == maxHops {
				return hop
			}
			var reported netip.Addr
			reported, line, more = p.last(line)
			if !reported.IsValid() {
				return hop
			}
			hop = reported
			if !p.trusts(hop) {
				return hop
			}
		}
	}
	return hop
}

// trusts reports whether a canonical address is one of a proxy; the zero Addr is
// not. A search takes as long as three prefixes do one by one; content delivery
// networks have dozens of them, or hundreds.
func (p *proxies) trusts(addr netip.Addr) bool {
	i, found := slices.BinarySearchFunc(p.trusted, addr, func(network netip.Prefix, addr netip.Addr) int {
		return network.Addr().Compare(addr)
	})
	return found || i > 0 && p.trusted[i-1].Contains(addr)
}

// canonical returns the one form of an address that prefixes are compared with,
// and that callers are told apart by.
func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// overUnixSocket reports whether the request came over a Unix socket. RemoteAddr
// alone does not tell: what middleware has put there may be no address either.
func overUnixSocket(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

// newProxies checks what can be checked; caller is for the errors.
func newProxies(caller string, source AddrHeader, trusted []netip.Prefix) (*proxies, error) {
	name := http.CanonicalHeaderKey(string(source))
	if allowed := headerFault(name); allowed != "" {
		return nil, &weir.ConfigError{Field: caller + ": source", Value: strconv.Quote(string(source)), Allowed: allowed}
	}
	networks := make([]netip.Prefix, len(trusted))
	for i, prefix := range trusted {
		var allowed string
		if networks[i], allowed = trustedPrefix(prefix); allowed != "" {
			return nil, &weir.ConfigError{Field: caller + ": trusted[" + strconv.Itoa(i) + "]", Value: prefix, Allowed: allowed}
		}
	}
	p := &proxies{header: name, trusted: outermost(networks)}
	switch AddrHeader(name) {
	case XForwardedFor:
		p.last = lastAddr
	case Forwarded:
		p.last = lastForwarded
	}
	return p, nil
}

// outermost sorts masked prefixes and removes those that are inside another, in
// place.
func outermost(networks []netip.Prefix) []netip.Prefix {
	slices.SortFunc(networks, netip.Prefix.Compare) // of two with one address, the wider is first
	kept := networks[:0]
	for _, network := range networks {
		if len(kept) == 0 || !kept[len(kept)-1].Contains(network.Addr()) {
			kept = append(kept, network)
		}
	}
	return kept
}

// headerFault returns what is allowed in place of a name, or "" if it will do.
func headerFault(name string) (allowed string) {
	if name == "" {
		return "the name of the header that your proxies write the client's address to"
	}
	for i := range len(name) {
		if !isTokenChar(name[i]) {
			return "the name of a header: letters, digits and !#$%&'*+-.^_`|~"
		}
	}
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade": // RFC 9110, section 7.6.1
		return "a header that is not for one hop only"
	case "Host": // net/http moves it to Request.Host
		return "a header of an address"
	}
	return ""
}

// mappedBits is the length of ::ffff:0:0/96, in which IPv4 is mapped into IPv6.
const mappedBits = 96

// Networks that anybody may use, and nobody owns: those of them that a host sees
// are its own organisation's.
var (
	uniqueLocal = netip.MustParsePrefix("fc00::/7")  // RFC 4193
	linkLocal   = netip.MustParsePrefix("fe80::/10") // RFC 4291
)

// trustedPrefix returns a prefix as canonical addresses are compared with it, or
// what is allowed in place of it.
func trustedPrefix(p netip.Prefix) (_ netip.Prefix, allowed string) {
	if !p.IsValid() {
		return p, "valid, as from netip.ParsePrefix"
	}
	if p.Addr().Is4In6() {
		if p.Bits() < mappedBits {
			return p, "/96 or longer, as all mapped IPv4 addresses together are"
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mappedBits)
	}
	// What one organisation has is not wider than this: IPv4 was given out by /8
	// once, and IPv6 is not given out by more than /16.
	switch {
	case p.Addr().Is4() && p.Bits() < 8:
		return p, "/8 or longer: the network of your proxies, not that of everybody"
	case p.Addr().Is6() && p.Bits() < 16 && !within(p, uniqueLocal) && !within(p, linkLocal):
		return p, "/16 or longer: the network of your proxies, not that of everybody"
	}
	return p.Masked(), ""
}

// within reports whether all of p is in outer.
func within(p, outer netip.Prefix) bool {
	return p.Bits() >= outer.Bits() && outer.Contains(p.Addr())
}
