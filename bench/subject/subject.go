// Package subject says what a rate limiter must look like to be measured here.
//
// One file of package peers adapts one limiter to it. An adapter uses its
// limiter as the limiter's own documentation recommends, in its fastest
// sensible configuration, with its own cleaning left on.
package subject

import (
	"net/netip"
	"runtime/debug"
	"time"
)

// A Subject is a limiter that is measured, or a reference to measure it by.
type Subject struct {
	Name   string // short, the same in every table: "x/time, sync.Map"
	Module string // path of the module that it comes from, this repository's included
	Keeps  Keeps
	Cleans string // how it forgets keys, in a few words: "janitor", "never"
	Exact  string // what its count means, and where it admits more than its quota
	New    func(Config) (Limiter, error)
}

// A Limiter decides for string keys. Its methods are called by many goroutines
// at once, Close excepted.
type Limiter interface {
	// Allow reports whether a request of the key may pass, and counts it if so.
	Allow(key string) bool

	// Close stops what the limiter runs in the background.
	Close()
}

// An AddrLimiter decides for addresses without making a string of each. Who is
// none is asked with the address's text.
type AddrLimiter interface {
	AllowAddr(addr netip.Addr) bool
}

// Config is the quota of every key, the same for all subjects: Limit requests a
// Period, all of which may come at once.
type Config struct {
	Limit   int64
	Period  time.Duration
	MaxKeys int // most keys that live at once, for limiters with a bound
}

// Interval is the time in which a key earns one request, rounded up.
func (c Config) Interval() time.Duration {
	return (c.Period + time.Duration(c.Limit) - 1) / time.Duration(c.Limit)
}

// PerSecond is the same as a rate.
func (c Config) PerSecond() float64 {
	return float64(c.Limit) / c.Period.Seconds()
}

// MaxIn is the most that a key may have been admitted in a span of time that
// long: what was saved up before it and what was earned in it. No subject earns
// faster than that, windows included, unless it admits more than its quota.
func (c Config) MaxIn(span time.Duration) int64 {
	return c.Limit + int64(span/c.Interval())
}

// Keeps is what a subject remembers of a key, which decides which workloads
// make sense for it.
type Keeps int

const (
	// Text is the key itself: two keys never share a budget.
	Text Keeps = iota
	// KeyedHash is a hash that nobody outside can compute.
	KeyedHash
	// PlainHash is a hash that anybody can compute, so that keys can be made
	// which share a budget.
	PlainHash
	// OneKey is nothing: there is one budget for all.
	OneKey
	// Nothing is a reference that limits nobody; its counts are not checked.
	Nothing
)

func (k Keeps) String() string {
	return [...]string{"the key", "a keyed hash", "an unkeyed hash", "one budget", "nothing"}[k]
}

// Reference reports whether the subject is no limiter but something to measure
// limiters by.
func (s Subject) Reference() bool { return s.Keeps == Nothing }

// Version is the version of the subject's module in this program, "" if it is
// not part of it, and "this commit" for what is replaced by a directory.
func (s Subject) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if s.Module == info.Main.Path {
		return "this commit"
	}
	for _, m := range info.Deps {
		switch {
		case m.Path != s.Module:
		case m.Replace != nil:
			return "this commit"
		default:
			return m.Version
		}
	}
	return ""
}

// Every calls do once a period, at most once a millisecond, until stop is
// called: the janitor of limiters that leave cleaning to their callers.
func Every(period time.Duration, do func()) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(max(period, time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				do()
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}
