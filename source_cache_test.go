package weir

import (
	"math"
	"testing"
	"time"
)

// newIntCache returns a cache that remembers the numbers below n for an hour.
func newIntCache(max, n int) *ttlCache[int, int] {
	c := newTTLCache[int, int](max)
	for i := range n {
		c.put(i, -i, 0, time.Hour)
	}
	return c
}

func (c *ttlCache[K, V]) has(key K) bool {
	e, ok := c.entries.Load(key)
	return ok && c.ring[e.slot] == e
}

func TestCacheBound(t *testing.T) {
	for _, max := range []int{1, 2, 3, 100} {
		c := newIntCache(max, 1000)
		if c.entries.Size() != max || len(c.ring) != max {
			t.Errorf("max %d: %d entries, %d in the ring", max, c.entries.Size(), len(c.ring))
		}
		for _, e := range c.ring {
			if !c.has(e.key) || e.value != -e.key {
				t.Errorf("max %d: ring and map differ about %d", max, e.key)
			}
		}
	}
}

func TestCacheKeepsWhatIsAskedFor(t *testing.T) {
	c := newIntCache(10, 10)
	for i := range 1000 {
		// Every ninth key: at least once a round of the hand, for there are nine
		// other places.
		if i%9 == 0 {
			if v, ok := c.get(3, 0); !ok || v != -3 {
				t.Fatalf("after %d others: get(3) = %d, %v", i, v, ok)
			}
		}
		c.put(100+i, 0, 0, time.Hour)
	}
}

func TestCacheEvictsExpiredFirst(t *testing.T) {
	c := newTTLCache[string, int](3)
	c.put("long", 0, 0, time.Hour)
	c.put("short", 0, 0, time.Minute)
	c.put("unused", 0, 0, time.Hour)
	for _, key := range []string{"long", "short"} {
		if _, ok := c.get(key, 0); !ok {
			t.Fatalf("%s is not there", key)
		}
	}
	c.put("new", 0, time.Minute, time.Hour)
	if !c.has("long") || c.has("short") || !c.has("unused") || !c.has("new") {
		t.Error("a marked entry that had expired did not go first")
	}
}

func TestCacheAllMarked(t *testing.T) {
	c := newIntCache(5, 5)
	for i := range 5 {
		c.get(i, 0)
	}
	c.put(5, 0, 0, time.Hour)
	if c.entries.Size() != 5 || !c.has(5) {
		t.Errorf("%d entries, the new one among them: %v", c.entries.Size(), c.has(5))
	}
}

func TestCacheReplaces(t *testing.T) {
	c := newIntCache(3, 3)
	c.put(1, 11, time.Hour, time.Minute)
	if v, ok := c.get(1, time.Hour+time.Minute-1); !ok || v != 11 {
		t.Errorf("get = %d, %v, want the new value", v, ok)
	}
	if _, ok := c.get(1, time.Hour+time.Minute); ok {
		t.Error("the new value has the old one's time")
	}
	if c.entries.Size() != 3 || len(c.ring) != 3 || !c.has(1) {
		t.Error("ring and map differ")
	}
}

// TestCacheRenewalIsUse: an entry that was put again has been asked for, and goes
// after one that nobody has asked for.
func TestCacheRenewalIsUse(t *testing.T) {
	c := newIntCache(3, 3)
	c.put(0, 0, 0, time.Hour)
	c.put(3, 0, 0, time.Hour)
	if !c.has(0) || c.has(1) {
		t.Error("the entry that was renewed went first")
	}
}

func TestCacheForever(t *testing.T) {
	c := newTTLCache[string, int](1)
	c.put("k", 1, time.Hour, math.MaxInt64)
	if _, ok := c.get("k", 1<<62); !ok {
		t.Error("a time to live that overflows has ended")
	}
}

// The hand takes marks off as it passes, and goes on behind the entry that it has
// replaced.
func TestCacheHand(t *testing.T) {
	c := newIntCache(3, 3)
	for i := range 3 {
		c.get(i, 0)
	}
	c.put(3, 0, 0, time.Hour) // all were marked: 0 goes
	c.get(1, 0)
	c.put(4, 0, 0, time.Hour) // 2 is the next without a mark
	for key, want := range []bool{false, true, false, true, true} {
		if c.has(key) != want {
			t.Errorf("%d: %t", key, c.has(key))
		}
	}
}
