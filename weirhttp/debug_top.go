package weirhttp

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/internal/siphash"
)

// topKeys finds the keys of one partition that were refused most, in memory that
// does not depend on how many there are.
//
// Each of several stripes has Space-Saving summaries of what it saw, see summary;
// what is shown is the sum of all. Of a key that a summary does not have, it is
// known to have been seen there at most as often as the one that has been seen
// least. The errors add up, as the streams do (P. K. Agarwal et al., "Mergeable
// Summaries", PODS 2012): with m counters in each, no count is off by more than
// the number of all refusals divided by m, however they were spread.
//
// Who was refused last week is of no interest, and would hide who is refused now.
// So there are two summaries for each stripe, one for a period of 5 minutes and one
// for the period before, and older ones are forgotten.
type topKeys struct {
	k0, k1  uint64 // of the hash by which keys are known and shown; random, and of this partition alone
	stripes [topStripes]topStripe
}

// topStripes are few, because each has all the counters. A summary is held for
// some 50 ns, so that 8 are enough for 100 million refusals a second.
const topStripes = 8

const periodSeconds = 300

// A topStripe counts for whoever gets hold of its mutex.
type topStripe struct {
	mu        sync.Mutex
	period    uint64
	summaries [2]summary // of the period at [period%2]; of the period before at the other
	_         [64]byte
}

// countersFor is m for a list of n keys. Four times what is shown, so that the
// last of them are not chance; and no fewer than 128, which is an error below 1 %.
func countersFor(n int) int { return max(4*n, 128) }

func newTopKeys(n int, showKeys bool) *topKeys {
	var key [16]byte
	rand.Read(key[:]) // never fails
	t := &topKeys{k0: binary.LittleEndian.Uint64(key[:8]), k1: binary.LittleEndian.Uint64(key[8:])}
	for i := range t.stripes {
		for j := range t.stripes[i].summaries {
			t.stripes[i].summaries[j].init(countersFor(n), showKeys)
		}
	}
	return t
}

// hash names a key. Nobody who does not know k0 and k1 can tell the key from it, or
// find another key with the same.
func (t *topKeys) hash(key weir.PartitionKey) uint64 {
	if key.Partition != weir.IP {
		return siphash.Sum64(t.k0, t.k1, key.ID)
	}
	// An address in 16 bytes, the length of its prefix, and whether it is IPv4 or
	// any at all: less than the 32 bytes from which on a string is allocated.
	var b [18]byte
	if addr := key.Prefix.Addr(); addr.IsValid() {
		*(*[16]byte)(b[:16]) = addr.As16()
		b[16], b[17] = byte(key.Prefix.Bits()), byte(addr.BitLen())
	}
	return siphash.Sum64(t.k0, t.k1, string(b[:]))
}

// add counts one refusal of a key.
func (t *topKeys) add(stripe int, second uint64, key weir.PartitionKey) {
	hash := t.hash(key)
	st := t.lock(stripe % topStripes)
	defer st.mu.Unlock()
	st.turn(second / periodSeconds)
	s := &st.summaries[st.period%2]
	if at, isNew := s.add(hash); isNew && s.texts != nil {
		s.texts[at].set(key)
	}
}

// lock locks the stripe, or if somebody has it, any other: their sum is the same.
func (t *topKeys) lock(stripe int) *topStripe {
	for i := range topStripes {
		if st := &t.stripes[(stripe+i)%topStripes]; st.mu.TryLock() {
			return st
		}
	}
	st := &t.stripes[stripe]
	st.mu.Lock()
	return st
}

// turn begins a period, unless it has begun. Who comes late counts in the present one.
func (st *topStripe) turn(period uint64) {
	if period <= st.period {
		return
	}
	st.summaries[period%2].reset()
	if period > st.period+1 {
		st.summaries[1-period%2].reset()
	}
	st.period = period
}

// A topKey is a key and the bounds of how often it was refused.
type topKey struct {
	hash            uint64
	text            string // "" unless keys are shown
	cut             bool   // the text is longer
	atLeast, atMost int64
}

// top lists the n keys of which it is certain that they were refused most, in the
// period of the given second and the one before; and says how often keys were
// refused in all, and each that is not listed at most.
func (t *topKeys) top(n int, second uint64) (list []topKey, seen, othersAtMost int64) {
	keys := map[uint64]*topKey{}
	for i := range t.stripes {
		for _, s := range t.stripes[i].copies(second / periodSeconds) {
			seen += s.seen
			least := s.least()
			othersAtMost += least
			for at := range s.used {
				slot := &s.slots[at]
				key := keys[slot.hash]
				if key == nil {
					key = &topKey{hash: slot.hash}
					keys[slot.hash] = key
				}
				key.atLeast += slot.count - slot.over
				key.atMost += slot.count - least // what is under least, all keys get below
				if s.texts != nil {
					key.text, key.cut = s.texts[at].String(), s.texts[at].cut
				}
			}
		}
	}
	for _, key := range keys {
		key.atMost += othersAtMost
		list = append(list, *key)
	}
	slices.SortFunc(list, func(a, b topKey) int {
		return cmp.Or(cmp.Compare(b.atLeast, a.atLeast), cmp.Compare(b.atMost, a.atMost), cmp.Compare(a.hash, b.hash))
	})
	for len(list) > n {
		othersAtMost = max(othersAtMost, list[len(list)-1].atMost)
		list = list[:len(list)-1]
	}
	return list, seen, othersAtMost
}

// copies are the summaries of a period and the one before.
func (st *topStripe) copies(period uint64) [2]summary {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.turn(period)
	return [2]summary{st.summaries[0].clone(), st.summaries[1].clone()}
}

// A keyText is the text of a key, or its first 64 bytes: an id may be of any
// length, and cut out of something longer that must not be kept.
type keyText struct {
	bytes [64]byte
	n     uint8
	cut   bool
}

func (t *keyText) set(key weir.PartitionKey) {
	switch {
	case key.Partition != weir.IP:
		t.n = uint8(copy(t.bytes[:], key.ID))
		t.cut = len(key.ID) > len(t.bytes)
	case key.Prefix.IsValid():
		t.n = uint8(len(key.Prefix.AppendTo(t.bytes[:0]))) // at most 43
		t.cut = false
	default:
		t.n = uint8(copy(t.bytes[:], "unknown")) // as PartitionKey.Key has it
		t.cut = false
	}
}

// String is the text as it is if it is made of characters that can be seen, spaces,
// and neither quotation marks nor backslashes; otherwise it is as Go quotes it. So
// nothing is shown that turns the line around or hides in it, and no two texts
// are shown alike.
func (t *keyText) String() string {
	b := t.bytes[:t.n]
	if t.cut {
		b = wholeRunes(b)
	}
	quoted := strconv.Quote(string(b))
	if plain := quoted[1 : len(quoted)-1]; plain == string(b) && plain != "" {
		return plain
	}
	return quoted
}

// wholeRunes is b without the beginning of a character at its end.
func wholeRunes(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i > len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}
