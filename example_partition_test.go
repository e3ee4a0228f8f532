package weir_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"
	"time"

	"github.com/weirhq/weir"
)

// findSource stands for a query of the service's database.
func findSource(_ context.Context, sourceKey string) (weir.Source, error) {
	switch sourceKey {
	case "src_open":
		return weir.Source{BusinessID: "42", Enabled: true}, nil
	case "src_paused":
		return weir.Source{BusinessID: "42", Enabled: false}, nil
	}
	return weir.Source{}, weir.ErrNoSource
}

func ExampleNewResolver() {
	_, err := weir.NewResolver(findSource, weir.WithSourceCache(0))
	fmt.Println(err)
	_, err = weir.NewResolver(findSource)
	fmt.Println(err)
	// Output:
	// weir: WithSourceCache: entries is 0; it must be at least 1
	// <nil>
}

func ExampleResolver_Resolve() {
	resolver, err := weir.NewResolver(findSource)
	if err != nil {
		panic(err)
	}
	addr := netip.MustParseAddr("203.0.113.7")
	for _, req := range []weir.Request{
		{Method: "GET", Path: "/campaigns", BusinessID: "42", UserID: "7", Addr: addr},
		{Method: "GET", Path: "/me", UserID: "7", Addr: addr},
		{Method: "GET", Path: "/me", Addr: netip.MustParseAddr("2001:db8::1")},
		{Method: "POST", Path: "/leads", SourceKey: "src_open", Addr: addr},
		{Method: "POST", Path: "/Leads/?from=form", SourceKey: "src_paused", BusinessID: "42", Addr: addr},
		{Method: "GET", Path: "/leads/intake", SourceKey: "src_open", BusinessID: "43", Addr: addr},
	} {
		key, reason := resolver.Resolve(context.Background(), req)
		fmt.Println(key, reason)
	}
	// Output:
	// business:42 by-business
	// user:7 by-user
	// ip:2001:db8::/64 anonymous
	// business-intake:42 by-source
	// ip:203.0.113.7 source-disabled
	// ip:203.0.113.7 source-mismatched
}

func ExampleNewPartitionLimiter() {
	resolver, err := weir.NewResolver(findSource)
	if err != nil {
		panic(err)
	}
	// Every partition needs a quota, and says so.
	_, err = weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP:       weir.PerMinute(300),
		weir.User:     weir.PerMinute(300),
		weir.Business: weir.PerMinute(300),
	})
	fmt.Println(err)
	// Output:
	// weir: NewPartitionLimiter: quotas[business-intake] is missing; it must be given, as for each of the four partitions
}

func ExamplePartitionLimiter_Allow() {
	resolver, err := weir.NewResolver(findSource)
	if err != nil {
		panic(err)
	}
	quota := weir.Quota{Limit: 2, Period: time.Minute}
	limiter, err := weir.NewPartitionLimiter(resolver, map[weir.Partition]weir.Quota{
		weir.IP: quota, weir.User: quota, weir.Business: quota, weir.BusinessIntake: quota,
	})
	if err != nil {
		panic(err)
	}
	req := weir.Request{Method: "POST", Path: "/leads", SourceKey: "src_open", Addr: netip.MustParseAddr("203.0.113.7")}
	for range 3 {
		decision, key := limiter.Allow(context.Background(), req)
		fmt.Println(key, decision.Allowed, decision.RetryAfterSeconds())
		if !decision.Allowed {
			limiter.Limiter(key.Partition).Reset(key.Key()) // support grants a fresh start
		}
	}
	decision, key := limiter.Allow(context.Background(), req)
	fmt.Println(key, decision.Allowed)
	// Output:
	// business-intake:42 true 0
	// business-intake:42 true 0
	// business-intake:42 false 30
	// business-intake:42 true
}

func ExampleResolverOption() {
	resolver, err := weir.NewResolver(findSource,
		weir.WithIntakeRoutes(weir.Route{Method: "PUT", Path: "/v2/leads"}),
		weir.WithIPv6Prefix(56),
		weir.WithSourceTTL(5*time.Minute, 30*time.Second),
		weir.WithSourceCache(100_000),
		weir.WithLookupTimeout(time.Second),
	)
	if err != nil {
		panic(err)
	}
	addr := netip.MustParseAddr("2001:db8:0:1ff::1")
	fmt.Println(resolver.Resolve(context.Background(), weir.Request{Method: "PUT", Path: "/v2/leads", SourceKey: "src_open", Addr: addr}))
	fmt.Println(resolver.Resolve(context.Background(), weir.Request{Method: "POST", Path: "/leads", SourceKey: "src_open", Addr: addr}))
	// Output:
	// business-intake:42 by-source
	// ip:2001:db8:0:100::/56 anonymous
}

// Whoever holds an IPv6 network has as many addresses as he likes: a tier bounds
// them together.
func ExampleWithIPv6Tier() {
	resolver, err := weir.NewResolver(findSource)
	if err != nil {
		log.Fatal(err)
	}
	q := weir.PerMinute(300)
	limiter, err := weir.NewPartitionLimiter(resolver,
		map[weir.Partition]weir.Quota{weir.Business: q, weir.BusinessIntake: q, weir.User: q, weir.IP: q},
		weir.WithIPv6Tier(48, weir.PerMinute(1000)))
	if err != nil {
		log.Fatal(err)
	}
	admitted := 0
	var last weir.Ruling
	for i := range 2000 { // each from another /64 of one /48
		addr := netip.MustParseAddr(fmt.Sprintf("2001:db8:1:%x::1", i))
		if last = limiter.Decide(context.Background(), weir.Request{Addr: addr}, 1); last.Allowed {
			admitted++
		}
	}
	fmt.Println(admitted >= 1000 && admitted < 1100, limiter.Policies(weir.IP)[last.Policy].Name)
	// Output: true ip/48
}
