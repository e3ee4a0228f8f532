// Package redisbench measures weirredis beside other limiters that keep their counts
// on a Redis or Valkey server, and beside what one call of the server takes at least.
//
// All of them are asked on one server, in one run: by one process with a number of
// callers, and by several processes. See cmd/redis.
package redisbench

import (
	"context"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/bench/subject"
)

// A Subject is a limiter that is measured, or a call to measure it by.
type Subject struct {
	Name   string
	Module string // path of the module that it comes from, this repository's included
	Client string // what speaks to the server, and how it is set up
	Counts string // what is on the server, in a few words
	Space  string // who has the same shares its keys on the server
	Kind   Kind
	New    func(Env) (Limiter, error)
}

// Kind is what a subject stands for in comparisons.
type Kind string

const (
	Ours  Kind = "ours"   // weirredis
	Peer  Kind = "peer"   // another limiter, as its documentation recommends
	OptIn Kind = "opt-in" // another limiter, with what its client offers as experimental
	Floor Kind = "floor"  // limits nobody
)

// Env is what a limiter is made for.
type Env struct {
	Addr    string // of the server
	Callers int    // that will ask at once
	Quota   weir.Quota
}

// A Limiter decides for string keys. Its methods are called by many goroutines at
// once, Close excepted.
type Limiter interface {
	// Allow reports whether a request of the key may pass, and counts it if so. An
	// error means that it was not decided.
	Allow(ctx context.Context, key string) (bool, error)

	// Close gives back what the limiter has taken, and ends its client.
	Close() error
}

// A stander is a limiter that decides by itself when the server does not answer in
// time, and counts how often.
type stander interface{ FellBack() int64 }

// Version is the version of the subject's module in this program.
func (s Subject) Version() string { return subject.Subject{Module: s.Module}.Version() }

// All is everything that is measured, in the order of the report.
func All() []Subject {
	return []Subject{
		rueidisPing, rueidisEval, goRedisPing, goRedisEval,
		weirPlain, weirBusy, weirDefault, weirLeases,
		redisRate, redisRatePipelined, throttledGoRedis, throttledRedigo, ulule, sethvargo,
	}
}

// Named returns the subject of that name.
func Named(name string) (Subject, bool) {
	for _, s := range All() {
		if s.Name == name {
			return s, true
		}
	}
	return Subject{}, false
}
