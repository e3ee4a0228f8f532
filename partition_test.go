package weir

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// fourQuotas is q for each partition.
func fourQuotas(q Quota) map[Partition]Quota {
	return map[Partition]Quota{IP: q, User: q, Business: q, BusinessIntake: q}
}

// newTestPartitions limits every partition to q, with sources found by
// lookupByName and a clock that stands still.
func newTestPartitions(t testing.TB, q Quota, opts ...ResolverOption) *PartitionLimiter {
	t.Helper()
	r, err := NewResolver(lookupByName, opts...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPartitionLimiter(r, fourQuotas(q), WithClock(func() time.Duration { return 0 }))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPartitionString(t *testing.T) {
	for part, want := range map[Partition]string{
		IP: "ip", User: "user", Business: "business", BusinessIntake: "business-intake",
		4: "Partition(4)", 255: "Partition(255)",
	} {
		if got := part.String(); got != want {
			t.Errorf("Partition(%d).String() = %q, want %q", uint8(part), got, want)
		}
	}
}

func TestPartitionKeyText(t *testing.T) {
	prefix := netip.MustParsePrefix
	for _, test := range []struct {
		key       PartitionKey
		str, text string
	}{
		{PartitionKey{Partition: Business, ID: "42"}, "business:42", "42"},
		{PartitionKey{Partition: User, ID: "42"}, "user:42", "42"},
		{PartitionKey{Partition: BusinessIntake, ID: "42"}, "business-intake:42", "42"},
		{PartitionKey{Partition: User, ID: "a:b"}, "user:a:b", "a:b"},
		{PartitionKey{}, "ip:unknown", "unknown"},
		{PartitionKey{Prefix: prefix("203.0.113.7/32")}, "ip:203.0.113.7", "203.0.113.7/32"},
		{PartitionKey{Prefix: prefix("203.0.113.0/24")}, "ip:203.0.113.0/24", "203.0.113.0/24"},
		{PartitionKey{Prefix: prefix("2001:db8::/64")}, "ip:2001:db8::/64", "2001:db8::/64"},
		{PartitionKey{Prefix: prefix("2001:db8::1/128")}, "ip:2001:db8::1/128", "2001:db8::1/128"},
		{PartitionKey{Prefix: prefix("::/1")}, "ip:::/1", "::/1"},
		{PartitionKey{Partition: 9, ID: "x"}, "Partition(9):x", "x"},
	} {
		if got := test.key.String(); got != test.str {
			t.Errorf("%#v.String() = %q, want %q", test.key, got, test.str)
		}
		if got := test.key.Key(); got != test.text {
			t.Errorf("%v.Key() = %q, want %q", test.key, got, test.text)
		}
	}
}

func TestPrefixTextLen(t *testing.T) {
	longest := netip.MustParsePrefix("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128")
	if got := len(PartitionKey{Prefix: longest}.Key()); got != prefixTextLen {
		t.Errorf("the longest prefix has %d bytes, the buffer of AllowKey %d", got, prefixTextLen)
	}
}

// partitionRequests are requests of every partition, with long IDs and texts.
var partitionRequests = func() map[string]Request {
	id := strings.Repeat("i", 64)
	addr := netip.MustParseAddr
	return map[string]Request{
		"business":         {Method: "GET", Path: "/campaigns/42/leads", BusinessID: id, Addr: addr("192.0.2.1")},
		"user":             {Method: "POST", Path: "/campaigns/42/leads", UserID: id, Addr: addr("192.0.2.1")},
		"intake":           {Method: "POST", Path: "/leads", SourceKey: "on:" + id[3:]},
		"intake, respelt":  {Method: "POST", Path: "//Leads/./%69ntake/?x#y", SourceKey: "on:" + id[3:]},
		"ipv4":             {Method: "GET", Path: "/", Addr: addr("255.255.255.255")},
		"ipv6":             {Method: "GET", Path: "/", Addr: addr("2001:db8:1111:2222:3333:4444:5555:6666")},
		"unknown address":  {Method: "GET", Path: "/"},
		"no source":        {Method: "POST", Path: "/leads", SourceKey: id, Addr: addr("192.0.2.1")},
		"source disabled":  {Method: "POST", Path: "/leads", SourceKey: "off:" + id[4:], Addr: addr("192.0.2.2")},
		"source mismatch":  {Method: "POST", Path: "/leads", SourceKey: "on:" + id[3:], BusinessID: "x", Addr: addr("192.0.2.3")},
		"credential unset": {Method: "POST", Path: "/leads", BusinessID: id, Addr: addr("192.0.2.4")},
	}
}()

// TestAllowKeeps checks that Allow spends where Limiter and Key say.
func TestAllowKeeps(t *testing.T) {
	for _, bits := range []int{1, 64, 128} {
		for name, req := range partitionRequests {
			p := newTestPartitions(t, PerMinute(1), WithIPv6Prefix(bits))
			d, key := p.Allow(t.Context(), req)
			if want, _ := p.Resolver().Resolve(t.Context(), req); !d.Allowed || key != want {
				t.Fatalf("%s, /%d: Allow = %+v for %v, want it admitted for %v", name, bits, d, key, want)
			}
			limiter := p.Limiter(key.Partition)
			if limiter.Peek(key.Key()).Allowed {
				t.Errorf("%s, /%d: nothing is spent on %q of %v", name, bits, key.Key(), key.Partition)
			}
			if d, _ := p.Allow(t.Context(), req); d.Allowed {
				t.Errorf("%s, /%d: a second request is admitted", name, bits)
			}
			limiter.Reset(key.Key())
			if d, _ := p.Allow(t.Context(), req); !d.Allowed {
				t.Errorf("%s, /%d: refused after Reset(%q)", name, bits, key.Key())
			}
		}
	}
}

func TestPartitionsNeverShare(t *testing.T) {
	p := newTestPartitions(t, PerMinute(1))
	requests := []Request{
		{Method: "GET", Path: "/", BusinessID: "42"},
		{Method: "GET", Path: "/", UserID: "42"},
		{Method: "POST", Path: "/leads", SourceKey: "on:42"},
		{Method: "GET", Path: "/", BusinessID: "unknown"},
		{Method: "GET", Path: "/", UserID: "192.0.2.1/32"},
		{Method: "GET", Path: "/", Addr: netip.MustParseAddr("192.0.2.1")},
		{Method: "GET", Path: "/"},
	}
	for _, want := range []bool{true, false} {
		for _, req := range requests {
			if d, key := p.Allow(t.Context(), req); d.Allowed != want {
				t.Errorf("%v: Allowed = %v, want %v", key, d.Allowed, want)
			}
		}
	}
}

func TestAllowKey(t *testing.T) {
	p := newTestPartitions(t, PerMinute(3))
	key := PartitionKey{Prefix: netip.MustParsePrefix("192.0.2.1/32")}
	for _, test := range []struct {
		key       PartitionKey
		n         int64
		allowed   bool
		remaining int64
	}{
		{key, 0, true, 3},
		{key, 2, true, 1},
		{key, 2, false, 1},
		{key, -1, false, 1},
		{key, 1, true, 0},
		{PartitionKey{Partition: User, ID: "7"}, 3, true, 0},
		{PartitionKey{Partition: numPartitions}, 1, false, 0},
	} {
		d := p.AllowKey(test.key, test.n)
		if d.Allowed != test.allowed || d.Remaining != test.remaining {
			t.Errorf("AllowKey(%v, %d) = %+v, want Allowed %v, Remaining %d",
				test.key, test.n, d, test.allowed, test.remaining)
		}
	}
	if d := p.AllowKey(PartitionKey{Partition: 255}, 1); d.RetryAfter != Never {
		t.Errorf("a partition that does not exist: RetryAfter = %v, want Never", d.RetryAfter)
	}
}

func TestPartitionLimiterAccessors(t *testing.T) {
	r, err := NewResolver(lookupByName)
	if err != nil {
		t.Fatal(err)
	}
	quotas := map[Partition]Quota{IP: PerHour(1), User: PerHour(2), Business: PerHour(3), BusinessIntake: PerHour(4)}
	clock := func() time.Duration { return 77 * time.Second }
	p, err := NewPartitionLimiter(r, quotas, WithClock(clock))
	if err != nil {
		t.Fatal(err)
	}
	if p.Resolver() != r {
		t.Error("Resolver is not the one given")
	}
	for part, quota := range quotas {
		l := p.Limiter(part)
		if got := l.Peek("x").Limit; got != quota.Limit {
			t.Errorf("%v has limit %d, want %d", part, got, quota.Limit)
		}
		if got := l.Now(); got != clock() {
			t.Errorf("%v: the option did not arrive: Now = %v", part, got)
		}
	}
	if l := p.Limiter(numPartitions); l != nil {
		t.Errorf("Limiter(%d) = %v, want nil", numPartitions, l)
	}
}

func TestNewPartitionLimiterErrors(t *testing.T) {
	r, err := NewResolver(lookupByName)
	if err != nil {
		t.Fatal(err)
	}
	without := func(part Partition) map[Partition]Quota {
		quotas := fourQuotas(PerMinute(300))
		delete(quotas, part)
		return quotas
	}
	with := func(part Partition, q Quota) map[Partition]Quota {
		quotas := fourQuotas(PerMinute(300))
		quotas[part] = q
		return quotas
	}
	for _, test := range []struct {
		r      *Resolver
		quotas map[Partition]Quota
		opts   []Option
		want   string // in the message
	}{
		{nil, fourQuotas(PerMinute(1)), nil, "resolver"},
		{r, nil, nil, "quotas[ip] is missing"},
		{r, without(User), nil, "quotas[user] is missing"},
		{r, without(BusinessIntake), nil, "quotas[business-intake] is missing"},
		{r, with(7, PerMinute(1)), nil, "Partition(7)"},
		{r, with(numPartitions, PerMinute(1)), nil, "Partition(4)"},
		{r, with(Business, Quota{}), nil, "partition business: "},
		{r, fourQuotas(PerMinute(1)), []Option{WithMaxKeys(0)}, "WithMaxKeys"},
		{r, fourQuotas(PerMinute(1)), []Option{nil}, "Option"},
	} {
		p, err := NewPartitionLimiter(test.r, test.quotas, test.opts...)
		var config *ConfigError
		if p != nil || !errors.As(err, &config) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewPartitionLimiter = %v, %v; want a ConfigError with %q", p, err, test.want)
		}
	}
}

func TestPartitionAllocs(t *testing.T) {
	p := newTestPartitions(t, PerSecond(1e6), WithIPv6Prefix(128))
	r := p.Resolver()
	ctx := context.Background()
	for name, req := range partitionRequests {
		p.Allow(ctx, req) // look the source up
		if n := testing.AllocsPerRun(1000, func() { r.Resolve(ctx, req) }); n != 0 {
			t.Errorf("%s: Resolve allocates %v times", name, n)
		}
		if n := testing.AllocsPerRun(1000, func() { p.Allow(ctx, req) }); n != 0 {
			t.Errorf("%s: Allow allocates %v times", name, n)
		}
	}
}

// lookupByName finds sources whose keys say what they are: "on:42" is an enabled
// source of business 42, "off:42" a disabled one, "err:" fails, and there are no
// others.
func lookupByName(_ context.Context, key string) (Source, error) {
	kind, business, ok := strings.Cut(key, ":")
	switch {
	case ok && kind == "on":
		return Source{business, true}, nil
	case ok && kind == "off":
		return Source{business, false}, nil
	case ok && kind == "err":
		return Source{}, errors.New("the store is down")
	}
	return Source{}, fmt.Errorf("key of %d bytes: %w", len(key), ErrNoSource)
}
