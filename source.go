package weir

import (
	"context"
	"crypto/sha256"
	"errors"
	"log"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/singleflight"
)

// A Source is where leads come in from, named by a source key: it belongs to a
// business and may be disabled.
type Source struct {
	BusinessID string
	Enabled    bool
}

// ErrNoSource is what a [SourceLookup] returns, alone or wrapped, for a key that
// no source has. Any other error says that it could not find out.
var ErrNoSource = errors.New("weir: no such source")

// MaxSourceKeyLen is the length, in bytes, of the longest source key that is
// looked up. A longer one is SourceUnknown without asking, so that nobody can
// send a store of sources keys of the size of a request.
const MaxSourceKeyLen = 1024

// A SourceLookup finds the source of a key, usually in a database. It returns
// [ErrNoSource] if there is none. It must be safe for concurrent use.
//
// Answers are remembered, ErrNoSource as well as a source, for as long as
// [WithSourceTTL] says and as many as [WithSourceCache] says. An enabled source
// without a BusinessID belongs to nobody and counts as none. Other errors are
// not remembered: the next request asks again.
//
// Callers who need the same key at the same time share one lookup. It runs in a
// goroutine of its own, with the values of the first caller's context, but not
// its end: a caller that goes away, the first one included, takes the answer
// from nobody. Nor is the lookup given up when all callers have gone. Its answer
// serves the next one, and a key that is asked for by one impatient caller after
// another still costs one lookup, not one each.
//
// The context ends after [WithLookupTimeout]. Whoever waits is then told that
// the lookup failed, and what it returns later is dropped; a lookup should
// return soon after its context has ended.
//
// A lookup that panics has failed: the process goes on, and the panic and its
// stack are written to the standard logger of package log, as net/http does for
// a handler. One that calls runtime.Goexit has failed too.
type SourceLookup func(ctx context.Context, sourceKey string) (Source, error)

// A sourceConfig is what the resolver's options set of a sourceStore.
type sourceConfig struct {
	foundTTL  time.Duration
	failedTTL time.Duration
	entries   int           // of each cache
	timeout   time.Duration // of a lookup
}

// defaultSourceConfig: a disabled source stops within a minute, one lookup a
// minute for a source in use is no load, and the author of a new source, who
// tried it a moment too early, has not lost patience after ten seconds.
var defaultSourceConfig = sourceConfig{
	foundTTL:  time.Minute,
	failedTTL: 10 * time.Second,
	entries:   1 << 14,
	timeout:   5 * time.Second,
}

// A sourceStore finds sources: remembered ones, or else by a shared lookup.
//
// Sources and bad keys are remembered apart, so that no number of bad keys, which
// anyone can invent, pushes out a source, which only the lookup can give. A bad
// key is remembered by its digest: its length, too, is up to whoever invents it.
// The digest is SHA-256 because two keys with the same one would share their
// fate, and nobody can find two; a keyed 64-bit hash would be faster, but this
// path ends in a refusal or a lookup.
type sourceStore struct {
	lookup  SourceLookup
	config  sourceConfig
	base    time.Time // origin of now
	flights singleflight.Group
	good    *ttlCache[string, Source]
	bad     *ttlCache[[sha256.Size]byte, struct{}]
}

func newSourceStore(lookup SourceLookup, c sourceConfig) *sourceStore {
	return &sourceStore{
		lookup: lookup,
		config: c,
		base:   time.Now(),
		good:   newTTLCache[string, Source](c.entries),
		bad:    newTTLCache[[sha256.Size]byte, struct{}](c.entries),
	}
}

// now is a monotonic reading; the fake clock inside a testing/synctest bubble.
func (s *sourceStore) now() time.Duration { return time.Since(s.base) }

// find returns the source of a key; ErrNoSource if there is none; another error
// if that could not be found out, or not before ctx ended. For a remembered key
// it neither waits nor allocates.
func (s *sourceStore) find(ctx context.Context, key string) (Source, error) {
	if len(key) > MaxSourceKeyLen {
		return Source{}, ErrNoSource
	}
	if source, ok, err := s.remembered(key); ok {
		return source, err
	}
	if err := ctx.Err(); err != nil {
		return Source{}, err
	}
	// The flight may outlive the request that the key was cut from.
	return s.join(ctx, strings.Clone(key))
}

// join waits for the flight that looks key up, while ctx lasts, and starts it if
// there is none. It is not part of find because its closure would cost find an
// allocation, for remembered keys too.
func (s *sourceStore) join(ctx context.Context, key string) (Source, error) {
	flight := s.flights.DoChan(key, func() (any, error) {
		return s.fly(ctx, key)
	})
	select {
	case result := <-flight:
		source, _ := result.Val.(Source)
		return source, result.Err
	case <-ctx.Done():
		return Source{}, ctx.Err()
	}
}

// remembered returns what find would, if ok, which it knows without a lookup.
func (s *sourceStore) remembered(key string) (source Source, ok bool, err error) {
	now := s.now()
	if source, ok = s.good.get(key, now); ok {
		return source, true, nil
	}
	if _, ok = s.bad.get(digest(key), now); ok {
		return Source{}, true, ErrNoSource
	}
	return Source{}, false, nil
}

// digest is what a bad key of at most MaxSourceKeyLen bytes is remembered by.
func digest(key string) [sha256.Size]byte {
	var buf [MaxSourceKeyLen]byte // []byte(key) would allocate above 32 bytes
	n := copy(buf[:], key)
	return sha256.Sum256(buf[:n])
}

// fly is the one lookup that everyone who waits for key shares. What it returns
// is remembered first, so that whoever comes too late for this flight finds it.
func (s *sourceStore) fly(first context.Context, key string) (Source, error) {
	// The flight before may have landed after our caller had looked.
	if source, ok, err := s.remembered(key); ok {
		return source, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(first), s.config.timeout)
	defer cancel()
	source, err := s.ask(ctx, key)
	if err == nil && source.Enabled && source.BusinessID == "" {
		err = ErrNoSource
	}
	now := s.now()
	switch {
	case err == nil:
		source.BusinessID = strings.Clone(source.BusinessID) // perhaps cut from a whole row
		s.good.put(key, source, now, s.config.foundTTL)
	case errors.Is(err, ErrNoSource):
		s.bad.put(digest(key), struct{}{}, now, s.config.failedTTL)
	}
	return source, err
}

// errLookupPanicked and errLookupExited stand for what a lookup did in place of
// returning.
var (
	errLookupPanicked = errors.New("weir: SourceLookup panicked")
	errLookupExited   = errors.New("weir: SourceLookup called runtime.Goexit")
)

// ask calls the lookup and returns by the end of ctx, whatever the lookup does.
// The lookup has a goroutine to itself because that is the only way to come
// back from one that hangs, or that ends its goroutine.
func (s *sourceStore) ask(ctx context.Context, key string) (Source, error) {
	type answer struct {
		source Source
		err    error
	}
	answers := make(chan answer, 1) // with room, so that a late answer waits for nobody
	go func() {
		a := answer{err: errLookupExited}
		defer func() {
			if p := recover(); p != nil {
				log.Printf("weir: panic in SourceLookup: %v\n%s", p, debug.Stack())
				a = answer{err: errLookupPanicked}
			}
			answers <- a
		}()
		a.source, a.err = s.lookup(ctx, key)
	}()
	select {
	case a := <-answers:
		return a.source, a.err
	case <-ctx.Done():
		return Source{}, ctx.Err()
	}
}
