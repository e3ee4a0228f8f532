package weir

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func newTestPolicies(t testing.TB, opts ...Option) (*PartitionLimiter, *fakeClock) {
	t.Helper()
	r, err := NewResolver(lookupByName)
	if err != nil {
		t.Fatal(err)
	}
	clock := newFakeClock()
	p, err := NewPartitionLimiter(r, fourQuotas(PerMinute(300)), append([]Option{WithClock(clock.now)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return p, clock
}

func TestFurtherQuotas(t *testing.T) {
	p, clock := newTestPolicies(t, WithFurtherQuotas(Business, PerSecond(10)), WithFurtherQuotas(Business, PerHour(1000)))
	req := Request{Method: "GET", Path: "/x", BusinessID: "42"}
	var r Ruling
	for range 10 {
		if r = p.Decide(context.Background(), req, 1); !r.Allowed {
			t.Fatalf("%+v", r)
		}
	}
	want := Ruling{
		Decision: Decision{Limit: 10, RetryAfter: 100 * time.Millisecond, ResetAfter: time.Second},
		Key:      PartitionKey{Partition: Business, ID: "42"}, Reason: ByBusiness, Policy: 1,
	}
	if r = p.Decide(context.Background(), req, 1); r != want {
		t.Errorf("\ngot  %+v\nwant %+v", r, want)
	}
	if d := p.Limiter(Business).Peek("42"); d.Remaining != 290 {
		t.Errorf("the refusal was spent on the first quota: %+v", d)
	}
	d, key := p.Allow(context.Background(), req)
	if d != want.Decision || key != want.Key {
		t.Errorf("Allow: %+v for %v", d, key)
	}
	if d := p.AllowKey(key, 1); d != want.Decision {
		t.Errorf("AllowKey: %+v", d)
	}
	p.Refund(key, 3)
	if d := p.AllowKey(key, 0); d.Remaining != 3 {
		t.Errorf("after a refund: %+v", d)
	}
	if d := p.Limiter(Business).Peek("42"); d.Remaining != 293 {
		t.Errorf("after a refund of 3, the first quota has %d left", d.Remaining)
	}
	clock.advance(time.Second)
	// Other partitions have their one quota.
	for _, req := range []Request{{UserID: "42"}, {Addr: netip.MustParseAddr("2001:db8::1")}} {
		for range 300 {
			if r := p.Decide(context.Background(), req, 1); !r.Allowed || r.Policy != 0 {
				t.Fatalf("%+v", r)
			}
		}
		r := p.Decide(context.Background(), req, 1)
		if want := map[Partition]Reason{User: ByUser, IP: Anonymous}[r.Key.Partition]; r.Allowed || r.Reason != want {
			t.Errorf("%+v", r)
		}
		p.Refund(r.Key, 2)
		if d := p.AllowKey(r.Key, 2); !d.Allowed {
			t.Errorf("after a refund: %+v", d)
		}
	}
	p.Refund(PartitionKey{Partition: numPartitions}, 1) // of no partition: nothing happens
}

// The prefixes of one /56 have a budget together, and so have those of a /48; an
// address that is refused by one of them is spent on none.
func TestIPv6Tiers(t *testing.T) {
	p, _ := newTestPolicies(t, WithFurtherQuotas(IP, PerHour(1000)),
		WithIPv6Tier(48, PerMinute(500)), WithIPv6Tier(56, PerMinute(400)))
	addr := func(format string, args ...any) Request {
		return Request{Addr: netip.MustParseAddr(fmt.Sprintf(format, args...))}
	}
	admit := func(n int, req Request) (admitted int, last Ruling) {
		for range n {
			if last = p.Decide(context.Background(), req, 1); last.Allowed {
				admitted++
			}
		}
		return admitted, last
	}
	for _, c := range []struct {
		what     string
		n        int
		req      Request
		admitted int
		policy   int // of the last ruling
	}{
		{"one /64", 310, addr("2001:db8:1:0100::1"), 300, 0},
		{"another /64 of its /56", 110, addr("2001:db8:1:01ff::1"), 100, 2},
		{"a third of that /56", 10, addr("2001:db8:1:0101::1"), 0, 2},
		{"another /56 of the /48", 110, addr("2001:db8:1:0200::1"), 100, 3},
		{"another /48", 300, addr("2001:db8:2:0100::1"), 300, 0},
		{"an IPv4 address", 310, addr("203.0.113.7"), 300, 0},
		{"an IPv4 address mapped into IPv6", 10, addr("::ffff:203.0.113.7"), 0, 0},
		{"an unknown address", 310, Request{}, 300, 0},
	} {
		admitted, last := admit(c.n, c.req)
		if admitted != c.admitted || last.Policy != c.policy {
			t.Errorf("%s: %d admitted, want %d; last %+v", c.what, admitted, c.admitted, last)
		}
	}
	if d := p.Limiter(IP).Peek("2001:db8:1:101::/64"); d.Remaining != 300 {
		t.Errorf("refused by a tier, and spent on the address: %+v", d)
	}
	var names []string
	for _, policy := range p.Policies(IP) {
		names = append(names, fmt.Sprint(policy.Name, " ", policy.Limiter.Quota()))
	}
	if want := []string{"ip 300/1m", "ip-2 1000/1h", "ip/56 400/1m", "ip/48 500/1m"}; !reflect.DeepEqual(names, want) {
		t.Errorf("policies %q, want %q", names, want)
	}
	for key, l := range map[string]*Limiter{"2001:db8:1:100::/64": p.Limiter(IP), "2001:db8:1:100::/56": p.Policies(IP)[2].Limiter} {
		if d := l.Peek(key); d.Remaining != 0 {
			t.Errorf("%s has %d left", key, d.Remaining)
		}
	}
	if d := p.Policies(IP)[3].Limiter.Peek("2001:db8:1::/48"); d.Remaining != 0 {
		t.Errorf("the /48 has %d left", d.Remaining)
	}
	if names := p.Policies(User); len(names) != 1 || names[0].Name != "user" || names[0].Limiter != p.Limiter(User) {
		t.Errorf("policies of users: %v", names)
	}
	if p.Policies(numPartitions) != nil {
		t.Error("policies of no partition")
	}
}

// The last partition and the other ones beside IP have further quotas, and no
// tiers, whatever their keys look like.
func TestPoliciesOfOtherPartitions(t *testing.T) {
	p, _ := newTestPolicies(t, WithFurtherQuotas(BusinessIntake, PerSecond(2)), WithIPv6Tier(1, PerSecond(1)))
	if names := p.Policies(BusinessIntake); len(names) != 2 || names[1].Name != "business-intake-2" {
		t.Errorf("%v", names)
	}
	key := PartitionKey{Partition: BusinessIntake, ID: "42", Prefix: netip.MustParsePrefix("2001:db8::/64")} // by hand, and wrong
	if d := p.AllowKey(key, 2); !d.Allowed || p.Quota(key, 1) != PerSecond(2) {
		t.Errorf("%+v, %v", d, p.Quota(key, 1))
	}
	p.Refund(key, 1)
	if d := p.AllowKey(key, 1); !d.Allowed || d.Remaining != 0 {
		t.Errorf("%+v", d)
	}
	if d := p.AllowKey(key, 1); d.Allowed {
		t.Errorf("%+v", d)
	}
	p.Reset(key)
	if d := p.AllowKey(key, 2); !d.Allowed {
		t.Errorf("after a reset: %+v", d)
	}
	p.Reset(PartitionKey{Partition: numPartitions}) // of no partition: nothing happens
	if r := p.DecideKey(PartitionKey{Partition: numPartitions}, 1); r.RetryAfter != Never {
		t.Errorf("a key of no partition: %+v", r)
	}
	if r := p.DecideKey(key, 1); r.Allowed || r.Policy != 1 || r.Key != key {
		t.Errorf("%+v", r)
	}
	if q := p.Quota(PartitionKey{Prefix: netip.MustParsePrefix("203.0.113.7/32")}, 1); q != (Quota{}) {
		t.Errorf("IPv4 has a tier: %v", q)
	}
	one, _ := newTestPolicies(t)
	for part, m := range one.multis {
		if m != nil {
			t.Errorf("one quota of %v takes the locks of several", Partition(part))
		}
	}
	v6 := PartitionKey{Prefix: netip.MustParsePrefix("2001:db8::/64")}
	one.AllowKey(v6, 300)
	one.Reset(v6)
	if d := one.AllowKey(v6, 0); d.Remaining != 300 {
		t.Errorf("after a reset: %+v", d)
	}
	if err := one.Limiter(IP).SetKeyQuota("203.0.113.7/32", PerHour(1)); err != nil {
		t.Fatal(err)
	}
	if q := one.Quota(PartitionKey{Prefix: netip.MustParsePrefix("203.0.113.7/32")}, 0); q != PerHour(1) {
		t.Errorf("%v", q)
	}
}

func TestPolicyErrors(t *testing.T) {
	r, err := NewResolver(lookupByName, WithIPv6Prefix(60))
	if err != nil {
		t.Fatal(err)
	}
	many := make([]Quota, MostQuotas)
	for i := range many {
		many[i] = PerSecond(1)
	}
	for _, c := range []struct {
		opts []Option
		want string
	}{
		{[]Option{WithFurtherQuotas(numPartitions)}, "weir: WithFurtherQuotas: partition is Partition(4); it must be IP, User, Business or BusinessIntake"},
		{[]Option{WithFurtherQuotas(User, PerSecond(1), Quota{Limit: 1})}, "weir: WithFurtherQuotas: partition user: weir: Quota.Period is 0s; it must be above 0"},
		{[]Option{WithFurtherQuotas(User, many...)}, "weir: partition user: weir: number of quotas is 9; it must be 1 to 8"},
		{[]Option{WithIPv6Tier(48, Quota{})}, "weir: WithIPv6Tier: weir: Quota.Limit is 0; it must be above 0"},
		{[]Option{WithIPv6Tier(60, PerSecond(1))}, "weir: WithIPv6Tier: bits is 60; it must be 1 to 59, below the resolver's prefix"},
		{[]Option{WithIPv6Tier(0, PerSecond(1))}, "weir: WithIPv6Tier: bits is 0; it must be 1 to 59, below the resolver's prefix"},
		{[]Option{WithIPv6Tier(48, PerSecond(1)), WithIPv6Tier(48, PerSecond(2))}, "weir: WithIPv6Tier: bits is 48; it must be given once"},
	} {
		p, err := NewPartitionLimiter(r, fourQuotas(PerMinute(300)), c.opts...)
		var config *ConfigError
		if p != nil || !errors.As(err, &config) || err.Error() != c.want {
			t.Errorf("\ngot  %v\nwant %s", err, c.want)
		}
	}
	for _, opt := range []Option{WithFurtherQuotas(User, PerSecond(1)), WithIPv6Tier(48, PerSecond(1))} {
		var config *ConfigError
		if l, err := New(PerSecond(1), opt); l != nil || !errors.As(err, &config) {
			t.Errorf("New took it: %v", err)
		}
	}
}

func TestPoliciesDoNotAllocate(t *testing.T) {
	p, _ := newTestPolicies(t, WithFurtherQuotas(IP, PerHour(1000)), WithIPv6Tier(48, PerMinute(500)))
	req := Request{Addr: netip.MustParseAddr("2001:db8:1:0100::1")}
	key := p.Decide(context.Background(), req, 1).Key
	for what, f := range map[string]func(){
		"Decide":   func() { p.Decide(context.Background(), req, 1) },
		"AllowKey": func() { p.AllowKey(key, 1) },
		"Refund":   func() { p.Refund(key, 1) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 && !raceEnabled {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}

// Quota tells what a key is decided by, its own quotas and tiers included.
func TestQuotaOfKey(t *testing.T) {
	p, _ := newTestPolicies(t, WithFurtherQuotas(Business, PerSecond(10)), WithIPv6Tier(48, PerMinute(500)))
	business, user := PartitionKey{Partition: Business, ID: "42"}, PartitionKey{Partition: User, ID: "7"}
	v4 := PartitionKey{Prefix: netip.MustParsePrefix("203.0.113.7/32")}
	v6 := PartitionKey{Prefix: netip.MustParsePrefix("2001:db8::/64")}
	if err := p.Limiter(User).SetKeyQuota("7", PerHour(9)); err != nil {
		t.Fatal(err)
	}
	if err := p.Policies(Business)[1].Limiter.SetKeyQuota("42", PerSecond(99)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key    PartitionKey
		policy int
		want   Quota
	}{
		{business, 0, PerMinute(300)},
		{business, 1, PerSecond(99)},
		{business, 2, Quota{}},
		{business, -1, Quota{}},
		{PartitionKey{Partition: Business, ID: "43"}, 1, PerSecond(10)},
		{user, 0, PerHour(9)},
		{user, 1, Quota{}},
		{v4, 0, PerMinute(300)},
		{v4, 1, Quota{}}, // no tier
		{v6, 1, PerMinute(500)},
		{PartitionKey{Prefix: netip.MustParsePrefix("::ffff:203.0.113.7/128")}, 1, Quota{}}, // made by hand: IPv4, too
		{PartitionKey{Prefix: netip.MustParsePrefix("2001:db8::/48")}, 1, Quota{}},          // the tier itself, by hand
		{PartitionKey{Partition: numPartitions}, 0, Quota{}},
	} {
		if got := p.Quota(c.key, c.policy); got != c.want {
			t.Errorf("policy %d of %v: %v, want %v", c.policy, c.key, got, c.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { p.Quota(v6, 1) }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
