package craft

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestKey16(t *testing.T) {
	rng := rand.New(rand.NewPCG(16, 64))
	check := func(first, hash uint64) {
		t.Helper()
		key := Key16(first, hash)
		if len(key) != 16 || binary.LittleEndian.Uint64([]byte(key)) != first {
			t.Fatalf("Key16(%#x, %#x) = %x: not 16 bytes that begin with the first word", first, hash, key)
		}
		if got := xxhash.Sum64String(key); got != hash {
			t.Fatalf("Key16(%#x, %#x) = %x has the hash %#x", first, hash, key, got)
		}
	}
	for _, edge := range []uint64{0, 1, 1 << 63, ^uint64(0)} {
		check(edge, 0)
		check(0, edge)
		check(edge, ^edge)
	}
	for range 10_000 {
		check(rng.Uint64(), rng.Uint64())
	}
}

func TestKeys(t *testing.T) {
	const n, hash = 1000, 0xfeedfacecafebeef
	seen := make(map[string]bool)
	for _, key := range Keys(n, hash) {
		if got := xxhash.Sum64String(key); got != hash {
			t.Fatalf("%x has the hash %#x, want %#x", key, got, uint64(hash))
		}
		seen[key] = true
	}
	if len(seen) != n {
		t.Fatalf("%d distinct keys, want %d", len(seen), n)
	}
	if keys := Keys(0, hash); len(keys) != 0 {
		t.Fatalf("Keys(0) returned %d keys", len(keys))
	}
}

func TestInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 64))
	for range 1000 {
		odd, x, shift := rng.Uint64()|1, rng.Uint64(), 1+rng.UintN(63)
		if odd*inverse(odd) != 1 {
			t.Fatalf("inverse(%#x) = %#x", odd, inverse(odd))
		}
		if got := unshift(x^x>>shift, shift); got != x {
			t.Fatalf("unshift by %d of %#x = %#x", shift, x, got)
		}
	}
}
