package weirredis_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

func Example() {
	addr, stop := exampleServer()
	defer stop()

	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	limiter, err := weirredis.New(client, weir.PerMinute(300))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	d, _ := limiter.AllowN(ctx, "business:42", 300)
	fmt.Println(d.Allowed, d.Remaining)

	// Elsewhere, with the same server:
	limiter, err = weirredis.New(client, weir.PerMinute(300))
	if err != nil {
		log.Fatal(err)
	}
	d, _ = limiter.Allow(ctx, "business:42")
	fmt.Println(d.Allowed, d.RetryAfterSeconds())
	// Output:
	// true 0
	// false 1
}

// On the same machine as the server, one caller at a time.
func ExampleBusyPoll() {
	addr, stop := exampleServer()
	defer stop()

	poll, err := weirredis.NewBusyPoll(50 * time.Microsecond)
	if err != nil {
		log.Fatal(err)
	}
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:           []string{addr},
		DialCtxFn:             poll.Dial,
		DisableAutoPipelining: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	limiter, err := weirredis.New(client, weir.PerMinute(300), weirredis.WithBusyPoll(poll))
	if err != nil {
		log.Fatal(err)
	}
	d, _ := limiter.Allow(context.Background(), "business:42")
	fmt.Println(d.Allowed, d.Remaining)
	// Output:
	// true 299
}

// Many processes take requests of a busy key in slices of 50, which they decide by
// themselves; and while there is no server, each of 20 goes by its share.
func ExampleNew() {
	addr, stop := exampleServer()
	defer stop()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	limiter, err := weirredis.New(client, weir.PerMinute(30_000),
		weirredis.WithLeases(50, 100*time.Millisecond),
		weirredis.WithFallback(weirredis.Local(20)),
		weirredis.WithOnHealth(func(h weirredis.Health) { log.Println("limits are shared:", h.Up, h.Err) }))
	if err != nil {
		log.Fatal(err)
	}
	for range 1000 {
		limiter.Allow(context.Background(), "tenant 7")
	}
	if err := limiter.Close(context.Background()); err != nil { // gives back what is leased
		log.Fatal(err)
	}
	s := limiter.Stats()
	fmt.Println(s.Admitted, "admitted,", s.Calls < 50, s.Up())
	// Output: 1000 admitted, true true
}

func ExampleNewPartitionLimiter() {
	addr, stop := exampleServer()
	defer stop()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	resolver, err := weir.NewResolver(func(context.Context, string) (weir.Source, error) { return weir.Source{}, weir.ErrNoSource })
	if err != nil {
		log.Fatal(err)
	}
	q := weir.PerMinute(300)

	limiter, err := weirredis.NewPartitionLimiter(client, resolver, map[weir.Partition]weir.Quota{
		weir.IP: q, weir.User: q, weir.Business: q, weir.BusinessIntake: q,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", weirhttp.New(limiter, weirhttp.Anonymous)(http.NotFoundHandler()))

	d, key, _ := limiter.Allow(context.Background(), weir.Request{Method: "GET", Path: "/", UserID: "7"})
	fmt.Println(key, d.Remaining)
	// Output: user:7 299
}

// exampleServer starts a server of the example's own; a service has one.
func exampleServer() (addr string, stop func()) {
	tb := new(exampleTB)
	return redistest.Start(tb, redistest.Options{}).Addr(), tb.stop
}

// exampleTB is what redistest wants of a test.
type exampleTB struct{ cleanups []func() }

func (tb *exampleTB) Helper()                      {}
func (tb *exampleTB) Failed() bool                 { return false }
func (tb *exampleTB) Cleanup(f func())             { tb.cleanups = append(tb.cleanups, f) }
func (tb *exampleTB) Logf(string, ...any)          {}
func (tb *exampleTB) Skipf(f string, args ...any)  { log.Fatalf(f, args...) }
func (tb *exampleTB) Fatalf(f string, args ...any) { log.Fatalf(f, args...) }

func (tb *exampleTB) TempDir() string {
	dir, err := os.MkdirTemp("", "weirredis")
	if err != nil {
		log.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (tb *exampleTB) stop() {
	for i := len(tb.cleanups) - 1; i >= 0; i-- {
		tb.cleanups[i]()
	}
}
