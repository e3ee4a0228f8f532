package weirfile

import (
	"net/netip"

	"github.com/weirhq/weir"
)

// addressKey returns the key that a text means in the partition of addresses, or
// else what would be allowed in its place. There is one spelling for each key,
// and besides it one IPv4 address without its length, which is how
// weir.PartitionKey.String writes it: a limit that stands twice in a file, in two
// spellings, is a trap.
//
// Whether an IPv6 prefix has the length that the resolver counts by is not known
// here; see Config.Check.
func addressKey(text string) (key, allowed string) {
	if text == keyOf(netip.Prefix{}) {
		return text, ""
	}
	addr, err := netip.ParseAddr(text)
	if err == nil {
		addr = addr.Unmap().WithZone("")
		if !addr.Is4() {
			// How long the prefix is that counts it, only the resolver knows.
			guess, _ := addr.Prefix(64)
			return "", "the prefix that its requests are counted by, with its length: by default " + keyOf(guess)
		}
		if text != addr.String() {
			return "", "written " + addr.String()
		}
		return keyOf(netip.PrefixFrom(addr, addr.BitLen())), ""
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return "", "an IPv4 address, an IPv6 prefix such as 2001:db8::/64, or " + keyOf(netip.Prefix{})
	}
	if addr = prefix.Addr(); addr.Is4In6() {
		if prefix.Bits() < 128 {
			return "", "a single address: requests from IPv4 are counted by it"
		}
		return "", "written " + addr.Unmap().String()
	}
	if addr.Is4() && prefix.Bits() < 32 {
		return "", "a single address: requests from IPv4 are counted by it"
	}
	if canonical := keyOf(prefix.Masked()); text != canonical {
		return "", "written " + canonical
	}
	return text, ""
}

// keyOf is the key of a prefix; the zero Prefix stands for the unknown address.
func keyOf(prefix netip.Prefix) string {
	return weir.PartitionKey{Partition: weir.IP, Prefix: prefix}.Key()
}
