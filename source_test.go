package weir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// intakeOf is an intake request with a source key.
func intakeOf(sourceKey string) Request {
	return Request{Method: "POST", Path: "/leads", SourceKey: sourceKey}
}

// A countedLookup is lookupByName that counts its calls by key, and runs before,
// if set, at the start of each.
type countedLookup struct {
	before func(ctx context.Context, key string)

	mu    sync.Mutex
	calls map[string]int
}

func (c *countedLookup) lookup(ctx context.Context, key string) (Source, error) {
	c.mu.Lock()
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[key]++
	c.mu.Unlock()
	if c.before != nil {
		c.before(ctx, key)
	}
	return lookupByName(ctx, key)
}

func (c *countedLookup) of(key string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[key]
}

func (c *countedLookup) resolver(t testing.TB, opts ...ResolverOption) *Resolver {
	t.Helper()
	r, err := NewResolver(c.lookup, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantReason resolves an intake request and compares the reason.
func wantReason(t *testing.T, r *Resolver, sourceKey string, want Reason) {
	t.Helper()
	if _, reason := r.Resolve(t.Context(), intakeOf(sourceKey)); reason != want {
		t.Errorf("%.20q: %v, want %v", sourceKey, reason, want)
	}
}

func TestLookupsCoalesce(t *testing.T) {
	for key, want := range map[string]Reason{
		"on:42": BySource, "off:42": SourceDisabled, "nobody": SourceUnknown, "err:": SourceLookupFailed,
	} {
		synctest.Test(t, func(t *testing.T) {
			release := make(chan struct{})
			c := &countedLookup{before: func(context.Context, string) { <-release }}
			r := c.resolver(t)
			var callers sync.WaitGroup
			var answered atomic.Int64
			for range 100 {
				callers.Go(func() {
					wantReason(t, r, key, want)
					answered.Add(1)
				})
			}
			synctest.Wait() // until all hundred are waiting
			if n := answered.Load(); n != 0 {
				t.Errorf("%s: %d callers have an answer before the lookup has", key, n)
			}
			close(release)
			callers.Wait()
			if n := c.of(key); n != 1 {
				t.Errorf("%s: %d lookups for 100 callers at once, want 1", key, n)
			}
		})
	}
}

// TestLookupsCoalesceUnordered has no bubble to line the callers up: some come
// as the flight lands, and must find what it brought.
func TestLookupsCoalesceUnordered(t *testing.T) {
	c := &countedLookup{}
	r := c.resolver(t)
	for i := range 300 {
		key := fmt.Sprintf("on:%d", i)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() { wantReason(t, r, key, BySource) })
		}
		callers.Wait()
		if n := c.of(key); n != 1 {
			t.Fatalf("%s: %d lookups, want 1", key, n)
		}
	}
}

func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type tag struct{}
		var lookupErr error
		c := &countedLookup{before: func(ctx context.Context, _ string) {
			if ctx.Value(tag{}) != "first" {
				t.Errorf("the lookup has the values of %v, want those of the first caller", ctx.Value(tag{}))
			}
			time.Sleep(3 * time.Second)
			lookupErr = ctx.Err()
		}}
		r := c.resolver(t)
		start := time.Now()
		var callers sync.WaitGroup
		// The first starts the lookup and is the first to go.
		for i, name := range []string{"first", "second", "third"} {
			callers.Go(func() {
				ctx := context.WithValue(t.Context(), tag{}, name)
				patience := time.Duration(i+1) * time.Second / 2
				ctx, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				if _, reason := r.Resolve(ctx, intakeOf("on:42")); reason != SourceLookupFailed {
					t.Errorf("%s: %v, want source-lookup-failed", name, reason)
				}
				if took := time.Since(start); took != patience {
					t.Errorf("%s caller came back after %v, want %v", name, took, patience)
				}
			})
			synctest.Wait()
		}
		callers.Go(func() {
			wantReason(t, r, "on:42", BySource)
			if took := time.Since(start); took != 3*time.Second {
				t.Errorf("the caller that stayed has its answer after %v, want 3s", took)
			}
		})
		callers.Wait()
		if lookupErr != nil {
			t.Errorf("callers that went took the lookup's context with them: %v", lookupErr)
		}
		if n := c.of("on:42"); n != 1 {
			t.Errorf("%d lookups, want 1", n)
		}
	})
}

