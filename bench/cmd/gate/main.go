// Gate tells whether a change has made weir slower, or made it allocate. It builds
// the root package's benchmarks of HEAD and of the merge base, and measures the
// core rows of both in turn.
//
//	go run ./cmd/gate                     # the working tree with the merge base
//	go run ./cmd/gate -base v1.2.0        # with another commit
//	go run ./cmd/gate -only 'hot key'     # some rows
//	go run ./cmd/gate -prove              # shows that it finds what it must
//
// Run it in bench/. It takes one to two and a half minutes on two cores, and more
// only where others keep them busy.
//
// The base is the merge base with origin/main or main; on main itself the commit
// before, or HEAD while the core has changes that are not committed. If there is
// none, as in a shallow clone, or if it does not build, gate says so and only
// looks for allocations. It does the same if neither the root package nor
// internal has changed, unless -force is given.
//
// A row seems lost if the median of the ratios of HEAD's time to the base's is
// above 1.05, and its interval reaches above 1.10. Then it is measured again, and
// is lost if the new median is above 1.10 and the new interval, at 99.9 %, lies
// above 1. So a loss of 15 % of a hot row is found even with several others at
// work on the machine. What takes memory scatters more; where nothing can be told
// the row is "open", and fails nobody. A row of HEAD that allocates where weir
// promises that it does not is lost, and so is one that is no longer there. One
// that the base does not have is not compared.
//
// The exit status is 1 if a row is lost, and 2 if there is no answer because
// something else went wrong. Go run makes 1 of both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/weirhq/weir/bench/gate"
)

// patience ends a second pass early: with building before it, a run then stays
// under two and a half minutes on two cores.
const patience = 110 * time.Second

func main() {
	o := options{dir: ".", layouts: 7, patience: patience}
	flag.StringVar(&o.base, "base", "", "`commit` to compare with, instead of the merge base")
	flag.StringVar(&o.head, "head", "", "`commit` to judge, instead of the working tree")
	flag.StringVar(&o.only, "only", "", "only rows whose name or benchmark matches this `regexp`")
	flag.BoolVar(&o.force, "force", false, "compare times even if the code is the same")
	prove := flag.Bool("prove", false, "plant a slowdown and an allocation, and show that both are found and nothing else is")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "gate: takes no arguments, only flags")
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := o.run
	if *prove {
		do = o.prove
	}
	passed, err := do(ctx, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(2)
	case !passed:
		os.Exit(1)
	}
}

type options struct {
	dir        string // in the repository
	base, head string
	only       string
	force      bool

	// layouts is how many binaries are linked of each tree. It is odd: since
	// rounds alternate in who is first, one of an even number would always be
	// first, or never.
	layouts  int
	patience time.Duration
}

// run compares HEAD with its base and reports whether HEAD passes.
func (o options) run(ctx context.Context, out io.Writer) (passed bool, err error) {
	rows, err := o.rows()
	if err != nil {
		return false, err
	}
	repo, err := findRepo(ctx, o.dir)
	if err != nil {
		return false, err
	}
	dir, remove, err := temporary()
	if err != nil {
		return false, err
	}
	defer remove()
	head, err := o.checkout(ctx, repo, dir)
	if err != nil {
		return false, err
	}
	base, err := o.checkoutBase(ctx, repo, dir)
	var none noBase
	switch {
	case errors.As(err, &none):
		fmt.Fprintln(out, err)
		return allocations(ctx, out, head, dir, rows)
	case err != nil:
		return false, err
	}
	if same, err := sameCore(base.dir, head.dir); err != nil {
		return false, err
	} else if same && !o.force {
		fmt.Fprintf(out, "the root package and internal are the same in %s and %s: no time to compare\n", base.name, head.name)
		return allocations(ctx, out, head, dir, rows)
	}
	return o.compare(ctx, out, base, head, dir, rows)
}

func (o options) rows() ([]gate.Row, error) {
	match, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	rows := gate.Named(gate.Rows(), match)
	if len(rows) == 0 {
		return nil, fmt.Errorf("no row matches %q", o.only)
	}
	return rows, nil
}

// checkout copies what is to be judged.
func (o options) checkout(ctx context.Context, r repo, dir string) (tree, error) {
	t := tree{name: "head", dir: filepath.Join(dir, "head"), seed: 101}
	if o.head == "" {
		return t, r.copy(ctx, t.dir)
	}
	hash := r.commit(ctx, o.head)
	if hash == "" {
		return t, fmt.Errorf("no commit %q", o.head)
	}
	t.name = short(hash)
	return t, r.export(ctx, hash, t.dir)
}

// checkoutBase copies what it is compared with.
func (o options) checkoutBase(ctx context.Context, r repo, dir string) (tree, error) {
	t := tree{dir: filepath.Join(dir, "base"), seed: 1}
	hash := ""
	if o.base != "" {
		if hash = r.commit(ctx, o.base); hash == "" {
			return t, fmt.Errorf("no commit %q", o.base)
		}
	} else {
		var err error
		if hash, err = r.base(ctx, o.head); err != nil {
			return t, err
		}
	}
	t.name = short(hash)
	return t, r.export(ctx, hash, t.dir)
}

// compare builds both trees and measures what came of it.
func (o options) compare(ctx context.Context, out io.Writer, base, head tree, dir string, rows []gate.Row) (passed bool, err error) {
	h, err := head.build(ctx, dir, o.layouts)
	if err != nil {
		return false, err
	}
	b, err := base.build(ctx, dir, o.layouts)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		// HEAD may be what repairs it.
		fmt.Fprintf(out, "nothing to compare with: %v\n", err)
		return allocations(ctx, out, head, dir, rows)
	}
	report, err := o.measure(ctx, out, b, h, rows)
	if err != nil {
		return false, err
	}
	return verdict(out, report), nil
}

// measure compares two builds and prints the table.
func (o options) measure(ctx context.Context, out io.Writer, base, head gate.Build, rows []gate.Row) (*gate.Report, error) {
	c := gate.Comparison{Base: base, Head: head, Patience: o.patience, Log: out}
	report, err := c.Run(ctx, rows)
	if err != nil {
		return nil, err
	}
	return report, report.Write(out)
}

// allocations looks only for those.
func allocations(ctx context.Context, out io.Writer, head tree, dir string, rows []gate.Row) (passed bool, err error) {
	h, err := head.build(ctx, dir, 1)
	if err != nil {
		return false, err
	}
	c := gate.Comparison{Head: h, Log: out}
	report, err := c.Allocations(ctx, rows)
	if err != nil {
		return false, err
	}
	if err := report.Write(out); err != nil {
		return false, err
	}
	return verdict(out, report), nil
}

// verdict says the last word and reports whether it is good.
func verdict(out io.Writer, report *gate.Report) (passed bool) {
	lost := len(report.Losses())
	if lost > 0 {
		fmt.Fprintf(out, "%d of %d rows lost\n", lost, len(report.Results))
	}
	return lost == 0
}
