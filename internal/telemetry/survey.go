package telemetry

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir"
)

// A Source is one quota that is told of.
type Source struct {
	Partition string
	Policy    string
	Limiter   *weir.Limiter
}

// SourcesOf are the quotas of all partitions, in their order.
func SourcesOf(limiter *weir.PartitionLimiter) (sources []Source, err error) {
	if limiter == nil {
		return nil, &weir.ConfigError{Field: "limiter", Value: "nil", Allowed: "one made by NewPartitionLimiter"}
	}
	for part := weir.IP; limiter.Limiter(part) != nil; part++ {
		of, err := SourcesNamed(part.String(), limiter.Policies(part))
		if err != nil {
			return nil, err
		}
		sources = append(sources, of...)
	}
	return sources, nil
}

// SourcesNamed are quotas of the program's own, under a name of its own. What is
// wrong with them is better found now than by each scrape.
func SourcesNamed(partition string, policies []weir.Policy) (sources []Source, err error) {
	if err := ValidName("partition", partition); err != nil {
		return nil, err
	}
	if len(policies) == 0 {
		return nil, &weir.ConfigError{Field: "number of policies", Value: 0, Allowed: "at least 1"}
	}
	seen := make(map[string]bool, len(policies))
	for i, p := range policies {
		field := fmt.Sprintf("policies[%d].Name", i)
		if err := ValidName(field, p.Name); err != nil {
			return nil, err
		}
		if seen[p.Name] {
			return nil, &weir.ConfigError{Field: field, Value: fmt.Sprintf("%q", p.Name), Allowed: "given once"}
		}
		if p.Limiter == nil {
			return nil, &weir.ConfigError{Field: fmt.Sprintf("limiter of policy %q", p.Name), Value: "nil", Allowed: "one made by New"}
		}
		seen[p.Name] = true
		sources = append(sources, Source{partition, p.Name, p.Limiter})
	}
	return sources, nil
}

// ValidName is a [*weir.ConfigError] for a name that cannot be a label.
func ValidName(field, name string) error {
	if name == "" || !utf8.ValidString(name) {
		return &weir.ConfigError{Field: field, Value: fmt.Sprintf("%q", name), Allowed: "a name in UTF-8, and not empty"}
	}
	return nil
}

// A Reading is how one source stood.
type Reading struct {
	weir.Stats
	Quota weir.Quota
}

// Burst is the quota's, with its default: what is admitted at one instant.
func (r Reading) Burst() int64 { return r.Quota.MaxIn(0) }

// A Survey looks at sources, and shares what it has seen. One look takes some 10 ms
// for a million keys, so many who ask at once must not bring about as many looks.
//
// One look is made at a time. Who asks while it is made waits for its end; then one
// of those who wait makes the next, and all of them share that. They cannot share
// the look that was under way when they came: it may have passed a counter already,
// and a decision that had been made when they asked would be missing from what they
// are told. So however many ask at once, two looks serve them all, nobody waits for
// longer than these two take, and nobody is told what is older than his question,
// unless maxAge allows it, but for admissions that move within weir just then (see
// weir.Limiter.Stats). Who asks again and again keeps one core busy, no more.
//
// What one asker after another is told of a counter never falls, because each look
// begins when the one before it has ended, and the counters of weir only rise.
type Survey struct {
	sources []Source
	maxAge  time.Duration // how long a look may serve those who come after its beginning
	begun   atomic.Int64  // looks so far
	turn    chan struct{} // holds one element while somebody looks; a mutex would not heed a context
	last    look          // the newest; guarded by turn
}

// A look is one pass over all sources. It does not change.
type look struct {
	number   int64 // from 1
	began    time.Time
	readings []Reading // one for each source, in their order
}

// NewSurvey looks at the sources; a look serves those who ask within maxAge of its
// beginning.
func NewSurvey(sources []Source, maxAge time.Duration) *Survey {
	return &Survey{sources: sources, maxAge: maxAge, turn: make(chan struct{}, 1)}
}

// Read returns a reading of each source, not to be written to. It waits for other
// looks at most until ctx is done; the error is that of ctx.
func (s *Survey) Read(ctx context.Context) ([]Reading, error) {
	before := s.begun.Load() // looks that have begun before the caller asked
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.last.number > before || time.Since(s.last.began) < s.maxAge {
		return s.last.readings, nil
	}
	l := look{number: s.begun.Add(1), began: time.Now(), readings: make([]Reading, len(s.sources))}
	for i, src := range s.sources {
		l.readings[i] = Reading{src.Limiter.Stats(), src.Limiter.Quota()}
	}
	s.last = l
	return l.readings, nil
}
