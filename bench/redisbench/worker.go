package redisbench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Spec tells a worker what to do.
type Spec struct {
	Subject string        `json:"subject"`
	Load    string        `json:"load"` // empty: what is decided without the server, see [Shortcut]
	Addr    string        `json:"addr"`
	Callers int           `json:"callers"`
	For     time.Duration `json:"for"`
	Keys    int           `json:"keys"` // that are drawn from
	Run     int           `json:"run"`  // its number: no two have the same one key
	Process int           `json:"process"`
}

// A Count is what a worker has seen.
type Count struct {
	Admitted, Refused, Failed int64
	Failure                   string        // the first
	FellBack                  int64         // of the decisions: by the subject, without the server
	Took                      time.Duration // from the first request's start to the last one's end
	Objects                   uint64        // that were allocated, by all callers together
	Latency                   []byte        // a histogram of nanoseconds, encoded

	Shortcuts []Shortcut `json:",omitempty"`
}

// decided is how many requests were admitted or refused.
func (c Count) decided() int64 { return c.Admitted + c.Refused }

// Words between a worker and the one who started it, a line each. The worker says
// ready when its limiter has its connections; it is told go when all are; it tells
// its Count in JSON, and ends, giving back what it has leased, when its input does.
const (
	ready = "ready"
	begin = "go"
)

// Work does what the spec says, in this process.
func Work(spec string, in io.Reader, out io.Writer) error {
	var s Spec
	if err := json.Unmarshal([]byte(spec), &s); err != nil {
		return fmt.Errorf("the spec %q: %w", spec, err)
	}
	measure := s.decide
	if s.Load == "" {
		measure = s.shortcuts
	}
	lines := bufio.NewReader(in)
	count, end, err := measure(func() error {
		if _, err := fmt.Fprintln(out, ready); err != nil {
			return err
		}
		line, err := lines.ReadString('\n')
		if err == nil && line != begin+"\n" {
			err = fmt.Errorf("told %q, want %q", line, begin)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(count); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		return err
	}
	return end()
}

// decide has all callers ask for some time. Before that they ask for a fifth of it
// with another key, so that there are connections, and the server has the script.
func (s Spec) decide(start func() error) (c Count, end func() error, err error) {
	subject, ok := Named(s.Subject)
	load, ok2 := LoadNamed(s.Load)
	if !ok || !ok2 {
		return c, nil, fmt.Errorf("no subject is named %q, or no load %q", s.Subject, s.Load)
	}
	l, err := subject.New(Env{Addr: s.Addr, Callers: s.Callers, Quota: load.Quota})
	if err != nil {
		return c, nil, fmt.Errorf("%s: %w", s.Subject, err)
	}
	s.ask(l, newKeys(load, s.Run, s.Keys, "warm:"), s.For/5)
	keys := newKeys(load, s.Run, s.Keys, "")
	runtime.GC()
	if err := start(); err != nil {
		return c, nil, err
	}
	aside := fellBack(l)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	callers, took := s.ask(l, keys, s.For)
	runtime.ReadMemStats(&after)
	c = total(callers)
	c.Took, c.Objects, c.FellBack = took, after.Mallocs-before.Mallocs, fellBack(l)-aside
	return c, l.Close, nil
}

func fellBack(l Limiter) int64 {
	if s, ok := l.(stander); ok {
		return s.FellBack()
	}
	return 0
}

// A caller is what one goroutine sees.
type caller struct {
	count   Count
	latency *hdrhistogram.Histogram
}

// newHistogram is of nanoseconds up to a minute, to a hundredth.
func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, 60e9, 2) }

// ask has each caller ask one request after another, until one ends that long after
// the start.
func (s Spec) ask(l Limiter, keys keysOf, span time.Duration) ([]caller, time.Duration) {
	callers := make([]caller, s.Callers)
	for i := range callers {
		callers[i].latency = newHistogram()
	}
	var all sync.WaitGroup
	base := time.Now()
	for i := range callers {
		rng := rand.New(rand.NewPCG(uint64(s.Process), uint64(i)))
		all.Go(func() { callers[i].ask(l, keys, rng, base, span) })
	}
	all.Wait()
	return callers, time.Since(base)
}

// ask reads the clock once a request: nothing lies between two readings but a
// decision, the drawing of its key and the note of the one before.
func (c *caller) ask(l Limiter, keys keysOf, rng *rand.Rand, base time.Time, span time.Duration) {
	ctx := context.Background()
	for before := time.Since(base); before < span; {
		allowed, err := l.Allow(ctx, keys.draw(rng))
		after := time.Since(base)
		switch {
		case err != nil:
			if c.count.Failed == 0 {
				c.count.Failure = err.Error()
			}
			c.count.Failed++
		case allowed:
			c.count.Admitted++
		default:
			c.count.Refused++
		}
		// What is out of range took more than a minute: worth its place.
		_ = c.latency.RecordValue(min(max(int64(after-before), 1), 60e9))
		before = after
	}
}

// total adds up callers.
func total(callers []caller) (c Count) {
	all := newHistogram()
	for i := range callers {
		one := &callers[i]
		c.add(one.count)
		all.Merge(one.latency)
	}
	c.Latency = encode(all)
	return c
}

// add adds what is counted. Times and histograms are not.
func (c *Count) add(d Count) {
	c.Admitted += d.Admitted
	c.Refused += d.Refused
	c.Failed += d.Failed
	c.FellBack += d.FellBack
	c.Objects += d.Objects
	if c.Failure == "" {
		c.Failure = d.Failure
	}
}

func encode(h *hdrhistogram.Histogram) []byte {
	text, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(err) // it writes to memory
	}
	return text
}
