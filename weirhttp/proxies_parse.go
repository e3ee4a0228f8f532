package weirhttp

import (
	"net/netip"
	"net/textproto"
	"strings"
)

// lastAddr reads the last entry of a line of X-Forwarded-For; see [proxies].last.
// A comma always separates, in quotes too: the header has no grammar in which
// one could be part of an entry.
func lastAddr(line string) (addr netip.Addr, rest string, more bool) {
	tail := line[max(0, len(line)-maxEntryBytes-1):]
	comma := strings.LastIndexByte(tail, ',')
	if comma < 0 && len(tail) > maxEntryBytes {
		return netip.Addr{}, "", false
	}
	entry := tail[comma+1:]
	if comma >= 0 {
		rest, more = line[:len(line)-len(entry)-1], true
	}
	return parseEntry(entry), rest, more
}

// onlyAddr reads a header of one address. Two lines, like two addresses in one,
// are what comes of a proxy that adds to what the caller sent, and leave open
// which of them is the proxy's.
func onlyAddr(lines []string) netip.Addr {
	if len(lines) != 1 || len(lines[0]) > maxEntryBytes {
		return netip.Addr{}
	}
	return parseEntry(lines[0])
}

// parseEntry reads an address that may have spaces and double quotes around it.
func parseEntry(s string) netip.Addr {
	s = textproto.TrimString(s)
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return parseNode(s)
}

// parseNode reads the node of RFC 7239, section 6, as far as it is an address: an
// IPv4 address, or an IPv6 address in brackets, and for either a port. It takes
// IPv6 without brackets as well, which is how X-Forwarded-For has it; then there
// can be no port, because it could not be told from the address. Anything else is
// the zero Addr. The address is canonical.
func parseNode(s string) netip.Addr {
	host, port, brackets := s, "", false
	switch {
	case s == "":
		return netip.Addr{}
	case s[0] == '[':
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}
		}
		host, port, brackets = s[1:end], s[end+1:], true
	case strings.Count(s, ":") == 1: // IPv6 has two at least
		colon := strings.IndexByte(s, ':')
		host, port = s[:colon], s[colon:]
	}
	if port != "" && !isPort(port) {
		return netip.Addr{}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || brackets && addr.Is4() {
		return netip.Addr{}
	}
	return canonical(addr)
}

// isPort reports whether s is a colon and the node-port of RFC 7239: one to five
// digits, or an obfuscated one, which begins with an underscore.
func isPort(s string) bool {
	if len(s) < 2 || s[0] != ':' {
		return false
	}
	s = s[1:]
	if s[0] == '_' {
		for i := 1; i < len(s); i++ {
			if c := s[i]; !isAlnum(c) && c != '.' && c != '_' && c != '-' {
				return false
			}
		}
		return len(s) > 1
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) <= 5
}

// isAlnum reports whether c is a letter or digit of ASCII.
func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isTokenChar reports whether c may be in the name of a header or of a parameter
// (tchar of RFC 9110, section 5.6.2).
func isTokenChar(c byte) bool {
	return isAlnum(c) || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
