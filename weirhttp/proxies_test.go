package weirhttp_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirhq/weir/weirhttp"
)

// The networks that most tests trust, and the peer that most requests come from.
var proxyNetworks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}

const proxyPeer = "10.0.0.1:4711"

func trustProxies(t testing.TB, source weirhttp.AddrHeader, trusted ...netip.Prefix) func(*http.Request) netip.Addr {
	t.Helper()
	clientAddr, err := weirhttp.TrustProxies(source, trusted...)
	if err != nil {
		t.Fatal(err)
	}
	return clientAddr
}

// addrText is the text of an address, "" for none.
func addrText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	return addr.String()
}

// An addrCase is the lines of one header, all sent by proxyPeer, and the address that counts.
type addrCase struct {
	name  string
	lines []string
	want  string
}

func checkAddrs(t *testing.T, source weirhttp.AddrHeader, cases []addrCase) {
	t.Helper()
	clientAddr := trustProxies(t, source, proxyNetworks...)
	for _, c := range cases {
		r := &http.Request{RemoteAddr: proxyPeer, Header: http.Header{http.CanonicalHeaderKey(string(source)): c.lines}}
		if got := addrText(clientAddr(r)); got != c.want {
			t.Errorf("%s: %s: %q is %s, want %s", source, c.name, c.lines, got, c.want)
		}
	}
}

