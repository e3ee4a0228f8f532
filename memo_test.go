package weir

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// remembered asks for the key until the memo has it, and returns its entry.
func remembered(t *testing.T, l *Limiter, key string) *memoEntry {
	t.Helper()
	_, id := l.hash(key)
	for range 30 << learnLog {
		l.Allow(key)
		for i, m := 0, l.memo.Load(); i < len(m); i++ {
			if e := &m[i]; e.id.Load() == id && e.head.Load()&memoLength == uint64(len(key)) {
				return e
			}
		}
	}
	t.Fatalf("%q was asked for %d times and is not remembered", key, 30<<learnLog)
	return nil
}

// A false id in every entry tells who is answered by the memo: the key whose id it is,
// and nobody else, however alike.
func TestMemoAnswersForTheWholeKey(t *testing.T) {
	const planted = 1234567
	for n := 1; n <= longestMemo; n++ {
		l, _ := newTest(t, PerSecond(1))
		key := strings.Repeat("0123456789abcdef", 4)[n%7:][:n]
		remembered(t, l, key)
		home, _ := l.hash(key)
		plant := func() {
			for i, m := 0, l.memo.Load(); i < len(m); i++ {
				m[i].write(key, home, planted)
			}
		}
		if plant(); l.memo.Load() == noMemo {
			t.Fatal("there is no memo")
		}
		if sh, id := l.locate(key); id != planted {
			t.Fatalf("%q: the memo did not answer", key)
		} else if sh != &l.shards[home] {
			t.Fatalf("%q: the memo has another shard", key)
		}
		var others []string
		for i := range n {
			for bit := range 8 {
				other := []byte(key)
				other[i] ^= 1 << bit
				others = append(others, string(other))
			}
			others = append(others, key[:i], key[i+1:], key[:i]+"\x00"+key[i:])
		}
		for i := range 80 {
			others = append(others, key+strings.Repeat("\x00", i+1), strings.Repeat("\x00", i+1)+key)
		}
		for _, other := range others {
			plant() // another may have been learned
			home, want := l.hash(other)
			if sh, id := l.locate(other); other != key && (id != want || sh != &l.shards[home]) {
				t.Fatalf("%q was answered for %q: id %x, want %x", key, other, id, want)
			}
		}
	}
}

func TestMemoLeavesOutLongKeys(t *testing.T) {
	l, _ := newTest(t, PerSecond(1))
	for _, key := range []string{"", strings.Repeat("x", longestMemo+1), strings.Repeat("x", 255), strings.Repeat("x", 256)} {
		for range 30 << learnLog {
			l.Allow(key)
		}
	}
	if l.memo.Load() != noMemo {
		t.Error("it has been made")
	}
}

// Keys in turn, in any number, are all learned, and none waits much longer than the
// others: the choice keeps step with nothing, whether the count moves with each
// decision, as refusals move it, or 32 at a time.
func TestMemoLearnsInAnyPattern(t *testing.T) {
	var c counters
	s := c.mine()
	for _, step := range []int64{1, 32} {
		took, keys := int64(0), int64(0)
		for period := range int64(50) {
			for turn := range period {
				i := int64(0)
				for {
					s.admitted.Store((i*period + turn) / step * step)
					if c.chance(uint64(turn)*0xC2B2AE3D27D4EB4F, learnLog) {
						break
					}
					if i++; i > 60<<learnLog {
						t.Fatalf("of %d keys in turn, the %d. is never learned", period, turn)
					}
				}
				took, keys = took+i, keys+1
			}
		}
		if mean := took / keys; mean > 2<<learnLog {
			t.Errorf("a key was learned after %d decisions, with a count that moves by %d", mean, step)
		}
	}
}

// A key that is always admitted is learned as soon as one that is refused.
func TestMemoLearnsAdmittedKeys(t *testing.T) {
	const limiters = 60
	took := 0
	for range limiters {
		l, _ := newTest(t, PerSecond(1e9))
		for l.Allow("k"); l.memo.Load() == noMemo; l.Allow("k") {
			if took++; took > limiters*20<<learnLog {
				t.Fatal("it is not learned")
			}
		}
	}
	if mean := took / limiters; mean > 4<<learnLog {
		t.Errorf("it was learned after %d decisions, want about %d", mean, 1<<learnLog)
	}
}

// Keys that come once are seldom worth an entry, whatever is asked of them.
func TestMemoLearnsSeldom(t *testing.T) {
	const n = 50 << learnLog
	for name, ask := range map[string]func(l *Limiter, key string){
		"Allow": func(l *Limiter, key string) { l.Allow(key) },
		"Peek":  func(l *Limiter, key string) { l.Peek(key) },
	} {
		l, _ := newTest(t, PerSecond(1))
		for i := range n {
			ask(l, fmt.Sprint("once ", i))
		}
		var written uint64
		for i, m := 0, l.memo.Load(); i < len(m); i++ {
			written += m[i].head.Load() / memoVersion
		}
		if mean := uint64(n >> learnLog); written < mean/3 || written > mean*3 {
			t.Errorf("%s: %d of %d keys were written to the memo, want about %d", name, written, n, mean)
		}
	}
}

