// Demo serves the page of weirhttp.Debug beside a limited handler, and sends that
// handler random traffic: something to look at, and what run.mjs of the directory
// above tests in a browser.
//
//	go run ./browser-tests/demo                       # http://127.0.0.1:8081/debug/weir, until Ctrl-C
//	go run ./browser-tests/demo -addr 127.0.0.1:0     # on a free port, which it prints
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8081", "the `address` that the page is served on")
	flag.Parse()
	limiter, err := newLimiter()
	if err != nil {
		log.Fatal(err)
	}
	debug := weirhttp.NewDebug(limiter, weirhttp.ShowKeys(), weirhttp.TopKeys(8))
	limited := weirhttp.New(limiter, describe, weirhttp.WithOnDecision(debug.Observe))(http.NotFoundHandler())

	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/weir", debug)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go send(limited)
	fmt.Printf("http://%s/debug/weir\n", listener.Addr())
	log.Fatal(server.Serve(listener))
}

func newLimiter() (*weir.PartitionLimiter, error) {
	resolver, err := weir.NewResolver(func(_ context.Context, sourceKey string) (weir.Source, error) {
		switch sourceKey {
		case "spring", "autumn":
			return weir.Source{BusinessID: "business of " + sourceKey, Enabled: sourceKey == "spring"}, nil
		}
		return weir.Source{}, weir.ErrNoSource
	})
	if err != nil {
		return nil, err
	}
	quota := weir.Quota{Limit: 300, Period: time.Minute, Burst: 30}
	return weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: quota, weir.User: quota, weir.Business: quota, weir.BusinessIntake: quota,
	}, weir.WithFurtherQuotas(weir.Business, weir.PerHour(5000)), weir.WithIPv6Tier(48, weir.PerMinute(900)))
}

// describe believes what send writes.
func describe(r *http.Request) weir.Request {
	req := weirhttp.Anonymous(r)
	req.BusinessID, req.UserID = r.Header.Get("Business"), r.Header.Get("User")
	req.SourceKey = r.URL.Query().Get("sourceKey")
	return req
}

// hostile are ids of users such as should harm no page.
var hostile = []string{
	`<script>document.title='owned'</script>`,
	`"><img src=x onerror="document.title='owned'">`,
	"{{.}}</main><!--", "not UTF-8: \xff\xfe", "\u202Eright to left",
}

// send sends requests for ever, more at some times than at others.
func send(limited http.Handler) {
	for range time.Tick(20 * time.Millisecond) {
		wave := 2 + time.Now().Unix()%20/7
		for range rand.Int64N(2 * wave) {
			limited.ServeHTTP(discard{http.Header{}}, randomRequest())
		}
	}
}

func randomRequest() *http.Request {
	// The square makes small numbers frequent: a few callers ask most.
	n := rand.IntN(30)
	n = n * n / 30
	r := httptest.NewRequest(http.MethodGet, "/contacts", nil)
	r.RemoteAddr = "203.0.113." + strconv.Itoa(n) + ":1"
	switch rand.IntN(8) {
	case 0, 1, 2:
		r.Header.Set("Business", strconv.Itoa(n))
	case 3, 4:
		r.Header.Set("User", hostile[n%len(hostile)])
	case 5:
		r = httptest.NewRequest(http.MethodPost, "/leads?sourceKey="+[]string{"spring", "spring", "autumn", "winter", ""}[n%5], nil)
	case 6:
		r.RemoteAddr = "[2001:db8::" + strconv.Itoa(n) + "]:1"
	}
	return r
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return io.Discard.Write(p) }
func (d discard) WriteHeader(int)             {}
