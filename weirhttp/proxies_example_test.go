package weirhttp_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A service behind a proxy on the same host. The client has sent a header of its
// own, in vain: the proxy has appended the address that it was called from.
func ExampleTrustProxies() {
	clientAddr, err := weirhttp.TrustProxies(weirhttp.XForwardedFor, weirhttp.Loopback()...)
	if err != nil {
		log.Fatal(err)
	}
	r := &http.Request{RemoteAddr: "127.0.0.1:4711", Header: http.Header{}}
	r.Header.Set("X-Forwarded-For", "192.0.2.1, 203.0.113.7")
	fmt.Println(clientAddr(r))

	r.RemoteAddr = "198.51.100.9:4711" // not through the proxy
	fmt.Println(clientAddr(r))
	// Output:
	// 203.0.113.7
	// 198.51.100.9
}

// With partitions: the address goes into the request that the limiter is asked
// about.
func ExampleTrustProxies_partitions() {
	clientAddr, err := weirhttp.TrustProxies(weirhttp.Forwarded, netip.MustParsePrefix("10.0.0.0/28"))
	if err != nil {
		log.Fatal(err)
	}
	resolver, err := weir.NewResolver(func(_ context.Context, sourceKey string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource
	})
	if err != nil {
		log.Fatal(err)
	}
	one := weir.PerMinute(1)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: one, weir.User: one, weir.Business: one, weir.BusinessIntake: one,
	})
	if err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.New(limiter, func(r *http.Request) weir.Request {
		req := weirhttp.Anonymous(r)
		req.Addr = clientAddr(r)
		return req
	})

	handler := limit(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, client := range []string{"203.0.113.7", "203.0.113.7", `"[2001:db8::7]:4711"`} {
		r := httptest.NewRequest(http.MethodGet, "/contacts", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("Forwarded", "for="+client+";proto=https")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(client, w.Code)
	}
	// Output:
	// 203.0.113.7 200
	// 203.0.113.7 429
	// "[2001:db8::7]:4711" 200
}

// A header of one address, which this proxy sets whatever the client has sent.
func ExampleTrustProxies_singleHeader() {
	clientAddr, err := weirhttp.TrustProxies("X-Real-IP", netip.MustParsePrefix("10.0.0.1/32"))
	if err != nil {
		log.Fatal(err)
	}
	r := &http.Request{RemoteAddr: "10.0.0.1:4711", Header: http.Header{}}
	r.Header.Set("X-Real-IP", "203.0.113.7")
	fmt.Println(clientAddr(r))

	r.Header.Add("X-Real-IP", "198.51.100.1") // it does not after all: whose is it?
	fmt.Println(clientAddr(r))
	// Output:
	// 203.0.113.7
	// 10.0.0.1
}

// What cannot be safe is refused when the service starts.
func ExampleTrustProxies_refused() {
	_, err := weirhttp.TrustProxies(weirhttp.XForwardedFor, netip.MustParsePrefix("0.0.0.0/0"))
	fmt.Println(err)
	// Output: weir: TrustProxies: trusted[0] is 0.0.0.0/0; it must be /8 or longer: the network of your proxies, not that of everybody
}

// A service that its proxy calls over a Unix socket, with the request as net/http
// makes it of such a connection.
func ExampleTrustUnixSocket() {
	clientAddr, err := weirhttp.TrustUnixSocket(weirhttp.XForwardedFor)
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "@"
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey,
		&net.UnixAddr{Name: "/run/leads/http.sock", Net: "unix"}))
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	fmt.Println(clientAddr(r))
	// Output: 203.0.113.7
}
