package weirhttp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// Each test here replays a failure that was published of another library, and says what happened there and why it
// cannot here.

const (
	attacker = "198.51.100.9" // where the attacker really is
	victim   = "203.0.113.7"  // who the attacker would like to be
)

// from is a request with this peer and these headers, given in pairs.
func from(peer string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func wantAddr(t *testing.T, clientAddr func(*http.Request) netip.Addr, r *http.Request, want string) {
	t.Helper()
	if got := addrText(clientAddr(r)); got != want {
		t.Errorf("from %s with %v: %s, want %s", r.RemoteAddr, r.Header, got, want)
	}
}

// one is middleware that admits one request of each address, and no more.
func one(t *testing.T, clientAddr func(*http.Request) netip.Addr) http.Handler {
	t.Helper()
	return weirhttp.ByKey(newLimiter(t, oneIn17s), func(r *http.Request) string { return clientAddr(r).String() })(teapot)
}

// GHSA-3fxj-6jh8-hvhx (chi): RealIP took the leftmost entry of X-Forwarded-For for the client, whoever had sent it.
// With "X-Forwarded-For: 1.2.3.4, 5.6.7.8" anybody was the administrator at 1.2.3.4.
//
// Here the header of a peer that is not trusted is not read at all, and behind a proxy the entry that counts is the one
// that the proxy has appended, on the right.
func TestGHSA_3fxj_6jh8_hvhx(t *testing.T) {
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...)
	wantAddr(t, clientAddr, from(attacker+":80", "X-Forwarded-For", "1.2.3.4, 5.6.7.8"), attacker)
	wantAddr(t, clientAddr, from(proxyPeer, "X-Forwarded-For", "1.2.3.4, 5.6.7.8, "+attacker), attacker)

	// The fix that the advisory sketches passes over entries that do not parse. Then whoever has the proxy report
	// something unreadable is believed again; here such an entry ends the walk.
	wantAddr(t, clientAddr, from(proxyPeer, "X-Forwarded-For", "1.2.3.4, unknown"), "10.0.0.1")
}

// GHSA-9g5q-2w5x-hmxf (chi): RealIP split X-Forwarded-For at its commas and used the first address, which a client
// writes, rather than the one that the proxy appends. "192.0.2.2, 192.0.2.1" was 192.0.2.2.
//
// Here the list is read from the right, its lines as one list: a client that sends a line of its own, in the hope that
// only the first is read, gains nothing.
func TestGHSA_9g5q_2w5x_hmxf(t *testing.T) {
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...)
	wantAddr(t, clientAddr, from(proxyPeer, "X-Forwarded-For", "192.0.2.2, 192.0.2.1"), "192.0.2.1")
	wantAddr(t, clientAddr, from(proxyPeer, "X-Forwarded-For", "192.0.2.2", "X-Forwarded-For", "192.0.2.1"), "192.0.2.1")
}

// GHSA-rjr7-jggh-pgcp (chi): RealIP believed True-Client-IP, X-Real-IP and X-Forwarded-For, in this order, without
// asking whether a proxy had sent them. So a proxy that kept one of them clean was passed by with another.
//
// Here one header is chosen, and the others are not read, from a proxy neither.
func TestGHSA_rjr7_jggh_pgcp(t *testing.T) {
	headers := []string{"True-Client-IP", victim, "X-Real-IP", victim, "X-Forwarded-For", victim, "Forwarded", "for=" + victim}
	for _, source := range []weirhttp.AddrHeader{"True-Client-IP", "X-Real-IP", weirhttp.XForwardedFor, weirhttp.Forwarded} {
		clientAddr := trustProxies(t, source, proxyNetworks...)
		wantAddr(t, clientAddr, from(attacker+":80", headers...), attacker)

		behindProxy := from(proxyPeer, headers...)
		behindProxy.Header.Set(string(source), map[bool]string{true: "for=" + attacker, false: attacker}[source == weirhttp.Forwarded])
		wantAddr(t, clientAddr, behindProxy, attacker)
		behindProxy.Header.Del(string(source))
		wantAddr(t, clientAddr, behindProxy, "10.0.0.1")
	}
}

// CVE-2026-30827 (express-rate-limit): the IPv6 prefix, /56, was cut off mapped addresses too. All of these begin with
// 80 zeros, so on a server for both families all IPv4 clients shared one budget, and one could use it up for all.
//
// Here addresses are unmapped before anything looks at them, from the connection and from a header alike, and the
// resolver does it again before it cuts.
func TestCVE_2026_30827(t *testing.T) {
	resolver, err := weir.NewResolver(sourceOf, weir.WithIPv6Prefix(56))
	if err != nil {
		t.Fatal(err)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, forAll(oneIn17s), weir.WithClock(stopped))
	if err != nil {
		t.Fatal(err)
	}
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...)
	handler := weirhttp.New(limiter, func(r *http.Request) weir.Request {
		req := weirhttp.Anonymous(r)
		req.Addr = clientAddr(r)
		return req
	})(teapot)
	for n, want := range []int{http.StatusTeapot, http.StatusTooManyRequests} {
		for _, r := range []*http.Request{
			from("[::ffff:" + attacker + "]:80"), from("[::ffff:" + victim + "]:80"),
			from(proxyPeer, "X-Forwarded-For", "::ffff:192.0.2.1"), from(proxyPeer, "X-Forwarded-For", "::ffff:192.0.2.2"),
		} {
			if got := call(handler, r).StatusCode; got != want {
				t.Errorf("request %d from %s with %v: status %d, want %d", n, r.RemoteAddr, r.Header, got, want)
			}
		}
	}
}

