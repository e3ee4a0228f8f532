package weirhttp_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// Four partitions, each with a budget of its own. A quota of two makes the
// example short.
func ExampleNew() {
	resolver, err := weir.NewResolver(func(_ context.Context, sourceKey string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource // ask your database here
	})
	if err != nil {
		log.Fatal(err)
	}
	two := weir.PerMinute(2)
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: two, weir.User: two, weir.Business: two, weir.BusinessIntake: two,
	})
	if err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.New(limiter, func(r *http.Request) weir.Request {
		req := weirhttp.Anonymous(r)
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			req.BusinessID = map[string]string{"s3cret": "42"}[token]
		}
		return req
	})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /contacts", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	server := httptest.NewServer(limit(mux))
	defer server.Close()

	for _, token := range []string{"s3cret", "s3cret", "s3cret", "none"} {
		r, err := http.NewRequest(http.MethodGet, server.URL+"/contacts", nil)
		if err != nil {
			log.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		resp.Body.Close()
		fmt.Println(token, resp.StatusCode)
	}
	// Output:
	// s3cret 200
	// s3cret 200
	// s3cret 429
	// none 200
}

// Without partitions, a key is whatever the service chooses.
func ExampleByKey() {
	limiter, err := weir.New(weir.PerMinute(1))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	perTenant := weirhttp.ByKey(limiter, func(r *http.Request) string { return r.PathValue("tenant") })
	mux.Handle("GET /{tenant}/orders", perTenant(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "the orders of", r.PathValue("tenant"))
	})))

	for _, path := range []string{"/blue/orders", "/blue/orders", "/red/orders"} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Printf("%d %s\n", w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 the orders of blue
	// 429 {
	//   "status": 429,
	//   "title": "Too many requests.",
	//   "detail": "The API rate limit for this account has been exceeded."
	// }
	// 200 the orders of red
}

// Log a refusal, and answer it as always.
func ExampleWithRefusal() {
	limiter, err := weir.New(weir.PerMinute(1), weir.WithClock(func() time.Duration { return time.Hour }))
	if err != nil {
		log.Fatal(err)
	}
	limit := weirhttp.ByKey(limiter, func(r *http.Request) string { return weirhttp.PeerAddr(r).String() },
		weirhttp.WithRefusal(func(w http.ResponseWriter, r *http.Request, d weir.Decision) {
			fmt.Println("refused", r.URL.Path, "for", d.RetryAfter)
			weirhttp.Refuse(w, r, d)
		}))
	handler := limit(http.NotFoundHandler())
	for range 2 {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/contacts", nil))
		fmt.Println(w.Code)
	}
	// Output:
	// 404
	// refused /contacts for 1m0s
	// 429
}

// A handler that limits something of its own answers as the middleware does.
func ExampleRefuse() {
	logins, err := weir.New(weir.PerMinute(5))
	if err != nil {
		log.Fatal(err)
	}
	login := func(w http.ResponseWriter, r *http.Request) {
		if d := logins.Allow(r.FormValue("account")); !d.Allowed {
			weirhttp.Refuse(w, r, d)
			return
		}
		fmt.Fprint(w, "welcome")
	}
	for range 6 {
		w := httptest.NewRecorder()
		login(w, httptest.NewRequest(http.MethodPost, "/login?account=ada", nil))
		fmt.Print(w.Code, " ")
	}
	// Output: 200 200 200 200 200 429
}

func ExamplePeerAddr() {
	fmt.Println(weirhttp.PeerAddr(&http.Request{RemoteAddr: "203.0.113.7:49152"}))
	fmt.Println(weirhttp.PeerAddr(&http.Request{RemoteAddr: "[2001:db8::7]:49152"}))
	fmt.Println(weirhttp.PeerAddr(&http.Request{RemoteAddr: "@"})) // a Unix socket
	// Output:
	// 203.0.113.7
	// 2001:db8::7
	// invalid IP
}

func ExampleAnonymous() {
	r := httptest.NewRequest(http.MethodPost, "/leads?sourceKey=spring", nil)
	req := weirhttp.Anonymous(r)
	req.SourceKey = r.URL.Query().Get("sourceKey")
	fmt.Println(req.Method, req.Path, req.SourceKey, req.Addr)
	// Output: POST /leads spring 192.0.2.1
}
