package weirredis

import (
	"fmt"
	"time"
)

// A ConfigError is a setting that cannot be used.
type ConfigError struct {
	Setting string // the option or argument
	Value   any    // what was given
	Allowed string // what is allowed
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("weirredis: %s is %v: it must be %s", e.Setting, e.Value, e.Allowed)
}

// An UnavailableError says that the server could not be asked. It comes from
// decisions under [Closed], and from Reset, which nothing can stand in for.
type UnavailableError struct {
	Err        error         // what the server, the network or the context said last
	RetryAfter time.Duration // when it is worth another try; a guess
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("weirredis: the server cannot be asked (try again in %v): %v", e.RetryAfter, e.Err)
}

func (e *UnavailableError) Unwrap() error { return e.Err }
