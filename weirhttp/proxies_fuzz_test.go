package weirhttp_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/weirhttp"
)

// fuzzSources are the ways to read a header.
var fuzzSources = []weirhttp.AddrHeader{weirhttp.XForwardedFor, weirhttp.Forwarded, "X-Real-IP"}

func sourceOfByte(b byte) weirhttp.AddrHeader { return fuzzSources[int(b)%len(fuzzSources)] }

// FuzzTrustProxies compares the address that counts with that of a reference, which splits everything first and knows no
// bounds but those that are documented. Lines of the header are separated by newlines.
func FuzzTrustProxies(f *testing.F) {
	for _, n := range nodes {
		f.Add(byte(0), "203.0.113.9, "+n.text+", 10.0.0.2")
		f.Add(byte(1), "for=203.0.113.9, for=\""+n.text+"\"\nfor=10.0.0.2")
		f.Add(byte(2), n.text)
	}
	clientAddr := map[weirhttp.AddrHeader]func(*http.Request) netip.Addr{}
	for _, source := range fuzzSources {
		clientAddr[source] = trustProxies(f, source, proxyNetworks...)
	}
	f.Fuzz(func(t *testing.T, which byte, header string) {
		source, lines := sourceOfByte(which), strings.Split(header, "\n")
		r := &http.Request{RemoteAddr: proxyPeer, Header: http.Header{http.CanonicalHeaderKey(string(source)): lines}}
		got := clientAddr[source](r)
		if want := referenceAddr(t, source, lines); got != want {
			t.Fatalf("%s: %q is %s, want %s", source, lines, addrText(got), addrText(want))
		}
		if got.Is4In6() || got.Zone() != "" || !got.IsValid() {
			t.Fatalf("%s: %q is %s, which is not canonical", source, lines, addrText(got))
		}
	})
}

// FuzzSpoofing has a client send anything at all to a chain of up to four trusted proxies, each of which appends the
// address that it was called from, to the last line or in a line of its own. The client's address must come out.
func FuzzSpoofing(f *testing.F) {
	for _, sent := range []string{"", "198.51.100.1", "10.0.0.1, 10.0.0.2\n,", `for="`, `for="a\`, "for=198.51.100.1;by=\"\n\"", `"," ;="`} {
		for chain := range byte(8) {
			f.Add(chain, chain*37, sent, []byte{203, 0, 113, 7})
			f.Add(chain, chain*37, sent, []byte(netip.MustParseAddr("2001:db8::7").AsSlice()))
		}
	}
	f.Fuzz(func(t *testing.T, chain, layout byte, sent string, addr []byte) {
		client, ok := netip.AddrFromSlice(addr)
		client = client.Unmap()
		if !ok || isProxy(client) {
			return
		}
		source := fuzzSources[chain&1]
		lines := strings.Split(sent, "\n")
		for hop := range 1 + int(chain>>1)%4 {
			from := client
			if hop > 0 {
				from = netip.AddrFrom4([4]byte{10, chain, layout, byte(hop)})
			}
			entry := forms[source][int(layout)%len(forms[source])](from)
			if last := len(lines) - 1; layout>>hop&1 == 0 {
				lines[last] += ", " + entry
			} else {
				lines = append(lines, entry)
			}
		}
		r := &http.Request{RemoteAddr: proxyPeer, Header: http.Header{string(source): lines}}
		if got := trustProxies(t, source, proxyNetworks...)(r); got != client {
			t.Fatalf("%s: %q is %s, want %s", source, lines, got, client)
		}
	})
}

// forms are the ways in which a proxy writes an address.
var forms = map[weirhttp.AddrHeader][]func(netip.Addr) string{
	weirhttp.XForwardedFor: {
		netip.Addr.String,
		func(a netip.Addr) string { return netip.AddrPortFrom(a, 4711).String() },
		func(a netip.Addr) string { return netip.AddrFrom16(a.As16()).String() }, // mapped, if it is IPv4
		func(a netip.Addr) string { return `"` + a.String() + `"` },
	},
	weirhttp.Forwarded: {
		func(a netip.Addr) string { return `for="` + netip.AddrPortFrom(a, 4711).String() + `"` },
		func(a netip.Addr) string { return `by=_b;FOR="` + netip.AddrPortFrom(a, 1).String() + `";proto=https` },
		func(a netip.Addr) string { return `for="` + a.String() + `";by="a, \"b;\\"` },
		func(a netip.Addr) string { return `host="for=\", for=";for=` + netip.AddrPortFrom(a, 4711).String() },
	},
}

