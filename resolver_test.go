package weir

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestDecisionTable(t *testing.T) {
	const addr = "ip:203.0.113.7"
	type row struct {
		business, user, sourceKey string
		want                      string
		reason                    Reason
	}
	var (
		intake = []row{
			{"", "", "on:42", "business-intake:42", BySource},
			{"42", "", "on:42", "business-intake:42", BySource},
			{"", "7", "on:42", "business-intake:42", BySource},
			{"42", "7", "on:42", "business-intake:42", BySource},
			{"", "", "", addr, SourceMissing},
			{"42", "", "", addr, SourceMissing},
			{"", "7", "", addr, SourceMissing},
			{"", "", "nobody", addr, SourceUnknown},
			{"42", "7", "nobody", addr, SourceUnknown},
			{"", "", "on:", addr, SourceUnknown}, // a source of no business
			{"42", "7", strings.Repeat("k", MaxSourceKeyLen+1), addr, SourceUnknown},
			{"", "", "off:42", addr, SourceDisabled},
			{"42", "", "off:42", addr, SourceDisabled},
			{"43", "", "off:42", addr, SourceDisabled},
			{"", "7", "off:", addr, SourceDisabled},
			{"43", "", "on:42", addr, SourceMismatched},
			{"43", "42", "on:42", addr, SourceMismatched},
			{"", "", "err:42", addr, SourceLookupFailed},
			{"42", "7", "err:42", addr, SourceLookupFailed},
		}
		other = []row{
			{"42", "", "", "business:42", ByBusiness},
			{"42", "7", "", "business:42", ByBusiness},
			{"42", "7", "on:43", "business:42", ByBusiness},
			{"", "7", "", "user:7", ByUser},
			{"", "7", "on:42", "user:7", ByUser},
			{"", "7", "nobody", "user:7", ByUser},
			{"", "", "", addr, Anonymous},
			{"", "", "on:42", addr, Anonymous},
		}
	)
	seen := map[Reason]bool{}
	check := func(method, path string, rows []row) {
		r, err := NewResolver(lookupByName)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			req := Request{method, path, row.business, row.user, row.sourceKey, netip.MustParseAddr("203.0.113.7")}
			for range 2 { // the second time sources are remembered
				key, reason := r.Resolve(t.Context(), req)
				if key.String() != row.want || reason != row.reason {
					t.Errorf("%+v: %v by %v, want %v by %v", req, key, reason, row.want, row.reason)
				}
				if reason.Partition() != key.Partition {
					t.Errorf("%v.Partition() = %v, the key's is %v", reason, reason.Partition(), key.Partition)
				}
				seen[reason] = true
			}
		}
	}
	check("POST", "/leads", intake)
	check("POST", "/leads/intake", intake)
	check("GET", "/leads/intake", intake)
	for _, route := range [][2]string{
		{"GET", "/leads"}, {"HEAD", "/leads/intake"}, {"post", "/leads"}, {"", "/leads"}, {"POST ", "/leads"},
		{"PUT", "/leads/intake"}, {"POST", "/leads/intake/42"}, {"POST", "/leads/42"}, {"POST", "/"}, {"POST", ""},
		{"POST", "/lead"}, {"POST", "/leadsx"}, {"POST", "/api/leads"}, {"GET", "/campaigns"},
	} {
		check(route[0], route[1], other)
	}
	if len(seen) != numReasons {
		t.Errorf("seen %d reasons of %d: %v", len(seen), numReasons, seen)
	}
}

