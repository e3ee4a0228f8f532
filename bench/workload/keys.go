package workload

import (
	"encoding/binary"
	"net/netip"
)

// text is the i-th key of that many bytes: the same for everybody, and no two
// alike. It begins with what all have in common, as keys of services do, and is
// a string of its own, as a key is that comes with a request.
func text(i uint64, length int) string {
	const digits = "0123456789abcdef"
	var buf [256]byte
	b := buf[:length]
	const prefix = "key-/customers/of/a/service/whose/keys/are/paths/that/say/everything/twice/"
	for n := 0; n < length; {
		n += copy(b[n:], prefix)
	}
	// An odd factor sends no two numbers to the same 4 · n bits, n digits long.
	n := min(12, length)
	x := i * 0x9E3779B97F4A7C15
	for at := length - n; at < length; at++ {
		b[at] = digits[x&15]
		x >>= 4
	}
	return string(b)
}

// address is the i-th of a set of addresses, every fourth of them IPv6.
func address(i uint64) netip.Addr {
	x := i * 0x9E3779B97F4A7C15
	if i%4 == 3 {
		b := [16]byte{0: 0x20, 1: 0x01, 2: 0x0d, 3: 0xb8}
		binary.BigEndian.PutUint64(b[8:], x)
		return netip.AddrFrom16(b)
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(x))
	return netip.AddrFrom4(b)
}

const usual = 16 // bytes of a key, where a workload does not say otherwise