func isProxy(addr netip.Addr) bool {
	return proxyNetworks[0].Contains(addr) || proxyNetworks[1].Contains(addr.WithZone(""))
}

// referenceAddr is what the documentation of TrustProxies says, in few words and without a thought for cost.
func referenceAddr(t *testing.T, source weirhttp.AddrHeader, lines []string) netip.Addr {
	peer := netip.MustParseAddr("10.0.0.1")
	var entries []netip.Addr // from the right; a zero one and what follows it does not count
	switch source {
	case weirhttp.XForwardedFor:
		texts := strings.Split(strings.Join(lines, ","), ",")
		for i := range texts {
			entries = append(entries, referenceEntry(texts[len(texts)-1-i]))
		}
	case weirhttp.Forwarded:
		for i := range lines {
			entries = append(entries, referenceElements(t, lines[len(lines)-1-i])...)
		}
	default:
		if addr := referenceEntry(lines[0]); len(lines) == 1 && addr.IsValid() {
			return addr
		}
		return peer
	}
	hop := peer
	for i := 0; i < len(entries) && i < 16 && entries[i].IsValid() && isProxy(hop); i++ {
		hop = entries[i]
	}
	return hop
}

var (
	quotesRE = regexp.MustCompile(`(?s)^[ \t\r\n]*"(.*)"[ \t\r\n]*$`)
	portRE   = regexp.MustCompile(`:([0-9]{1,5}|_[A-Za-z0-9._-]+)$`)
)

// referenceEntry reads an entry of X-Forwarded-For.
func referenceEntry(text string) netip.Addr {
	if len(text) > 512 {
		return netip.Addr{}
	}
	if quoted := quotesRE.FindStringSubmatch(text); quoted != nil {
		return referenceNode(quoted[1])
	}
	return referenceNode(strings.Trim(text, " \t\r\n"))
}

// referenceNode tries one form of an address after the other.
func referenceNode(text string) netip.Addr {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().WithZone("")
	}
	host := portRE.ReplaceAllString(text, "")
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return addr
	}
	inner, ok := strings.CutPrefix(host, "[")
	if inner, ok = cutSuffix(inner, "]", ok); ok && !strings.Contains(inner, "]") {
		if addr, err := netip.ParseAddr(inner); err == nil && addr.Is6() {
			return addr.Unmap().WithZone("")
		}
	}
	return netip.Addr{}
}

func cutSuffix(s, suffix string, ok bool) (string, bool) {
	s, found := strings.CutSuffix(s, suffix)
	return s, found && ok
}

const (
	spaceRE = `[ \t\r\n]*`
	pairRE  = "([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(\"(?:[^\"\\\\]|\\\\.)*\"|[^\\x00-\\x20\\x7f\",;]+)"
)

var (
	elementRE = regexp.MustCompile(`(?s)^` + spaceRE + `(` + pairRE + `)?(` + spaceRE + `;` + spaceRE + `(` + pairRE + `)?)*` + spaceRE + `$`)
	pairsRE   = regexp.MustCompile(`(?s)` + pairRE)
	escapeRE  = regexp.MustCompile(`(?s)\\(.)`)
)

// referenceElements reads the elements of a line of Forwarded from the right. It does not look for quotes: it tries every
// comma, and demands what lastForwarded builds upon, that at most one of them begins a well-formed element.
func referenceElements(t *testing.T, line string) (addrs []netip.Addr) {
	for {
		start, found := 0, 0
		for i := range len(line) + 1 {
			if (i == 0 || line[i-1] == ',') && elementRE.MatchString(line[i:]) {
				start, found = i, found+1
			}
		}
		if found > 1 {
			t.Fatalf("%q ends in %d well-formed elements", line, found)
		}
		if found == 0 || len(line)-start > 512 {
			return append(addrs, netip.Addr{})
		}
		var values []string
		for _, pair := range pairsRE.FindAllStringSubmatch(line[start:], -1) {
			if value := pair[2]; strings.ToLower(pair[1]) == "for" {
				if value[0] == '"' {
					value = escapeRE.ReplaceAllString(value[1:len(value)-1], "$1")
				}
				values = append(values, value)
			}
		}
		if len(values) != 1 {
			return append(addrs, netip.Addr{})
		}
		addrs = append(addrs, referenceNode(values[0]))
		if start == 0 {
			return addrs
		}
		line = line[:start-1]
	}
}