func TestReasonString(t *testing.T) {
	for reason, want := range map[Reason]string{
		ByBusiness:         "by-business",
		ByUser:             "by-user",
		BySource:           "by-source",
		Anonymous:          "anonymous",
		SourceMissing:      "source-missing",
		SourceUnknown:      "source-unknown",
		SourceDisabled:     "source-disabled",
		SourceMismatched:   "source-mismatched",
		SourceLookupFailed: "source-lookup-failed",
		numReasons:         "Reason(9)",
	} {
		if got := reason.String(); got != want {
			t.Errorf("Reason(%d).String() = %q, want %q", uint8(reason), got, want)
		}
	}
	if got := Reason(numReasons).Partition(); got != IP {
		t.Errorf("no reason has partition %v, want IP", got)
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct {
		addr string
		bits int // of WithIPv6Prefix
		want string
	}{
		{"203.0.113.7", 64, "ip:203.0.113.7"},
		{"203.0.113.7", 1, "ip:203.0.113.7"},
		{"::ffff:203.0.113.7", 64, "ip:203.0.113.7"},
		{"::ffff:203.0.113.7%eth0", 128, "ip:203.0.113.7"},
		{"0.0.0.0", 64, "ip:0.0.0.0"},
		{"2001:db8::1", 64, "ip:2001:db8::/64"},
		{"2001:db8::ffff:ffff:ffff:ffff", 64, "ip:2001:db8::/64"},
		{"2001:db8:0:1::1", 64, "ip:2001:db8:0:1::/64"},
		{"2001:db8::1", 128, "ip:2001:db8::1/128"},
		{"2001:db8:0:ffff::1", 56, "ip:2001:db8:0:ff00::/56"},
		{"ffff::1", 1, "ip:8000::/1"},
		{"fe80::1%eth0", 64, "ip:fe80::/64"},
		{"fe80::1%eth1", 128, "ip:fe80::1/128"},
		{"::", 64, "ip:::/64"},
		{"", 64, "ip:unknown"},
	} {
		r, err := NewResolver(lookupByName, WithIPv6Prefix(test.bits))
		if err != nil {
			t.Fatal(err)
		}
		var addr netip.Addr
		if test.addr != "" {
			addr = netip.MustParseAddr(test.addr)
		}
		key, _ := r.Resolve(t.Context(), Request{Addr: addr})
		if key.String() != test.want {
			t.Errorf("%q at /%d: %v, want %v", test.addr, test.bits, key, test.want)
		}
		// Equal addresses must be equal keys, not only equal text.
		zoned, _ := r.Resolve(t.Context(), Request{Addr: addr.WithZone("wlan0")})
		if zoned != key {
			t.Errorf("%q at /%d: %#v with another zone, %#v without", test.addr, test.bits, zoned, key)
		}
	}
}

func TestNewResolverErrors(t *testing.T) {
	for _, test := range []struct {
		lookup SourceLookup
		option ResolverOption
		want   string // in the message
	}{
		{nil, WithIPv6Prefix(64), "lookup is nil"},
		{lookupByName, nil, "option 1 is nil"},
		{lookupByName, WithIPv6Prefix(0), "bits is 0"},
		{lookupByName, WithIPv6Prefix(129), "bits is 129"},
		{lookupByName, WithSourceTTL(0, time.Second), "found is 0s"},
		{lookupByName, WithSourceTTL(time.Second, -1), "failed is -1ns"},
		{lookupByName, WithSourceCache(0), "entries is 0"},
		{lookupByName, WithLookupTimeout(0), "limit is 0s"},
		{lookupByName, WithIntakeRoutes(Route{"", "/leads"}), `Method is ""`},
		{lookupByName, WithIntakeRoutes(Route{"POST /leads", ""}), `Method is "POST /leads"`},
		{lookupByName, WithIntakeRoutes(Route{"POST", "/leads"}, Route{"POST", "leads"}), `Path is "leads"`},
		{lookupByName, WithIntakeRoutes(Route{"POST", ""}), `Path is ""`},
		{lookupByName, WithIntakeRoutes(Route{"POST", "/leads?x"}), `Path is "/leads?x"`},
		{lookupByName, WithIntakeRoutes(Route{"POST", "/{kind}/leads"}), "wildcard"},
	} {
		// An option that sets the same again must not hide the error.
		r, err := NewResolver(test.lookup, WithSourceCache(5), test.option, WithIPv6Prefix(64))
		var config *ConfigError
		if r != nil || !errors.As(err, &config) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewResolver = %v, %v; want a ConfigError with %q", r, err, test.want)
		}
	}
}

func TestResolverDefaults(t *testing.T) {
	r, err := NewResolver(lookupByName)
	if err != nil {
		t.Fatal(err)
	}
	want := sourceConfig{foundTTL: time.Minute, failedTTL: 10 * time.Second, entries: 16_384, timeout: 5 * time.Second}
	if r.sources.config != want || r.ipv6Bits != 64 {
		t.Errorf("%+v and /%d, want %+v and /64, as the options' docs say", r.sources.config, r.ipv6Bits, want)
	}
}

// The least that is allowed is allowed, and what is just below is not.
func TestResolverOptionEdges(t *testing.T) {
	for name, c := range map[string]struct {
		option ResolverOption
		ok     bool
	}{
		"found 1 ns":   {WithSourceTTL(1, 1), true},
		"found 0":      {WithSourceTTL(0, 1), false},
		"failed 0":     {WithSourceTTL(1, 0), false},
		"failed -1 ns": {WithSourceTTL(1, -1), false},
		"one entry":    {WithSourceCache(1), true},
		"no entry":     {WithSourceCache(0), false},
		"1 ns":         {WithLookupTimeout(1), true},
		"0":            {WithLookupTimeout(0), false},
	} {
		if _, err := NewResolver(lookupByName, c.option); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReasonPartitions(t *testing.T) {
	for r := range Reason(255) {
		want := IP
		if r < numReasons {
			want = decisionTable[r].partition
		}
		if got := r.Partition(); got != want {
			t.Errorf("%v: %v, want %v", r, got, want)
		}
	}
	if last := decisionTable[numReasons-1]; Reason(numReasons-1).String() != last.name || Reason(numReasons).String() == last.name {
		t.Errorf("%v and %v", Reason(numReasons-1), Reason(numReasons))
	}
}
