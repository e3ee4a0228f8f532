package weirfile

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/weirhq/weir"
)

func TestAddressKey(t *testing.T) {
	const single = "a single address: requests from IPv4 are counted by it"
	const any = "an IPv4 address, an IPv6 prefix such as 2001:db8::/64, or unknown"
	for text, want := range map[string]struct{ key, allowed string }{
		"203.0.113.7":             {"203.0.113.7/32", ""},
		"203.0.113.7/32":          {"203.0.113.7/32", ""},
		"0.0.0.0":                 {"0.0.0.0/32", ""},
		"2001:db8::/64":           {"2001:db8::/64", ""},
		"2001:db8::1/128":         {"2001:db8::1/128", ""},
		"::/1":                    {"::/1", ""},
		"unknown":                 {"unknown", ""},
		"203.0.113.0/24":          {"", single},
		"203.0.113.7/24":          {"", single},
		"0.0.0.0/0":               {"", single},
		"::ffff:203.0.113.0/120":  {"", single},
		"::ffff:203.0.113.7":      {"", "written 203.0.113.7"},
		"::ffff:203.0.113.7/128":  {"", "written 203.0.113.7"},
		"::ffff:cb00:7107":        {"", "written 203.0.113.7"},
		"::ffff:203.0.113.7%eth0": {"", "written 203.0.113.7"},
		"2001:db8::1":             {"", "the prefix that its requests are counted by, with its length: by default 2001:db8::/64"},
		"fe80::1%eth0":            {"", "the prefix that its requests are counted by, with its length: by default fe80::/64"},
		"2001:DB8::/64":           {"", "written 2001:db8::/64"},
		"2001:db8::1/64":          {"", "written 2001:db8::/64"},
		"2001:db8:0:0::/64":       {"", "written 2001:db8::/64"},
		"":                        {"", any},
		"Unknown":                 {"", any},
		"203.0.113.07":            {"", any},
		"203.0.113.7/032":         {"", any},
		"203.0.113.7/33":          {"", any},
		"203.0.113.7 ":            {"", any},
		"203.0.113.7:80":          {"", any},
		"[2001:db8::1]":           {"", any},
		"fe80::%eth0/64":          {"", "the prefix that its requests are counted by, with its length: by default fe80::/64"},
		"localhost":               {"", any},
		"2001:db8::/":             {"", any},
	} {
		key, allowed := addressKey(text)
		if key != want.key || allowed != want.allowed {
			t.Errorf("%q: %q, %q, want %q, %q", text, key, allowed, want.key, want.allowed)
		}
		if written, ok := strings.CutPrefix(allowed, "written "); ok {
			if key, _ := addressKey(written); key == "" {
				t.Errorf("%q is to be written %q, which is refused", text, written)
			}
		}
	}
}

// An override of a prefix is accepted exactly if requests are counted by that
// prefix, and then limits them.
func TestCheckPrefixes(t *testing.T) {
	for _, bits := range []int{1, 48, 56, 64, 128} {
		limiter := newLimiter(t, stopped, weir.WithIPv6Prefix(bits))
		for _, addr := range []string{"2001:db8:1:2ff::9", "203.0.113.7"} {
			a := netip.MustParseAddr(addr)
			for _, length := range []int{1, 32, 47, 48, 56, 57, 64, 65, 128} {
				prefix, err := a.Prefix(length)
				if err != nil || a.Is4() && length != 32 {
					continue
				}
				_, err = Open(write(t, quotaFile("9/1m", "\n"+`"ip": {"`+prefix.String()+`": "3/1m"}`)), limiter)
				if a.Is4() || length == bits {
					if err != nil {
						t.Fatalf("%v, counted by /%d: %v", prefix, bits, err)
					}
					d, _ := limiter.Allow(t.Context(), weir.Request{Addr: a})
					if d.Limit != 3 {
						t.Errorf("%v, counted by /%d, is limited to %d", a, bits, d.Limit)
					}
					continue
				}
				var e *Error
				counted, _ := prefix.Addr().Prefix(bits)
				if !errors.As(err, &e) || e.Line != 4 || e.Column != 8 || !strings.HasSuffix(e.Allowed, " such as "+counted.String()) {
					t.Errorf("%v, counted by /%d: %v", prefix, bits, err)
				}
			}
		}
	}
}

// Errors that only the limiter knows of stand among the others, in order.
func TestCheckReportsWithTheOthers(t *testing.T) {
	limiter := newLimiter(t, stopped)
	path := write(t, quotaFile("9/1m", `"user": {"7": "0/1m"}, `+"\n"+`"ip": {"2001:db8::/56": "3/1m"},`+"\n"+`"x": {}`))
	_, err := Open(path, limiter)
	want := path + `:3:31: .overrides.user["7"] is "0/1m": weir: Quota.Limit is 0; it must be above 0
` + path + `:4:8: .overrides.ip["2001:db8::/56"] is a prefix of 56 bits; it must be one of 64, as the resolver counts, such as 2001:db8::/64
` + path + `:5:1: .overrides.x is an unknown name; it must be ip, user, business or business-intake`
	if err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}

	config, err := Parse([]byte(quotaFile("9/1m", `"ip": {"2001:db8::/56": "3/1m", "unknown": "3/1m"}`)))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{"Check": config.Check(limiter), "Apply": config.Apply(limiter)} {
		if want := `3:24: .overrides.ip["2001:db8::/56"] is a prefix of 56 bits; it must be one of 64, as the resolver counts, such as 2001:db8::/64`; err == nil || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if limiter.Limiter(weir.IP).Quota() != weir.PerMinute(7) {
		t.Error("Apply has applied what it refused")
	}
}

// Of many wrong prefixes a bounded number is reported.
func TestCheckIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxErrors + 2 {
		prefix := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, byte(i >> 8), byte(i)}), 56)
		b.WriteString(`"` + prefix.String() + "\": \"1/1m\",\n")
	}
	_, err := Open(write(t, quotaFile("9/1m", `"ip": {`+b.String()+`"unknown": "1/1m"}`)), newLimiter(t, stopped))
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != maxErrors+1 || !strings.Contains(errs[maxErrors].Error(), "more than 1000 errors") {
		t.Fatalf("%d errors, the last %v", len(errs), errs[max(len(errs)-1, 0)])
	}
}
