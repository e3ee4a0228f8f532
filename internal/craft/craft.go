// Package craft computes keys that have a chosen XXH64. It is for tests only: its keys are what an attacker would send to
// a table that is placed by XXH64, all of them to one shard, or all with one hash.
//
// XXH64 of 16 bytes, seed 0, treats the two 8-byte words a and b in turn and then mixes:
//
//	h = prime5 + 16
//	h = step(h, a)
//	h = step(h, b)        where step(h, w) = rotl(h ^ rotl(w·prime2, 31)·prime1, 27)·prime1 + prime4
//	h = avalanche(h)      where avalanche is three shifts-and-xors around two products with primes
//
// Each of these is a bijection of the 64-bit words: a product with an odd number has an inverse modulo 2^64, a rotation is
// rotated back, h ^ h>>k is undone by xoring in h shifted by k, 2k, … in turn. So from the wanted hash one goes back over
// avalanche to the value after b, from it back over step's last lines to the value before w is xored in; what must be
// xored in there is its difference to the value after a, which one knows; and that in turn is undone to give b. Hence for
// every hash and every first word there is exactly one second word. With other seeds the same holds, and even without
// knowing the seed pairs of keys can be made that collide under all of them.
package craft

import (
	"encoding/binary"
	"math/bits"
)

// The primes of XXH64, from its specification.
const (
	prime1 uint64 = 0x9e3779b185ebca87
	prime2 uint64 = 0xc2b2ae3d27d4eb4f
	prime3 uint64 = 0x165667b19e3779f9
	prime4 uint64 = 0x85ebca77c2b2ae63
	prime5 uint64 = 0x27d4eb2f165667c5
)

// Key16 returns the 16-byte key whose first 8 bytes are first, little-endian, and whose XXH64 with seed 0 is hash.
// Different values of first give different keys.
func Key16(first, hash uint64) string {
	afterSecond := unavalanche(hash)
	mixed := bits.RotateLeft64((afterSecond-prime4)*inverse(prime1), -27)
	second := unmix(mixed ^ step(prime5+16, first))

	var key [16]byte
	binary.LittleEndian.PutUint64(key[:8], first)
	binary.LittleEndian.PutUint64(key[8:], second)
	return string(key[:])
}

// Keys returns n distinct 16-byte keys that all have the XXH64 hash, with seed 0.
func Keys(n int, hash uint64) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = Key16(uint64(i), hash)
	}
	return keys
}

// step is what XXH64 does with one 8-byte word of the tail.
func step(h, word uint64) uint64 {
	h ^= bits.RotateLeft64(word*prime2, 31) * prime1
	return bits.RotateLeft64(h, 27)*prime1 + prime4
}

// unmix returns the word for which rotl(word·prime2, 31)·prime1 is mixed.
func unmix(mixed uint64) uint64 {
	return bits.RotateLeft64(mixed*inverse(prime1), -31) * inverse(prime2)
}

// unavalanche undoes the mixing that ends XXH64: h ^= h>>33, h *= prime2, h ^= h>>29, h *= prime3, h ^= h>>32.
func unavalanche(h uint64) uint64 {
	h = unshift(h, 32)
	h = unshift(h*inverse(prime3), 29)
	return unshift(h*inverse(prime2), 33)
}

// unshift returns the x for which x ^ x>>k is y: x = y ^ y>>k ^ y>>2k ^ …
func unshift(y uint64, k uint) uint64 {
	x := y
	for shift := k; shift < 64; shift += k {
		x ^= y >> shift
	}
	return x
}

// inverse returns the x for which x·odd is 1 modulo 2^64, by Newton's iteration: odd is its own inverse modulo 8, and
// each turn doubles the number of right bits, 3 to 96.
func inverse(odd uint64) uint64 {
	x := odd
	for range 5 {
		x *= 2 - odd*x
	}
	return x
}
