package weirhttp

import (
	"net/netip"
	"net/textproto"
	"strings"
)

// The Forwarded header of RFC 7239 is a list of elements, such as
//
//	for="[2001:db8::7]:4711";proto=https, for=10.0.0.3;by="a, b"
//
// in which a comma within quotes separates nothing. Each trusted proxy appends an
// element, to a line that it was sent or as a line of its own. What is left of
// that element may come from the client, and have an open quote in it: read from
// the left, that would swallow all that the proxies have appended. So a line is
// read from the right, one element at a time, and each line by itself.
//
// This finds the elements that the proxies wrote, whatever is left of them. Let
// an element be well-formed, so that each quote in it is the end of a value,
// escaped by a backslash, or the beginning of a value, after an equals sign. Seen
// from the right, the first quote is the end of a value; the next one not after a
// backslash is its beginning; what is between is quoted. So each comma inside is
// known to be quoted, and the one before the element is the first that is not: no
// character left of it has been looked at. So it does not matter what stands
// there, and at most one of the places after a comma begins a last element that
// is well-formed.

// lastForwarded reads the last element of a line of Forwarded; see [proxies].last.
func lastForwarded(line string) (addr netip.Addr, rest string, more bool) {
	start := elementStart(line)
	if start < 0 {
		return netip.Addr{}, "", false
	}
	node, ok := forwardedFor(line[start:])
	if !ok {
		return netip.Addr{}, "", false
	}
	if start > 0 {
		rest, more = line[:start-1], true
	}
	return parseNode(node), rest, more
}

// elementStart returns where the last element of a line begins if it is
// well-formed, which is left to forwardedFor to find out. It is -1 if the element
// is longer than maxEntryBytes.
func elementStart(line string) int {
	quoted := false
	least := max(0, len(line)-1-maxEntryBytes)
	for i := len(line) - 1; i >= least; i-- {
		switch line[i] {
		case '"':
			quoted = !quoted || i > 0 && line[i-1] == '\\'
		case ',':
			if !quoted {
				return i + 1
			}
		}
	}
	if len(line) > maxEntryBytes {
		return -1
	}
	return 0
}

// forwardedFor returns the value of the for parameter of an element, which is
// there exactly once, without quotes and escapes. It is not ok if the element is
// not well-formed.
//
// Two liberties are taken with the grammar, neither of which moves the end of an
// element: spaces may stand around a semicolon, and a value without quotes may
// have characters in it that ask for them, as in for=[2001:db8::7]:4711, because
// proxies write such things.
func forwardedFor(element string) (node string, ok bool) {
	for rest := element; ; rest = rest[1:] {
		rest = textproto.TrimString(rest)
		if rest != "" && rest[0] != ';' { // there may be nothing between semicolons
			name, value, after, wellFormed := cutPair(rest)
			if !wellFormed {
				return "", false
			}
			if strings.EqualFold(name, "for") {
				if ok {
					return "", false
				}
				node, ok = unquote(value), true
			}
			rest = textproto.TrimString(after)
		}
		if rest == "" {
			return node, ok
		}
		if rest[0] != ';' {
			return "", false
		}
	}
}

// cutPair cuts a parameter, name=value, off the beginning of s. A quoted value
// keeps its quotes.
func cutPair(s string) (name, value, rest string, ok bool) {
	equals := 0
	for equals < len(s) && isTokenChar(s[equals]) {
		equals++
	}
	if equals == 0 || equals == len(s) || s[equals] != '=' {
		return "", "", "", false
	}
	name, s = s[:equals], s[equals+1:]
	n := valueLen(s)
	return name, s[:n], s[n:], n > 0
}

// valueLen returns the length of the value that s begins with, 0 if with none.
func valueLen(s string) int {
	if s != "" && s[0] == '"' {
		return quotedLen(s)
	}
	n := 0
	for n < len(s) && isBare(s[n]) {
		n++
	}
	return n
}

// isBare reports whether c may be in a value without quotes.
func isBare(c byte) bool {
	return c > ' ' && c != '"' && c != ',' && c != ';' && c != 0x7f
}

// quotedLen returns the length of the quoted string (RFC 9110, section 5.6.4)
// that s begins with, its quotes included, and 0 if it is not closed.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return 0
}

// unquote returns what a value of cutPair means. It allocates only if a character
// is escaped.
func unquote(value string) string {
	if value[0] != '"' {
		return value
	}
	value = value[1 : len(value)-1]
	if strings.IndexByte(value, '\\') < 0 {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String()
}
