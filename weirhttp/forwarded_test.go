package weirhttp_test

import (
	"testing"

	"github.com/weirhq/weir/weirhttp"
)

func TestForwarded(t *testing.T) {
	checkAddrs(t, weirhttp.Forwarded, []addrCase{
		// The examples of RFC 7239, section 4 and 6.3.
		{"obfuscated", []string{`for="_gazonk"`}, "10.0.0.1"},
		{"IPv6 with a port", []string{`For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"three parameters", []string{`for=192.0.2.60;proto=http;by=203.0.113.43`}, "192.0.2.60"},
		{"two elements", []string{`for=192.0.2.43, for=198.51.100.17`}, "198.51.100.17"},
		{"and more", []string{`for=_hidden, for=_SEVKISEK`}, "10.0.0.1"},

		{"two hops", []string{`for=203.0.113.7, for=10.0.0.2`}, "203.0.113.7"},
		{"three, in lines", []string{`for=203.0.113.7`, `for="[2001:db8:ffff::1]", for=10.0.0.2`}, "203.0.113.7"},
		{"all are proxies", []string{`for=10.0.0.3`, `for="10.0.0.2:80"`}, "10.0.0.3"},
		{"a mapped proxy is a proxy", []string{`for=203.0.113.7, for="[::ffff:10.0.0.2]"`}, "203.0.113.7"},
		{"by is not for", []string{`by=203.0.113.7`}, "10.0.0.1"},
		{"nor is before, or forth", []string{`before=203.0.113.7;forth=203.0.113.7`}, "10.0.0.1"},
		{"any case of the name", []string{`by=10.0.0.1;FOR=203.0.113.7;proto=https`}, "203.0.113.7"},
		{"extensions", []string{`secret=a==;!#$%&'*+-.^_|~x="";for=203.0.113.7`}, "203.0.113.7"},
		{"escapes", []string{`host="a\\\"";for="203.0\.113.7\:80"`}, "203.0.113.7"},

		// A comma or a semicolon in quotes separates nothing.
		{"a quoted comma", []string{`for=203.0.113.7;by="a, for=198.51.100.1"`}, "203.0.113.7"},
		{"and another element", []string{`for=203.0.113.7;by=",",for=10.0.0.2;by="x\",\\"`}, "203.0.113.7"},
		{"a quoted semicolon", []string{`by=";for=198.51.100.1";for=203.0.113.7`}, "203.0.113.7"},
		{"no address in it", []string{`for="198.51.100.1, for=203.0.113.7"`}, "10.0.0.1"},

		// Liberties.
		{"IPv6 without quotes", []string{`for=[2001:db8::7]:80;proto=http`}, "2001:db8::7"},
		{"and without brackets", []string{`for=2001:db8::7`}, "2001:db8::7"},
		{"another value without quotes", []string{`host=a.example:80;for=203.0.113.7`}, "203.0.113.7"},
		{"spaces around semicolons", []string{` for=203.0.113.7 ; proto=http	;`}, "203.0.113.7"},
		{"nothing between semicolons", []string{`;;for=203.0.113.7;;`}, "203.0.113.7"},

		// Not well-formed.
		{"no text", []string{``}, "10.0.0.1"},
		{"no parameter", []string{`;`}, "10.0.0.1"},
		{"no name", []string{`=203.0.113.7`}, "10.0.0.1"},
		{"no value", []string{`for=`}, "10.0.0.1"},
		{"no value, but more", []string{`for=;by=10.0.0.1`}, "10.0.0.1"},
		{"no equals sign", []string{`for`}, "10.0.0.1"},
		{"an address alone", []string{`203.0.113.7`}, "10.0.0.1"},
		{"spaces around it", []string{`for = 203.0.113.7`}, "10.0.0.1"},
		{"two of for", []string{`for=203.0.113.7;for=203.0.113.7`}, "10.0.0.1"},
		{"in other letters", []string{`for=203.0.113.7;by=a;For="203.0.113.7"`}, "10.0.0.1"},
		{"more after a quote", []string{`for="203.0.113.7"x`}, "10.0.0.1"},
		{"more before one", []string{`for=x"203.0.113.7"`}, "10.0.0.1"},
		{"more after a space", []string{`for=203.0.113.7 x`}, "10.0.0.1"},
		{"another parameter is not", []string{`for=203.0.113.7;by`}, "10.0.0.1"},
		{"a name with other characters", []string{`a@b=c;for=203.0.113.7`}, "10.0.0.1"},
		{"another parameter has no name", []string{`=a;for=203.0.113.7`}, "10.0.0.1"},
		{"or a control character", []string{"by=a\x7f;for=203.0.113.7"}, "10.0.0.1"},
		{"or a quote inside", []string{`by=a"b;for=203.0.113.7`}, "10.0.0.1"},
		{"or two", []string{`by=a"b";for=203.0.113.7`}, "10.0.0.1"},
		{"or an open one", []string{`by="a;for=203.0.113.7`}, "10.0.0.1"},
		{"an open quote", []string{`for="203.0.113.7`}, "10.0.0.1"},
		{"closed by an escape", []string{`for="203.0.113.7\"`}, "10.0.0.1"},
		{"a quote too many", []string{`for="203.0.113.7""`}, "10.0.0.1"},
		{"a quote alone", []string{`"`}, "10.0.0.1"},
		{"which ends the walk", []string{`for=203.0.113.7, for, for=10.0.0.2`}, "10.0.0.2"},
		{"as does an empty element", []string{`for=203.0.113.7, , for=10.0.0.2`}, "10.0.0.2"},
	})
}

// Whatever the client sends, the elements that trusted proxies append are read as they wrote them: here, client and
// two hops, appended to the client's line, and in lines of their own.
func TestForwardedIsReadFromTheRight(t *testing.T) {
	for _, sent := range []string{
		``, `,`, `"`, `\`, `\"`, `"\`, `=`, `="`, `;`, `for=`, `for="`, `for="\`, `for="x`, `for="x\"`, `by="`,
		`for=198.51.100.1`, `for="198.51.100.1`, `for="198.51.100.1"`, `for=198.51.100.1;`, `for="198.51.100.1";by="`,
		`for="198.51.100.1, for=10.0.0.1`, `for="a", "`, `"","`, `for="a\", for="b`,
	} {
		const client, near = `For="[2001:db8::7]:4711";by="a, \"b\\"`, `for=10.0.0.3;proto="http"`
		checkAddrs(t, weirhttp.Forwarded, []addrCase{
			{"one line", []string{sent + ", " + client + "," + near}, "2001:db8::7"},
			{"two lines", []string{sent + "," + client, near}, "2001:db8::7"},
			{"three lines", []string{sent, client, near}, "2001:db8::7"},
			{"three lines, joined further on", []string{sent, client + ", " + near}, "2001:db8::7"},
		})
	}
}