// GHSA-5847-rm3g-23mw (OpenClaw): failed logins were counted by the text of the socket's address, so that 1.2.3.4 and
// ::ffff:1.2.3.4 had budgets of their own, and one client twice as many attempts.
//
// Here both are one address. So are all spellings of it in a header, and addresses with a zone.
func TestGHSA_5847_rm3g_23mw(t *testing.T) {
	for _, forms := range [][]string{
		{"1.2.3.4", "::ffff:1.2.3.4", "::FFFF:1.2.3.4", "::ffff:102:304", "0:0:0:0:0:ffff:1.2.3.4", "[::ffff:1.2.3.4]:80", "1.2.3.4:80"},
		{"fe80::1", "fe80::1%eth0", "fe80::1%eth1", "FE80:0::0:1", "[fe80::1%eth0]:80"},
	} {
		handler := one(t, trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...))
		want := http.StatusTeapot
		for _, form := range forms {
			if got := call(handler, from(proxyPeer, "X-Forwarded-For", form)).StatusCode; got != want {
				t.Errorf("X-Forwarded-For: %s: status %d, want %d", form, got, want)
			}
			want = http.StatusTooManyRequests
			if addr, err := netip.ParseAddr(form); err == nil {
				peer := netip.AddrPortFrom(addr, 80).String()
				if got := call(handler, from(peer)).StatusCode; got != want {
					t.Errorf("from %s: status %d, want %d", peer, got, want)
				}
			}
		}
	}
}

// CVE-2026-39409 (Hono): IPv4 rules were compared with addresses as they came, so the rule for 127.0.0.1 did not match
// ::ffff:127.0.0.1, which is what a server for both families sees, and who was denied came in.
//
// Here a trusted IPv4 prefix holds for mapped addresses, of peers and of entries; a prefix of mapped addresses holds for
// IPv4; and what comes out can be compared with IPv4 rules.
func TestCVE_2026_39409(t *testing.T) {
	for _, trusted := range []string{"127.0.0.0/8", "::ffff:127.0.0.0/104"} {
		clientAddr := trustProxies(t, weirhttp.XForwardedFor, netip.MustParsePrefix(trusted))
		for _, peer := range []string{"127.0.0.1:80", "[::ffff:127.0.0.1]:80"} {
			wantAddr(t, clientAddr, from(peer, "X-Forwarded-For", victim+", ::ffff:127.0.0.2"), victim)
		}
	}
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...)
	denied := netip.MustParsePrefix("127.0.0.0/8")
	for _, r := range []*http.Request{from("[::ffff:127.0.0.1]:80"), from(proxyPeer, "X-Forwarded-For", "::ffff:127.0.0.1")} {
		if got := clientAddr(r); !denied.Contains(got) {
			t.Errorf("from %s with %v: %s, which is not in %s", r.RemoteAddr, r.Header, got, denied)
		}
	}
}

// ulule/limiter#181: the review of that change names what makes a choice of headers unsafe. The library takes the
// leftmost entry that parses, so entries may be put before it and rubbish is passed over; where X-Forwarded-For has no
// address it falls back on X-Real-IP, which nobody may have set but the client; and then on the connection.
//
// Here nothing stands in for the header that was chosen but the last trusted hop.
func TestUluleLimiter181(t *testing.T) {
	clientAddr := trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...)
	for sent, want := range map[string]string{
		victim + ", " + attacker:                 attacker, // not the leftmost
		"rubbish, " + victim + ", " + attacker:   attacker, // not the first that parses
		attacker + ", rubbish":                   "10.0.0.1",
		"rubbish":                                "10.0.0.1", // not the next header
		"":                                       "10.0.0.1",
		victim + ", rubbish, 10.0.0.3, 10.0.0.2": "10.0.0.3",
		victim + ", " + attacker + ", " + "10.0.0.2": attacker,
	} {
		wantAddr(t, clientAddr, from(proxyPeer, "X-Forwarded-For", sent, "X-Real-IP", victim), want)
	}
	wantAddr(t, clientAddr, from(proxyPeer, "X-Real-IP", victim), "10.0.0.1")
}

// go-chi/httprate#61: KeyByRealIP took its key from headers that anybody may send. By changing the header with every
// request a client was never limited; by holding it at the victim's address, it used up the victim's budget.
//
// Here neither has an effect, from outside as from behind a proxy.
func TestHTTPRate61(t *testing.T) {
	for name, send := range map[string]func(client, header, value string) *http.Request{
		"from outside": func(client, header, value string) *http.Request { return from(client+":80", header, value) },
		"behind a proxy": func(client, header, value string) *http.Request {
			r := from(proxyPeer, header, value)
			sent := r.Header.Get("X-Forwarded-For")
			r.Header.Set("X-Forwarded-For", sent+", "+client)
			return r
		},
	} {
		handler := one(t, trustProxies(t, weirhttp.XForwardedFor, proxyNetworks...))
		headers := []string{"True-Client-IP", "X-Real-IP", "X-Forwarded-For"}
		admitted := 0
		for n := range 60 { // evade, and lock out
			value := victim
			if n%2 == 0 {
				value = fmt.Sprintf("192.0.2.%d", n)
			}
			if call(handler, send(attacker, headers[n%3], value)).StatusCode == http.StatusTeapot {
				admitted++
			}
		}
		if admitted != 1 {
			t.Errorf("%s: %d of the attacker's requests were admitted, want 1", name, admitted)
		}
		if got := call(handler, send(victim, "Accept", "*/*")).StatusCode; got != http.StatusTeapot {
			t.Errorf("%s: the victim's request has status %d", name, got)
		}
	}
}
