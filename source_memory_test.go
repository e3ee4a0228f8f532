package weir

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestFlood sends keys that nobody has, at random, through a small cache. Sources
// in use must stay remembered, and so must a bad key that keeps coming; memory
// must stay where it is.
func TestFlood(t *testing.T) {
	const (
		entries = 1000
		sources = 500 // fewer than fit
	)
	flood := 100_000
	if raceEnabled {
		flood = 20_000
	}
	var lookups, goodLookups, stubbornLookups int // one caller, so one flight at a time
	stubborn := "stubborn" + strings.Repeat("!", 500)
	r, err := NewResolver(func(ctx context.Context, key string) (Source, error) {
		lookups++
		switch {
		case strings.HasPrefix(key, "on:"):
			goodLookups++
		case key == stubborn:
			stubbornLookups++
		}
		return lookupByName(ctx, key)
	}, WithSourceCache(entries), WithSourceTTL(time.Hour, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	good := make([]Request, sources)
	for i := range good {
		good[i] = intakeOf(fmt.Sprintf("on:%d", i))
	}
	long := strings.Repeat("x", MaxSourceKeyLen-20)
	before := liveHeap()
	for i := range flood {
		wantReason(t, r, fmt.Sprintf("%x%s", i, long), SourceUnknown)
		if i%100 == 0 {
			wantReason(t, r, stubborn, SourceUnknown)
		}
		req := good[i%sources]
		if _, reason := r.Resolve(t.Context(), req); reason != BySource {
			t.Fatalf("%s: %v, want by-source", req.SourceKey, reason)
		}
	}
	grown := int64(liveHeap()) - int64(before)
	if goodLookups != sources {
		t.Errorf("%d lookups of %d sources in use, want one each", goodLookups, sources)
	}
	if stubbornLookups != 1 {
		t.Errorf("%d lookups of the bad key that keeps coming, want 1", stubbornLookups)
	}
	if want := flood + sources + 1; lookups != want {
		t.Errorf("%d lookups, want %d, one for each key", lookups, want)
	}
	if n := r.sources.bad.entries.Size(); n != entries {
		t.Errorf("%d bad keys are remembered, want %d", n, entries)
	}
	// 1,000 digests and 500 sources; the keys alone would be a megabyte.
	if grown > 500_000 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	runtime.KeepAlive(r)
}

func TestFloodOfTooLongKeys(t *testing.T) {
	c := &countedLookup{}
	r := c.resolver(t)
	long := strings.Repeat("x", MaxSourceKeyLen)
	for i := range 10_000 {
		wantReason(t, r, fmt.Sprintf("%x%s", i, long), SourceUnknown)
	}
	if len(c.calls) != 0 || r.sources.bad.entries.Size() != 0 {
		t.Errorf("%d were looked up and %d are remembered, want none", len(c.calls), r.sources.bad.entries.Size())
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // the first may leave what pools hold
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSourceCacheRace has readers, lookups and evictions meet, for the race
// detector, and checks that nobody is ever given another key's source.
func TestSourceCacheRace(t *testing.T) {
	c := &countedLookup{}
	r := c.resolver(t, WithSourceCache(7), WithSourceTTL(50*time.Microsecond, 20*time.Microsecond))
	var callers sync.WaitGroup
	for g := range 8 {
		callers.Go(func() {
			for i := range 1000 {
				id := fmt.Sprint((i * (g + 1)) % 20)
				key, reason := r.Resolve(t.Context(), intakeOf("on:"+id))
				if reason != BySource || key.ID != id {
					t.Errorf("on:%s: %v by %v", id, key, reason)
				}
				wantReason(t, r, "nobody"+id, SourceUnknown)
			}
		})
	}
	callers.Wait()
	if n := r.sources.good.entries.Size(); n > 7 {
		t.Errorf("%d sources are remembered, want at most 7", n)
	}
	if n := r.sources.bad.entries.Size(); n > 7 {
		t.Errorf("%d bad keys are remembered, want at most 7", n)
	}
}

// TestNothingPinned: what is kept must not hold on to the memory it was cut from.
func TestNothingPinned(t *testing.T) {
	r, err := NewResolver(func(context.Context, string) (Source, error) {
		row := strings.Repeat("r", 1<<20)
		return Source{row[:2], true}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	before := liveHeap()
	for i := range 20 {
		body := strings.Repeat(string(rune('a'+i)), 1<<20)
		wantReason(t, r, body[:10], BySource)
	}
	if grown := int64(liveHeap()) - int64(before); grown > 1<<20 {
		t.Errorf("20 sources hold on to %d bytes", grown)
	}
	runtime.KeepAlive(r)
}