// TestAllCallersLeave: the lookup goes on, and serves the next caller.
func TestAllCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &countedLookup{before: func(context.Context, string) { time.Sleep(2 * time.Second) }}
		r := c.resolver(t)
		for range 3 { // 0.5 s of patience each, one after another
			ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
			if _, reason := r.Resolve(ctx, intakeOf("on:42")); reason != SourceLookupFailed {
				t.Errorf("%v, want source-lookup-failed", reason)
			}
			cancel()
		}
		time.Sleep(time.Second)
		wantReason(t, r, "on:42", BySource)
		if n := c.of("on:42"); n != 1 {
			t.Errorf("%d lookups, want 1", n)
		}
	})
}

func TestEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &countedLookup{}
		r := c.resolver(t)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, reason := r.Resolve(ended, intakeOf("on:42")); reason != SourceLookupFailed {
			t.Errorf("not remembered: %v, want source-lookup-failed", reason)
		}
		synctest.Wait() // for a lookup, had one been started
		if n := c.of("on:42"); n != 0 {
			t.Errorf("%d lookups for a caller that has gone, want 0", n)
		}
		wantReason(t, r, "on:42", BySource)
		if _, reason := r.Resolve(ended, intakeOf("on:42")); reason != BySource {
			t.Errorf("remembered: %v, want by-source", reason)
		}
	})
}

// TestHangingLookup: one that ignores its context holds nobody longer than the
// timeout, its late answer is not believed, and the key recovers.
func TestHangingLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		c := &countedLookup{}
		c.before = func(ctx context.Context, key string) {
			if c.of(key) == 1 {
				<-release
			}
		}
		r := c.resolver(t, WithLookupTimeout(7*time.Second))
		start := time.Now()
		var callers sync.WaitGroup
		for range 3 {
			callers.Go(func() { wantReason(t, r, "on:42", SourceLookupFailed) })
			time.Sleep(time.Second)
		}
		callers.Wait()
		if took := time.Since(start); took != 7*time.Second {
			t.Errorf("callers came back %v after the lookup began, want 7s", took)
		}
		close(release)
		synctest.Wait()
		if n := r.sources.good.entries.Size(); n != 0 {
			t.Errorf("the late answer is remembered")
		}
		wantReason(t, r, "on:42", BySource)
		if n := c.of("on:42"); n != 2 {
			t.Errorf("%d lookups, want 2", n)
		}
	})
}

func TestSourceTTL(t *testing.T) {
	for key, test := range map[string]struct {
		ttl  time.Duration
		want Reason
	}{
		"on:42":  {time.Hour, BySource},
		"off:42": {time.Hour, SourceDisabled},
		"nobody": {time.Minute, SourceUnknown},
		"on:":    {time.Minute, SourceUnknown},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := &countedLookup{}
			r := c.resolver(t, WithSourceTTL(time.Hour, time.Minute))
			for lookups := range 3 {
				wantReason(t, r, key, test.want)
				time.Sleep(test.ttl - 1)
				wantReason(t, r, key, test.want)
				if n := c.of(key); n != lookups+1 {
					t.Errorf("%s: %d lookups a nanosecond before its time, want %d", key, n, lookups+1)
				}
				time.Sleep(time.Nanosecond)
			}
			wantReason(t, r, key, test.want)
			if n := c.of(key); n != 4 {
				t.Errorf("%s: %d lookups after three times its time, want 4", key, n)
			}
		})
	}
}

