package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/weirhq/weir/bench/gate"
)

// A plant is a change of weir's code that the gate must judge as it is said here.
type plant struct {
	name string
	what string
	line string // in place of locating; "" for no change
	rows string // which to measure
	want gate.Verdict
}

// What is replaced is where (*Limiter).allow finds out who a key is. It must be in
// hotFile exactly once.
const (
	hotFile  = "limiter.go"
	locating = "\tsh, id := l.locate(key)\n\t// The clock"
)

// helpers is a file that goes beside the planted code.
const helpers = `package weir

import "strings"

// planted copies the key to the heap; inlined, it might do so on the stack.
//
//go:noinline
func planted(key string) string { return strings.Clone(key) }

// hashed hashes the key again, for nothing: no id is 0.
func (l *Limiter) hashed(key string) bool {
	_, id := l.hash(key)
	return id == 0
}
`

// Hashing by both functions a key that the memo knows takes some 30 % of a
// decision. SipHash alone was 11 to 13 %, too near the limit for a proof.
var plants = []plant{
	{
		name: "unchanged", what: "the same code",
		rows: "^(hot key|coarse clock),", want: gate.OK,
	},
	{
		name: "slower", what: "the key is hashed although the memo has it",
		line: "\tsh, id := l.locate(key)\n\tif l.hashed(key) {\n\t\tid++\n\t}\n\t// The clock",
		rows: "^hot key,", want: gate.Lost,
	},
	{
		name: "allocating", what: "the key is copied to the heap",
		line: "\tsh, id := l.locate(planted(key))\n\t// The clock",
		rows: "^hot key, admitted", want: gate.Allocates,
	},
}

// apply changes the code in dir.
func (p plant) apply(dir string) error {
	if p.line == "" {
		return nil
	}
	file := filepath.Join(dir, hotFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if n := bytes.Count(text, []byte(locating)); n != 1 {
		return fmt.Errorf("this line is in %s %d times, and not once; see prove.go:\n%s", hotFile, n, locating)
	}
	text = bytes.Replace(text, []byte(locating), []byte(p.line), 1)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "planted.go"), []byte(helpers), 0o644)
}

// judge reports whether the gate has said of every row what it should.
func (p plant) judge(r *gate.Report) bool {
	if p.want == gate.OK {
		return len(r.Losses()) == 0
	}
	return len(r.Results) > 0 && !slices.ContainsFunc(r.Results, func(res *gate.Result) bool {
		return res.Verdict() != p.want
	})
}

// prove compares HEAD with copies of itself, one for each plant, and reports
// whether all were judged rightly.
func (o options) prove(ctx context.Context, out io.Writer) (proved bool, err error) {
	repo, err := findRepo(ctx, o.dir)
	if err != nil {
		return false, err
	}
	dir, remove, err := temporary()
	if err != nil {
		return false, err
	}
	defer remove()
	base, err := o.checkout(ctx, repo, dir)
	if err != nil {
		return false, err
	}
	b, err := base.build(ctx, dir, o.layouts)
	if err != nil {
		return false, err
	}
	proved = true
	for i, p := range plants {
		t := tree{name: p.name, dir: filepath.Join(dir, p.name), seed: base.seed + 100*(i+1)}
		if err := os.CopyFS(t.dir, os.DirFS(base.dir)); err != nil {
			return false, err
		}
		if err := p.apply(t.dir); err != nil {
			return false, err
		}
		h, err := t.build(ctx, dir, o.layouts)
		if err != nil {
			return false, err
		}
		fmt.Fprintf(out, "\n%s: %s\n", p.name, p.what)
		rows := gate.Named(gate.Rows(), regexp.MustCompile(p.rows))
		report, err := o.measure(ctx, out, b, h, rows)
		if err != nil {
			return false, err
		}
		if !p.judge(report) {
			proved = false
			fmt.Fprintf(out, "WRONG: every row should be %s\n", p.expects())
		}
	}
	if proved {
		fmt.Fprintf(out, "\nproved: a slowdown and an allocation were found, and nothing where nothing was\n")
	}
	return proved, nil
}

// expects is the verdict that is right, in words.
func (p plant) expects() string {
	if p.want == gate.OK {
		return "anything but lost"
	}
	return string(p.want)
}
