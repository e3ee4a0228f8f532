package weir

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"
)

// A PartitionLimiter behind the interface is the same one: what is decided, given
// back and told is that of its own methods.
func TestPartitionLimiterIsADecider(t *testing.T) {
	p, _ := newTestPolicies(t, WithFurtherQuotas(Business, PerSecond(10)), WithIPv6Tier(48, PerMinute(500)))
	var decider Decider = p
	req := Request{Method: "GET", Path: "/x", BusinessID: "42"}
	key := PartitionKey{Partition: Business, ID: "42"}
	for _, c := range []struct {
		n      int64
		policy int
		want   Decision
	}{
		{9, 1, Decision{Allowed: true, Limit: 10, Remaining: 1, ResetAfter: 900 * time.Millisecond}},
		{2, 1, Decision{Limit: 10, Remaining: 1, RetryAfter: 100 * time.Millisecond, ResetAfter: 900 * time.Millisecond}},
		{-1, 0, Decision{Limit: 300, Remaining: 1, RetryAfter: Never, ResetAfter: 1800 * time.Millisecond}},
	} {
		want := Ruling{Decision: c.want, Key: key, Reason: ByBusiness, Policy: c.policy, Err: nil}
		if got := decider.Decide(context.Background(), req, c.n); got != want {
			t.Errorf("cost %d:\ngot  %+v\nwant %+v", c.n, got, want)
		}
	}
	decider.Refund(key, 4)
	if r := decider.Decide(context.Background(), req, 0); r.Remaining != 5 {
		t.Errorf("after a refund of 4: %+v", r)
	}
	parts := 0
	for part := IP; decider.Policies(part) != nil; part++ {
		for i, policy := range decider.Policies(part) {
			if policy.Limiter == nil || policy.Name == "" {
				t.Errorf("policy %d of %v: %+v", i, part, policy)
			}
		}
		parts++
	}
	if parts != numPartitions {
		t.Errorf("%d partitions, want %d", parts, numPartitions)
	}
	if q := decider.Quota(key, 1); q != PerSecond(10) {
		t.Errorf("quota %v", q)
	}
	if q := decider.Quota(key, 2); q != (Quota{}) {
		t.Errorf("quota %v of no policy", q)
	}
}

// A source that cannot be looked up is no decision that cannot be made: the address
// decides.
func TestFailedLookupIsNoErr(t *testing.T) {
	r, err := NewResolver(func(context.Context, string) (Source, error) { return Source{}, errors.New("the database is down") })
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPartitionLimiter(r, fourQuotas(PerHour(1)))
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Method: "POST", Path: "/leads", SourceKey: "spring", Addr: netip.MustParseAddr("203.0.113.7")}
	for _, allowed := range []bool{true, false} {
		if got := Decider(p).Decide(context.Background(), req, 1); got.Err != nil || got.Reason != SourceLookupFailed || got.Allowed != allowed {
			t.Errorf("%+v", got)
		}
	}
}

// Neither a Request nor a Ruling escapes through the interface.
func TestDeciderDoesNotAllocate(t *testing.T) {
	p, _ := newTestPolicies(t, WithIPv6Tier(48, PerMinute(500)))
	var decider Decider = p
	req := Request{Method: "GET", Path: "/x", Addr: netip.MustParseAddr("2001:db8::1")}
	n := testing.AllocsPerRun(100, func() {
		r := decider.Decide(context.Background(), req, 1)
		decider.Quota(r.Key, r.Policy)
		decider.Refund(r.Key, 1)
	})
	if n != 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}
