// Package gate compares the speed of two versions of weir, and tells whether one
// has lost a core row of the other. It measures test binaries; cmd/gate makes
// them.
package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A Build is the test binary of one version, linked in several layouts: with its
// functions in another order each time. Where a function happens to lie changes
// the speed of a hot loop by some per cent, and any edit moves all that comes
// after it; so with one binary a side the ratio would be of layouts too.
type Build struct {
	Name    string // in the table
	Layouts []string
}

// A Comparison measures rows of two versions in turn.
type Comparison struct {
	Base, Head Build
	// Measure takes a sample; nil is the function [Measure].
	Measure func(ctx context.Context, binary string, row Row) (Sample, error)
	// Patience ends a pass early, once it has rounds enough to decide: the first
	// after two thirds of it, the second at its end. It counts from the start of
	// Run. 0 has all rounds measured.
	Patience time.Duration
	Log      io.Writer // progress; may be io.Discard

	started time.Time
	pass    int
}

// Run compares the rows. A row that seems lost in a first pass is measured again,
// and is lost if the second pass, by itself, says so. The error is that of a
// benchmark of HEAD that fails, or the context's.
func (c *Comparison) Run(ctx context.Context, rows []Row) (*Report, error) {
	c.start()
	report := &Report{Base: c.Base.Name, Head: c.Head.Name}
	for _, row := range rows {
		report.Results = append(report.Results, &Result{Row: row})
	}
	if err := c.rounds(ctx, report.Results, screenRounds, screenFewest, c.Patience*2/3); err != nil {
		return nil, err
	}
	var suspects []*Result
	for _, r := range report.Results {
		r.sum(screenLevel)
		if r.compared() && r.Estimate.suspect() && !r.Row.Control {
			suspects = append(suspects, r)
		}
	}
	if len(suspects) == 0 {
		return report, nil
	}
	c.pass++
	for _, r := range suspects {
		r.again()
	}
	if err := c.rounds(ctx, suspects, confirmRounds, confirmFewest, c.Patience); err != nil {
		return nil, err
	}
	for _, r := range suspects {
		r.sum(confirmLevel)
	}
	return report, nil
}

// Allocations takes one sample of each row of HEAD, and compares nothing.
func (c *Comparison) Allocations(ctx context.Context, rows []Row) (*Report, error) {
	c.start()
	report := &Report{Head: c.Head.Name}
	for _, row := range rows {
		r := &Result{Row: row, baseMissing: "not measured"}
		if err := c.alone(ctx, r, 0); err != nil {
			return nil, err
		}
		r.sum(screenLevel)
		report.Results = append(report.Results, r)
	}
	return report, nil
}

func (c *Comparison) start() {
	c.started = time.Now()
	c.pass = 0
	if c.Measure == nil {
		c.Measure = Measure
	}
}

// rounds measures each result's row in pairs, one a round. Once it is late, it
// measures no more than the fewest.
func (c *Comparison) rounds(ctx context.Context, results []*Result, most, fewest int, late time.Duration) error {
	began := time.Now()
	round := 0
	for ; round < most; round++ {
		if round >= fewest && late > 0 && time.Since(c.started) > late {
			break
		}
		for _, r := range results {
			if err := c.pair(ctx, r, round); err != nil {
				return err
			}
		}
	}
	fmt.Fprintf(c.Log, "pass %d: %d rows, %d rounds, %.0f s\n", c.pass+1, len(results), round, time.Since(began).Seconds())
	return nil
}

// pair measures a row of both sides, one right after the other. Who is first
// changes with every round, so that two rounds are in the order ABBA: a machine
// that gets slower all the time is unfair to each side as often as to the other.
func (c *Comparison) pair(ctx context.Context, r *Result, round int) error {
	if !r.compared() {
		return nil
	}
	var base, head Sample
	var err error
	for half := range 2 {
		if (round+half)%2 == 0 {
			base, err = c.Measure(ctx, layout(c.Base, round), r.Row)
			if err != nil && ctx.Err() == nil {
				// The base is as it is. HEAD may be what repairs it.
				r.baseMissing = reason(err)
				return c.alone(ctx, r, round)
			}
		} else {
			head, err = c.Measure(ctx, layout(c.Head, round+c.pass), r.Row)
			if errors.Is(err, ErrMissing) {
				r.headMissing = true
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
	r.add(base, head)
	return nil
}

// alone takes a sample of HEAD where there is nothing to compare it with.
func (c *Comparison) alone(ctx context.Context, r *Result, round int) error {
	head, err := c.Measure(ctx, layout(c.Head, round), r.Row)
	if errors.Is(err, ErrMissing) {
		r.headMissing = true
		return nil
	}
	if err != nil {
		return err
	}
	r.head = append(r.head, head)
	return nil
}

func layout(b Build, round int) string { return b.Layouts[round%len(b.Layouts)] }