func TestXForwardedFor(t *testing.T) {
	checkAddrs(t, weirhttp.XForwardedFor, []addrCase{
		{"one hop", []string{"203.0.113.7"}, "203.0.113.7"},
		{"two hops", []string{"203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"three hops, both families", []string{"2001:db8::7, 2001:db8:ffff::1, 10.0.0.2"}, "2001:db8::7"},
		{"no spaces, or tabs", []string{"203.0.113.7,10.0.0.3,\t10.0.0.2\t"}, "203.0.113.7"},

		{"what the client sent is not looked at", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7"},
		{"not even if it is a proxy's address", []string{"10.0.0.9, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"not even if it is rubbish", []string{`;drop "table, 203.0.113.7`}, "203.0.113.7"},

		{"lines are one list", []string{"198.51.100.1", "203.0.113.7"}, "203.0.113.7"},
		{"in their order", []string{"198.51.100.1, 203.0.113.7", "10.0.0.3", "10.0.0.2"}, "203.0.113.7"},
		{"the first line is read too", []string{"203.0.113.7", "10.0.0.3, 10.0.0.2"}, "203.0.113.7"},

		{"all are proxies", []string{"10.0.0.4, 10.0.0.3", "10.0.0.2"}, "10.0.0.4"},
		{"no line", nil, "10.0.0.1"},
		{"no text", []string{""}, "10.0.0.1"},

		{"an empty entry ends the walk", []string{"203.0.113.7, , 10.0.0.2"}, "10.0.0.2"},
		{"one at the end too", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"and an empty line", []string{"203.0.113.7", "", "10.0.0.2"}, "10.0.0.2"},
		{"and one of spaces", []string{"203.0.113.7", " \t"}, "10.0.0.1"},
		{"the beginning of a line may be empty", []string{", 203.0.113.7"}, "203.0.113.7"},
		{"rubbish ends the walk", []string{"203.0.113.7, localhost, 10.0.0.2"}, "10.0.0.2"},
		{"so does what is hidden", []string{"203.0.113.7, _hidden, 10.0.0.2"}, "10.0.0.2"},
		{"or unknown", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"or on a Unix socket", []string{"203.0.113.7, unix:"}, "10.0.0.1"},
		{"two addresses without a comma", []string{"203.0.113.7 10.0.0.2"}, "10.0.0.1"},
		{"a comma separates within quotes too", []string{`"203.0.113.7, 10.0.0.2"`}, "10.0.0.1"},

		{"a mapped client", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"a mapped proxy is a proxy", []string{"203.0.113.7, ::ffff:10.0.0.2"}, "203.0.113.7"},
		{"a client with a zone", []string{"fe80::7%eth0"}, "fe80::7"},
		{"a proxy with a zone is a proxy", []string{"203.0.113.7, 2001:db8:ffff::1%eth0"}, "203.0.113.7"},
	})
}

// nodes are the forms of an address that count, and things that are none. In a Forwarded header most of them must be
// in quotes.
var nodes = []struct{ text, want string }{
	{"203.0.113.7", "203.0.113.7"},
	{"203.0.113.7:80", "203.0.113.7"},
	{"203.0.113.7:00080", "203.0.113.7"},
	{"203.0.113.7:_secret.1-2", "203.0.113.7"},
	{"0.0.0.0", "0.0.0.0"},
	{"2001:db8::7", "2001:db8::7"},
	{"2001:DB8:0:0:0:0:0:7", "2001:db8::7"},
	{"[2001:db8::7]", "2001:db8::7"},
	{"[2001:db8::7]:80", "2001:db8::7"},
	{"[2001:db8::7]:_x", "2001:db8::7"},
	{"::", "::"},
	{"[fe80::7%eth0]:80", "fe80::7"},
	{"fe80::7%eth0", "fe80::7"},
	{"::ffff:203.0.113.7", "203.0.113.7"},
	{"::ffff:cb00:7107", "203.0.113.7"},
	{"[::ffff:203.0.113.7]:80", "203.0.113.7"},
	{"::ffff:203.0.113.7%eth0", "203.0.113.7"},
	{"2001:db8::7:80", "2001:db8::7:80"}, // an address, whatever the proxy meant

	{"", ""},
	{"unknown", ""},
	{"unknown:80", ""},
	{"_hidden", ""},
	{"_", ""},
	{"203.0.113.7:", ""},
	{"203.0.113.7:_", ""},
	{"203.0.113.7:_a@b", ""},
	{"[2001:db8::7]:_a:b", ""},
	{"203.0.113.7:http", ""},
	{"203.0.113.7:-1", ""},
	{"203.0.113.7:123456", ""},
	{"203.0.113.7:80:80", ""},
	{"203.0.113.7/32", ""},
	{"203.0.113.7%eth0", ""},
	{"203.0.113.07", ""}, // octal to some
	{"203.0.113", ""},
	{"203.0.113.256", ""},
	{"3405803783", ""},
	{"0xcb007107", ""},
	{"[203.0.113.7]", ""},
	{"[203.0.113.7]:80", ""},
	{"[2001:db8::7", ""},
	{"2001:db8::7]", ""},
	{"[2001:db8::7]80", ""},
	{"[2001:db8::7]:", ""},
	{"[2001:db8::7]]", ""},
	{"[[2001:db8::7]]", ""},
	{"[fe80::7%a]b]", ""},
	{"[]", ""},
	{"[]:80", ""},
	{"[", ""},
	{":", ""},
	{":80", ""},
	{"2001:db8:1:2:3:4:5:6:80", ""}, // a port without brackets, found out
	{"2001:db8::7%", ""},
	{"example.com", ""},
	{"203.0.113.7\x00", ""},
	{"\u00a0203.0.113.7", ""},          // a space that is none in HTTP
	{"\uff12\uff10\uff13.0.113.7", ""}, // digits of another script
}

// Every source knows the same addresses. Where the entry is none, the peer counts.
func TestNodes(t *testing.T) {
	for _, n := range nodes {
		want := n.want
		if want == "" {
			want = "10.0.0.1"
		}
		for _, source := range []weirhttp.AddrHeader{weirhttp.XForwardedFor, "X-Real-IP"} {
			checkAddrs(t, source, []addrCase{
				{"plain", []string{n.text}, want},
				{"in spaces", []string{" \t" + n.text + "\t "}, want},
				{"in quotes", []string{` "` + n.text + `"`}, want},
				{"in a quote", []string{`"` + n.text}, "10.0.0.1"},
				{"in two pairs of quotes", []string{`""` + n.text + `""`}, "10.0.0.1"},
			})
		}
		checkAddrs(t, weirhttp.Forwarded, []addrCase{
			{"quoted", []string{`for="` + n.text + `"`}, want},
			{"quotes escaped", []string{`for="\"` + n.text + `\""`}, "10.0.0.1"},
		})
	}
}

func TestSingleHeader(t *testing.T) {
	checkAddrs(t, "x-real-ip", []addrCase{
		{"one address", []string{"203.0.113.7"}, "203.0.113.7"},
		{"of a proxy", []string{"10.0.0.2"}, "10.0.0.2"},
		{"no line", nil, "10.0.0.1"},
		{"no text", []string{""}, "10.0.0.1"},
		{"rubbish", []string{"unknown"}, "10.0.0.1"},

		// A proxy that adds its header to the client's, and one that joins them.
		{"two lines", []string{"198.51.100.1", "203.0.113.7"}, "10.0.0.1"},
		{"two lines that are equal", []string{"203.0.113.7", "203.0.113.7"}, "10.0.0.1"},
		{"two lines, one empty", []string{"", "203.0.113.7"}, "10.0.0.1"},
		{"two addresses", []string{"198.51.100.1, 203.0.113.7"}, "10.0.0.1"},
		{"an address and nothing", []string{"203.0.113.7,"}, "10.0.0.1"},
		{"two words", []string{"203.0.113.7 203.0.113.7"}, "10.0.0.1"},
	})
}

// No header is read unless the peer is trusted, and no other than the source.
func TestTrustOfPeers(t *testing.T) {
	for _, source := range []weirhttp.AddrHeader{weirhttp.XForwardedFor, weirhttp.Forwarded, "X-Real-IP"} {
		for _, c := range []struct{ peer, want string }{
			{"10.0.0.1:80", "203.0.113.7"},
			{"10.255.255.255:80", "203.0.113.7"},
			{"[::ffff:10.0.0.1]:80", "203.0.113.7"},
			{"[2001:db8:ffff::1]:80", "203.0.113.7"},
			{"[2001:db8:ffff::1%eth0]:80", "203.0.113.7"},
			{"10.0.0.1", "203.0.113.7"},

			{"9.255.255.255:80", "9.255.255.255"},
			{"11.0.0.0:80", "11.0.0.0"},
			{"[2001:db8:fffe::1]:80", "2001:db8:fffe::1"},
			{"[::10.0.0.1]:80", "::a00:1"}, // not mapped
			{"[::ffff:198.51.100.1]:80", "198.51.100.1"},
			{"[fe80::1%eth0]:80", "fe80::1"},
			{"", ""},
			{"@", ""},
			{"10.0.0.1:", ""},
			{"10.0.0.1, 10.0.0.1", ""},
		} {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{
				"X-Forwarded-For": {"198.51.100.2"}, "Forwarded": {"for=198.51.100.3"}, "X-Real-Ip": {"198.51.100.4"},
				"True-Client-Ip": {"198.51.100.5"}, "X-Client-Ip": {"198.51.100.6"}, "Cf-Connecting-Ip": {"198.51.100.7"},
			}}
			said := "203.0.113.7"
			if source == weirhttp.Forwarded {
				said = "for=203.0.113.7"
			}
			r.Header.Set(string(source), said)
			clientAddr := trustProxies(t, source, proxyNetworks...)
			if got := addrText(clientAddr(r)); got != c.want {
				t.Errorf("%s from %q: %s, want %s", source, c.peer, got, c.want)
			}
			r.Header.Del(string(source))
			if got, want := clientAddr(r), trustProxies(t, "X-None", proxyNetworks...)(r); got != want {
				t.Errorf("%s missing, from %q: %s, want the peer, %s", source, c.peer, got, want)
			}
		}
	}
}

// However long a header is, a bounded part of it is read; what counts then is the last trusted hop.
func TestBounds(t *testing.T) {
	const maxHops, maxEntryBytes = 16, 512
	repeat := func(n int, entry string) string { return strings.TrimSuffix(strings.Repeat(entry+",", n), ",") }
	pad := func(entry string, n int) string { return strings.Repeat(" ", n-len(entry)) + entry }
	megabyte := strings.Repeat("x", 1<<20)

	checkAddrs(t, weirhttp.XForwardedFor, []addrCase{
		{"the last hop", []string{"203.0.113.7," + repeat(maxHops-1, "10.0.0.2")}, "203.0.113.7"},
		{"beyond", []string{"203.0.113.7,10.0.0.9," + repeat(maxHops-1, "10.0.0.2")}, "10.0.0.9"},
		{"beyond, in lines", append([]string{"203.0.113.7", "10.0.0.9"}, strings.Split(repeat(maxHops-1, "10.0.0.2"), ",")...),
			"10.0.0.9"},
		{"the longest entry", []string{pad("203.0.113.7", maxEntryBytes)}, "203.0.113.7"},
		{"after a comma", []string{"," + pad("203.0.113.7", maxEntryBytes)}, "203.0.113.7"},
		{"longer", []string{pad("203.0.113.7", maxEntryBytes+1)}, "10.0.0.1"},
		{"longer, after a comma", []string{"," + pad("203.0.113.7", maxEntryBytes+1)}, "10.0.0.1"},
		{"longer, before a hop", []string{pad("203.0.113.7", maxEntryBytes+1) + ",10.0.0.2"}, "10.0.0.2"},
		{"a megabyte on the left", []string{megabyte + ", 203.0.113.7"}, "203.0.113.7"},
		{"a megabyte next", []string{megabyte + ", 10.0.0.2"}, "10.0.0.2"},
	})
	checkAddrs(t, weirhttp.Forwarded, []addrCase{
		{"the last hop", []string{"for=203.0.113.7," + repeat(maxHops-1, "for=10.0.0.2")}, "203.0.113.7"},
		{"beyond", []string{"for=203.0.113.7,for=10.0.0.9," + repeat(maxHops-1, "for=10.0.0.2")}, "10.0.0.9"},
		{"the longest element", []string{pad("for=203.0.113.7", maxEntryBytes)}, "203.0.113.7"},
		{"after a comma", []string{"," + pad("for=203.0.113.7", maxEntryBytes)}, "203.0.113.7"},
		{"longer", []string{pad("for=203.0.113.7", maxEntryBytes+1)}, "10.0.0.1"},
		{"longer, after a comma", []string{"," + pad("for=203.0.113.7", maxEntryBytes+1)}, "10.0.0.1"},
		{"a megabyte on the left", []string{megabyte + ", for=203.0.113.7"}, "203.0.113.7"},
		{"a megabyte next", []string{megabyte + ", for=10.0.0.2"}, "10.0.0.2"},
		{"a megabyte of it quoted", []string{`x="` + megabyte + `";for=203.0.113.7`}, "10.0.0.1"},
	})
	checkAddrs(t, "X-Real-IP", []addrCase{
		{"the longest", []string{pad("203.0.113.7", maxEntryBytes)}, "203.0.113.7"},
		{"longer", []string{pad("203.0.113.7", maxEntryBytes+1)}, "10.0.0.1"},
	})
}