// Keys that are alike are spread over all entries.
func TestMemoSpreadsKeys(t *testing.T) {
	for _, format := range []string{
		"%d", "%04d", "%08d", "user:%d", "%d:user", "api:%04d:get", "api:%04d:v1:get", "business:%d:intake",
		"10.0.%d", "203.0.113.77:%d", "2001:db8:%x::/64", "%08x-0000-4000-8000-000000000000", "00000000-0000-4000-8000-%012x",
	} {
		var m memo
		used := map[*memoEntry]bool{}
		for i := range 10_000 {
			used[m.entry(words(fmt.Sprintf(format, i)))] = true
		}
		if len(used) < len(m)*9/10 {
			t.Errorf("10,000 keys like %q have %d entries of %d", format, len(used), len(m))
		}
	}
}

// What an entry has of a longer key is gone when a shorter one takes it.
func TestMemoForgetsTheKeyBefore(t *testing.T) {
	var e memoEntry
	e.write(strings.Repeat("x", longestMemo), 1, 2)
	e.write("short", 3, 4)
	for i := range e.between {
		if word := e.between[i].Load(); word != 0 {
			t.Errorf("word %d: %x", i, word)
		}
	}
}

// Keys of one entry are learned over each other while they are asked for: each
// is answered from its own writing, or hashed, and never from a mixture.
func TestMemoIsNeverReadTorn(t *testing.T) {
	l, _ := newTest(t, PerSecond(1))
	type planted struct {
		key        string
		shard      int
		id, hashed uint64
	}
	var keys []planted
	var e *memoEntry
	for i := 0; len(keys) < 4; i++ {
		key := fmt.Sprintf("one of the keys that share entry %d", i)
		if of := remembered(t, l, key); e == nil || of == e {
			e = of
			sh, id := l.hash(key)
			keys = append(keys, planted{key, sh, uint64(len(keys)) + 1, id})
		}
	}
	// At this count locate learns none of them.
	would := func(p planted) bool { return l.counters.turn(p.hashed, learnLog/2) }
	for count := int64(1); count == 1 || learnLog > 0 && slices.ContainsFunc(keys, would); count++ {
		for i := range l.counters.stripes {
			l.counters.stripes[i].admitted.Store(count)
			l.counters.stripes[i].refused.Store(0)
		}
	}

	before := e.head.Load() / memoVersion
	// met are readings in which something was written. So many take half a second on two
	// idle processors, where a reader who does not look twice is found out in a tenth of it.
	const enough = 1_000_000
	end := time.Now().Add(3 * time.Second)
	var hits, misses, met atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := 0; i%1000 != 0 || met.Load() < enough && time.Now().Before(end); i++ {
				p := keys[rand.IntN(len(keys))]
				if rand.IntN(8) == 0 {
					e.write(p.key, p.shard, p.id)
					continue
				}
				seen := e.head.Load()
				sh, id := l.locate(p.key)
				if e.head.Load() != seen {
					met.Add(1)
				}
				switch {
				case sh != &l.shards[p.shard]:
					t.Errorf("%q: another shard", p.key)
				case id == p.id:
					hits.Add(1)
				case id == p.hashed:
					misses.Add(1)
				default:
					t.Errorf("%q: id %x is neither remembered for it, %x, nor its own, %x", p.key, id, p.id, p.hashed)
					met.Store(enough) // it is over
					return
				}
			}
		})
	}
	all.Wait()
	if written := e.head.Load()/memoVersion - before; written < 10_000 || hits.Load() < 1000 || misses.Load() < 1000 {
		t.Errorf("%d writings, %d answers from them, %d not: the readers and the writers did not meet", written, hits.Load(), misses.Load())
	}
}

// The memo that all limiters begin with is nobody's: what one of them learns, it learns
// for itself.
func TestNoMemoIsNeverWritten(t *testing.T) {
	l, _ := newTest(t, PerSecond(1))
	before := l.Stats().Bytes
	remembered(t, l, "key")
	if took := l.Stats().Bytes - before; took < int64(unsafe.Sizeof(memo{})) {
		t.Errorf("with a memo it says to take %d bytes more", took)
	}
	other, _ := newTest(t, PerSecond(1))
	if *noMemo != (memo{}) || l.memo.Load() == noMemo || other.memo.Load() != noMemo {
		t.Error("it was written")
	}
}

func TestMemoEntryIsACacheLine(t *testing.T) {
	if size := unsafe.Sizeof(memoEntry{}); size != 64 {
		t.Errorf("an entry takes %d bytes", size)
	}
}
