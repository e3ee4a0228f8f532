package main

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/craft"
)

var keyScenarios = []scenario{
	{"collide-any-seed", "pairs of keys whose XXH64 is the same under every seed",
		"each pair collides under 16 random seeds; every key admits its own burst, its partner's spending unseen", collideAnySeed},
	{"collide-all", "keys that all have one XXH64",
		"the XXH64 is one; every key admits its own burst; the heap grows by less than 64 bytes a key", collideAll},
	{"shard-only", "keys whose XXH64 differ, but lie in one shard",
		"no two XXH64 are the same, and all lie in the first 65,536th of their range; every key admits its own burst; " +
			"the heap grows by less than 64 bytes a key", shardOnly},
}

// The primes of XXH64 that mix a word in.
const (
	prime1 uint64 = 0x9e3779b185ebca87
	prime2 uint64 = 0xc2b2ae3d27d4eb4f
)

// partner returns another 16-byte key that has the same XXH64 under every seed.
//
// A word w enters a hash h as x = rotl(w·prime2, 31)·prime1: rotl(h ^ x, 27)·prime1
// + prime4, and so does the second word, of which y comes. Flip in x the bit that
// the rotation makes the highest: the product with an odd number, and the sum,
// then differ in their highest bit and in no other, whatever h was. That
// difference is undone by flipping the highest bit of y.
func partner(key string) string {
	mix := func(w uint64) uint64 { return bits.RotateLeft64(w*prime2, 31) * prime1 }
	unmix := func(x uint64) uint64 { return bits.RotateLeft64(x*inverse(prime1), -31) * inverse(prime2) }
	x := mix(binary.LittleEndian.Uint64([]byte(key[:8]))) ^ bits.RotateLeft64(1<<63, -27)
	y := mix(binary.LittleEndian.Uint64([]byte(key[8:]))) ^ 1<<63
	return string(binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, unmix(x)), unmix(y)))
}

// inverse is the x for which x·odd is 1 modulo 2^64, by Newton's iteration.
func inverse(odd uint64) uint64 {
	x := odd
	for range 5 {
		x *= 2 - odd*x
	}
	return x
}

func collideAnySeed(t *trial) {
	r := rand.New(rand.NewPCG(1, 64))
	var keys []string
	for range t.n(50_000) {
		key := craft.Key16(r.Uint64(), r.Uint64())
		other := partner(key)
		for range 16 {
			seed := r.Uint64()
			if a, b := seeded(seed, key), seeded(seed, other); a != b || key == other {
				t.errorf("%x and %x do not collide under seed %#x", key, other, seed)
				return
			}
		}
		keys = append(keys, key, other)
	}
	exactBudgets(t, keys)
}

func seeded(seed uint64, key string) uint64 {
	d := xxhash.NewWithSeed(seed)
	_, _ = d.WriteString(key)
	return d.Sum64()
}

func collideAll(t *trial) {
	keys := craft.Keys(t.n(100_000), 0xfeedfacecafebeef)
	for _, k := range keys {
		if xxhash.Sum64String(k) != 0xfeedfacecafebeef {
			t.errorf("%x has another hash", k)
			return
		}
	}
	exactBudgets(t, keys)
}

func shardOnly(t *trial) {
	r := rand.New(rand.NewPCG(2, 64))
	keys := make([]string, t.n(100_000))
	hashes := make(map[uint64]bool, len(keys))
	for i := range keys {
		// However many shards there are, up to 65,536, these hashes lie in the first.
		keys[i] = craft.Key16(uint64(i), r.Uint64()>>16)
		h := xxhash.Sum64String(keys[i])
		if hashes[h] || h>>48 != 0 {
			t.errorf("%x has the hash %#x", keys[i], h)
			return
		}
		hashes[h] = true
	}
	exactBudgets(t, keys)
}

// exactBudgets spends the burst of every key, round by round, and one more; then
// measures refusals and growth against ordinary keys.
func exactBudgets(t *trial, keys []string) {
	const burst = 3
	q := weir.Quota{Limit: burst, Period: burst * time.Hour}
	ordinary := make([]string, len(keys))
	for i := range ordinary {
		ordinary[i] = fmt.Sprintf("ordinary%08d", i)
	}
	before := heap()
	l := t.limiter(q, newHand().option(), weir.WithMaxKeys(max(len(keys), 4096)))
	for round := range int64(burst + 1) {
		for _, k := range keys {
			want := weir.Decision{Allowed: true, Limit: burst, Remaining: burst - 1 - round, ResetAfter: time.Duration(round+1) * time.Hour}
			if round == burst {
				want = weir.Decision{Limit: burst, RetryAfter: time.Hour, ResetAfter: burst * time.Hour}
			}
			if d := l.Allow(k); d != want {
				t.errorf("%x in round %d: %+v, want %+v", k, round, d, want)
				return
			}
		}
	}
	n := int64(len(keys))
	s := t.wantCounts(l, burst*n, n)
	grown := heap() - before
	if s.Keys != n || s.HorizonRaises != 0 || s.Migrations == 0 {
		t.errorf("%+v, want %d keys, no raise, and migrations", s, n)
	}
	if grown > 64*n+64<<10 {
		t.errorf("the heap grew by %d bytes for %d keys", grown, n)
	}

	plain := t.limiter(q, newHand().option(), weir.WithMaxKeys(max(len(keys), 4096)))
	for _, k := range ordinary {
		plain.AllowN(k, burst)
	}
	refuse := func(l *weir.Limiter, keys []string) func() int {
		return func() int {
			for _, k := range keys {
				if l.Allow(k).Allowed {
					t.errorf("%x is admitted beyond its burst", k)
				}
			}
			return len(keys)
		}
	}
	hostile, usual := against(5, refuse(l, keys), refuse(plain, ordinary))
	grow := func(keys []string) func() int {
		return func() int {
			l := t.limiter(q, newHand().option())
			for _, k := range keys {
				l.Allow(k)
			}
			return len(keys)
		}
	}
	hostileNew, usualNew := against(3, grow(keys), grow(ordinary))
	t.figuref("%d keys: %s; new keys %s; %.1f bytes a key", n, ratio(hostile, usual), ratio(hostileNew, usualNew),
		float64(grown)/float64(n))
}
