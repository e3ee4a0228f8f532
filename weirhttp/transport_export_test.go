package weirhttp

import "time"

// What the tests of Transport need and users do not.

// SetRandom replaces what draws a backoff from 0 up to a bound.
func (t *Transport) SetRandom(draw func(below time.Duration) time.Duration) { t.random = draw }

// Lines counts the keys that the Transport remembers, and those of them that
// nobody is in line for.
func (t *Transport) Lines() (all, idle int) {
	t.lines.mu.Lock()
	defer t.lines.mu.Unlock()
	return len(t.lines.byKey), t.lines.idle.Len()
}

const (
	MaxIdleLines = maxIdle
	MaxHold      = maxHold
	MaxAside     = maxAside
)
