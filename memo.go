package weir

import (
	"math/bits"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir/internal/siphash"
)

// A memo remembers where keys are, for those that are asked for again and again:
// under attack one key may be most of the traffic, and its two hashes are the most
// that its decisions cost beside the clock. A key is compared with the whole of
// what is remembered, so the memo never answers for another one: what a hash
// promises holds as if both had been computed.
//
// It is direct-mapped: a key has one entry, told by up to 24 of its bytes.
// Anyone can compute keys that share an entry; they are hashed then. A
// Limiter gets one when there is a first key to remember.
type memo [1 << memoLog]memoEntry

// noMemo is that of all who have not learned a key yet. It is never written.
var noMemo = new(memo)

// A memoEntry is a cache line, under a sequence lock for which nobody waits:
//
//	head  version v, a length ──CAS──▶ version v+1, memoWriting ──Store──▶ version v+1, a length
//
// Only who has made the CAS writes the rest, and who fails to make it writes
// nothing. A reader who finds one head before and after, with the key's length,
// has read what was written for that head: its version does not come again
// (before 2^40 of them).
type memoEntry struct {
	head        atomic.Uint64    // version, from bit 24; shard, from bit 8; length of the key
	id          atomic.Uint64    // of the key
	first, last atomic.Uint64    // its first 8 bytes, and its last
	between     [4]atomic.Uint64 // those that neither has, and some of last
}

// longestMemo is the longest key that an entry holds: a UUID (36 bytes) and an
// IPv6 address (39) fit.
const longestMemo = 48

// Fields of a head.
const (
	memoLength  = 1<<8 - 1
	memoWriting = memoLength // no key's length
	memoShard   = 1<<16 - 1
	memoShardAt = 8
	memoVersion = 1 << 24
)

// locate finds the key's shard by XXH64 and its identity by SipHash, or both in
// the memo. XXH64 must not be the identity: anyone can compute keys that share
// all 64 bits of it, under every seed, and would share a victim's budget.
func (l *Limiter) locate(key string) (*shard, uint64) {
	if uint(len(key)-1) >= longestMemo { // or empty
		sh, id := l.hash(key)
		return &l.shards[sh], id
	}
	var first, last, within uint64
	if n := len(key); n >= 8 { // words, without the call
		first, last, within = siphash.Load64(key), siphash.Load64(key[n-8:]), siphash.Load64(key[(n-8)/2:])
	} else {
		first, last, within = words(key)
	}
	e := l.memo.Load().entry(first, last, within)
	head, id := e.head.Load(), e.id.Load()
	if head&memoLength == uint64(len(key)) && e.first.Load() == first && e.last.Load() == last && (len(key) <= 16 || e.holds(key)) && e.head.Load() == head {
		return &l.shards[head>>memoShardAt&memoShard], id
	}
	var sh int
	sh, id = l.hash(key)
	if l.counters.chance(id, learnLog) {
		l.learn(key, sh, id)
	}
	return &l.shards[sh], id
}

// hash computes the number of the key's shard, and its identity.
func (l *Limiter) hash(key string) (shard int, id uint64) {
	shard, _ = mulhi(xxhash.Sum64String(key), len(l.shards))
	return shard, proper(siphash.Sum64(l.k0, l.k1, key))
}

// proper makes an id of a hash: two of 2^64 values are taken.
func proper(hash uint64) uint64 {
	if hash-1 >= sealed-1 { // vacant or sealed
		hash ^= 1 << 32
	}
	return hash
}

// words are a key's first and last 8 bytes, and 8 within; of a key shorter than
// that, all of it.
func words(key string) (first, last, within uint64) {
	switch n := len(key); {
	case n >= 8:
		return siphash.Load64(key), siphash.Load64(key[n-8:]), siphash.Load64(key[(n-8)/2:])
	case n >= 4: // they overlap
		return siphash.Load32(key) | siphash.Load32(key[n-4:])<<32, 0, 0
	default:
		return uint64(key[0]) | uint64(key[n/2])<<8 | uint64(key[n-1])<<16, 0, 0
	}
}

// entry is where a key of these words belongs. Keys that are alike, as addresses
// and numbered users are, differ in one of them mostly. Fibonacci hashing (Knuth,
// TAOCP 3, 6.4) spreads them; the rotations are by no multiples of 8, or bytes that
// are in two words would cancel out.
func (m *memo) entry(first, last, within uint64) *memoEntry {
	return &m[(first^bits.RotateLeft64(last, 23)^bits.RotateLeft64(within, 43))*0x9E3779B97F4A7C15>>(64-memoLog)]
}

// holds reports whether the entry has the key's bytes between its ends.
func (e *memoEntry) holds(key string) bool {
	for i := 8; i < len(key)-8; i += 8 {
		if e.between[i/8-1].Load() != siphash.Load64(key[i:]) {
			return false
		}
	}
	return true
}

// learn has the memo remember the key.
func (l *Limiter) learn(key string, shard int, id uint64) {
	if l.memo.Load() == noMemo {
		l.memo.CompareAndSwap(noMemo, new(memo))
	}
	l.memo.Load().entry(words(key)).write(key, shard, id)
}

// write replaces what the entry has, unless somebody else does.
func (e *memoEntry) write(key string, shard int, id uint64) {
	head := e.head.Load()
	version := head&^(memoVersion-1) + memoVersion
	if head&memoLength == memoWriting || !e.head.CompareAndSwap(head, version|memoWriting) {
		return
	}
	first, last, _ := words(key)
	e.id.Store(id)
	e.first.Store(first)
	e.last.Store(last)
	for i := range e.between {
		word := uint64(0) // nothing is left of the key before
		if at := 8 * (i + 1); at < len(key)-8 {
			word = siphash.Load64(key[at:])
		}
		e.between[i].Store(word)
	}
	e.head.Store(version | uint64(shard)<<memoShardAt | uint64(len(key)))
}