// TestSourceChanges: a source may come, be disabled and go; each takes a TTL.
func TestSourceChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var source Source
		err := ErrNoSource
		r, newErr := NewResolver(func(context.Context, string) (Source, error) { return source, err },
			WithSourceTTL(time.Minute, time.Second))
		if newErr != nil {
			t.Fatal(newErr)
		}
		wantReason(t, r, "k", SourceUnknown)
		source, err = Source{"42", true}, nil
		wantReason(t, r, "k", SourceUnknown)
		time.Sleep(time.Second)
		wantReason(t, r, "k", BySource)
		source.Enabled = false
		wantReason(t, r, "k", BySource)
		time.Sleep(time.Minute)
		wantReason(t, r, "k", SourceDisabled)
		err = ErrNoSource
		time.Sleep(time.Minute)
		wantReason(t, r, "k", SourceUnknown)
		err = errors.New("down")
		time.Sleep(time.Second)
		wantReason(t, r, "k", SourceLookupFailed)
		err = nil
		wantReason(t, r, "k", SourceDisabled)
	})
}

func TestFailureNotRemembered(t *testing.T) {
	c := &countedLookup{}
	r := c.resolver(t)
	for range 5 {
		wantReason(t, r, "err:42", SourceLookupFailed)
	}
	if n := c.of("err:42"); n != 5 {
		t.Errorf("%d lookups, want 5", n)
	}
}

// Nor is it for a lookup that returns half of a source along with its error.
func TestFailureWithASource(t *testing.T) {
	lookups := 0
	r, err := NewResolver(func(context.Context, string) (Source, error) {
		lookups++
		return Source{Enabled: true}, errors.New("the connection broke")
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		wantReason(t, r, "key", SourceLookupFailed)
	}
	if lookups != 3 {
		t.Errorf("%d lookups, want 3", lookups)
	}
}

func TestLookupPanics(t *testing.T) {
	var logged bytes.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&logged)
	synctest.Test(t, func(t *testing.T) {
		calm := false
		c := &countedLookup{before: func(context.Context, string) {
			time.Sleep(time.Second)
			if !calm {
				panic("no such table")
			}
		}}
		r := c.resolver(t)
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() { wantReason(t, r, "on:42", SourceLookupFailed) })
		}
		callers.Wait()
		if n := c.of("on:42"); n != 1 {
			t.Errorf("%d lookups, want 1", n)
		}
		calm = true
		wantReason(t, r, "on:42", BySource)
	})
	if got := logged.String(); strings.Count(got, "no such table") != 1 || !strings.Contains(got, "TestLookupPanics") {
		t.Errorf("the log has not the panic once, with its stack: %q", got)
	}
}

func TestLookupExits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewResolver(func(context.Context, string) (Source, error) {
			runtime.Goexit()
			return Source{}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		wantReason(t, r, "on:42", SourceLookupFailed)
		if took := time.Since(start); took != 0 {
			t.Errorf("the caller waited %v for a lookup that had exited", took)
		}
	})
}

// What ended a lookup without an answer is told apart.
func TestLookupEnds(t *testing.T) {
	defer log.SetOutput(log.Writer())
	log.SetOutput(io.Discard)
	for want, lookup := range map[error]SourceLookup{
		errLookupPanicked: func(context.Context, string) (Source, error) { panic("no such table") },
		errLookupExited:   func(context.Context, string) (Source, error) { runtime.Goexit(); return Source{}, nil },
	} {
		if _, err := newSourceStore(lookup, defaultSourceConfig).ask(t.Context(), "key"); err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func TestMaxSourceKeyLen(t *testing.T) {
	c := &countedLookup{}
	r := c.resolver(t)
	longest := "on:" + strings.Repeat("4", MaxSourceKeyLen-len("on:"))
	wantReason(t, r, longest, BySource)
	wantReason(t, r, longest+"4", SourceUnknown)
	if len(c.calls) != 1 {
		t.Errorf("%d keys were looked up, want 1", len(c.calls))
	}
}
