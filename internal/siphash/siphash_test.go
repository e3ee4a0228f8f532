package siphash

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"
)

// The key and the messages of every published vector: bytes 00, 01, 02, …
const (
	vectorK0 = 0x0706050403020100
	vectorK1 = 0x0f0e0d0c0b0a0908
)

// vectors13 are the reference vectors of SipHash-1-3, message lengths 0 to 63, as in the tests of Rust's core library
// (there as little-endian bytes).
var vectors13 = [64]uint64{
	0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
	0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
	0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
	0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34, 0xd320d86d2a519956,
	0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
	0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
	0xf464aeb267349c8c, 0x45cd5928705b0979, 0x3a3e35e3ca9913a5, 0xa91dc74e4ade3b35,
	0xfb0bed02ef6cd00d, 0x88d93cb44ab1e1f4, 0x540f11d643c5e663, 0x2370dd1f8c21d1bc,
	0x81157b6c16a7b60d, 0x4d54b9e57a8ff9bf, 0x759f12781f2a753e, 0xcea1a3bebf186b91,
	0x2cf508d3ada26206, 0xb6101c2da3c33057, 0xb3f47496ae3a36a1, 0x626b57547b108392,
	0xc1d2363299e41531, 0x667cc1923f1ad944, 0x65704ffec8138825, 0x24f280d1c28949a6,
	0xc2ca1cedfaf8876b, 0xc2164bfc9f042196, 0xa16e9c9368b1d623, 0x49fb169c8b5114fd,
	0x9f3143f8df074c46, 0xc6fdaf2412cc86b3, 0x7eaf49d10a52098f, 0x1cf313559d292f9a,
	0xc44a30dda2f41f12, 0x36fae98943a71ed0, 0x318fb34c73f0bce6, 0xa27abf3670a7e980,
	0xb4bcc0db243c6d75, 0x23f8d852fdb71513, 0x8f035f4da67d8a08, 0xd89cd0e5b7e8f148,
	0xf6f4e6bcf7a644ee, 0xaec59ad80f1837f2, 0xc3b2f6154b6694e0, 0x9d199062b7bbb3a8,
}

func ascending(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return string(b)
}

func TestVectors(t *testing.T) {
	for n, want := range vectors13 {
		if got := Sum64(vectorK0, vectorK1, ascending(n)); got != want {
			t.Errorf("length %d: %#016x, want %#016x", n, got, want)
		}
	}
}

// reference is the paper's algorithm read aloud, with its parameters c and d: padding first, then word after word.
func reference(c, d int, k0, k1 uint64, s string) uint64 {
	v := [4]uint64{k0 ^ init0, k1 ^ init1, k0 ^ init2, k1 ^ init3}
	rounds := func(n int) {
		for range n {
			v[0] += v[1]
			v[1] = bits.RotateLeft64(v[1], 13)
			v[1] ^= v[0]
			v[0] = bits.RotateLeft64(v[0], 32)
			v[2] += v[3]
			v[3] = bits.RotateLeft64(v[3], 16)
			v[3] ^= v[2]
			v[0] += v[3]
			v[3] = bits.RotateLeft64(v[3], 21)
			v[3] ^= v[0]
			v[2] += v[1]
			v[1] = bits.RotateLeft64(v[1], 17)
			v[1] ^= v[2]
			v[2] = bits.RotateLeft64(v[2], 32)
		}
	}
	padded := append([]byte(s), make([]byte, 8-len(s)%8)...)
	padded[len(padded)-1] = byte(len(s))
	for ; len(padded) > 0; padded = padded[8:] {
		word := binary.LittleEndian.Uint64(padded)
		v[3] ^= word
		rounds(c)
		v[0] ^= word
	}
	v[2] ^= 0xff
	rounds(d)
	return v[0] ^ v[1] ^ v[2] ^ v[3]
}

// TestReference holds the reference itself against published values: the worked example of SipHash-2-4 in appendix A
// of the paper, and the vectors of SipHash-1-3.
func TestReference(t *testing.T) {
	if got := reference(2, 4, vectorK0, vectorK1, ascending(15)); got != 0xa129ca6149be45e5 {
		t.Errorf("SipHash-2-4, appendix A: %#016x, want 0xa129ca6149be45e5", got)
	}
	for n, want := range vectors13 {
		if got := reference(1, 3, vectorK0, vectorK1, ascending(n)); got != want {
			t.Errorf("SipHash-1-3, length %d: %#016x, want %#016x", n, got, want)
		}
	}
}

func TestAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	for n := 0; n <= 300; n++ {
		b := make([]byte, n+8)
		for range 20 {
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			k0, k1 := rng.Uint64(), rng.Uint64()
			// Every alignment, and neighbours on both sides that must not count.
			whole := string(b)
			for at := range 8 {
				s := whole[at : at+n]
				if got, want := Sum64(k0, k1, s), reference(1, 3, k0, k1, s); got != want {
					t.Fatalf("length %d at offset %d: %#016x, want %#016x; key %#x %#x, message %x", n, at, got, want, k0, k1, s)
				}
			}
		}
	}
}

func FuzzSum64(f *testing.F) {
	for _, n := range []int{0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 255, 256, 300} {
		f.Add(uint64(vectorK0), uint64(vectorK1), ascending(n))
	}
	f.Fuzz(func(t *testing.T, k0, k1 uint64, s string) {
		if got, want := Sum64(k0, k1, s), reference(1, 3, k0, k1, s); got != want {
			t.Fatalf("%#016x, want %#016x", got, want)
		}
	})
}

func TestNoAllocation(t *testing.T) {
	for _, n := range []int{0, 3, 7, 16, 300} {
		b := []byte(ascending(n))
		s := string(b)
		var sum uint64
		if allocs := testing.AllocsPerRun(100, func() { sum += Sum64(1, 2, s) }); allocs != 0 {
			t.Errorf("length %d: %v allocations", n, allocs)
		}
	}
}

var sink uint64

// BenchmarkSum64 measures independent calls, as many at once as the processor can overlap.
func BenchmarkSum64(b *testing.B) {
	for _, n := range []int{0, 4, 8, 16, 22, 36, 64, 256} {
		s := strings.Repeat("k", n)
		b.Run(fmt.Sprintf("len=%d", n), func(b *testing.B) {
			var sum uint64
			for i := 0; i < b.N; i++ {
				sum += Sum64(vectorK0, vectorK1, s)
			}
			sink = sum
		})
	}
}

// BenchmarkSum64Chain measures calls that each wait for the result of the one before: what a decision waits for.
func BenchmarkSum64Chain(b *testing.B) {
	for _, n := range []int{8, 16, 36} {
		s := strings.Repeat("k", n)
		b.Run(fmt.Sprintf("len=%d", n), func(b *testing.B) {
			var sum uint64
			for i := 0; i < b.N; i++ {
				sum = Sum64(vectorK0, sum, s)
			}
			sink = sum
		})
	}
}
