package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/bench/gate"
)

// What is compared here has the name of one of weir's rows, and does as little as
// it takes to be slow or to allocate on demand.
const (
	tinyOnly  = "^hot key, admitted$"
	tinyBench = `package weir

import "testing"

func BenchmarkAllow(b *testing.B) {
	b.Run("clock=exact", func(b *testing.B) {
		b.Run("outcome=admitted", func(b *testing.B) {
			for b.Loop() {
				work()
			}
		})
	})
}
`
	tinyWork = `package weir

var word uint64
var words []uint64

func work() {
	for range 20 {
		word = word*6364136223846793005 + 1
	}
}
`
)

func tiny(t *testing.T) repo {
	t.Helper()
	if testing.Short() {
		t.Skip("builds and measures")
	}
	r := newRepo(t)
	r.write(t, "go.mod", "module example.com/weir\n\ngo 1.26\n")
	r.write(t, "bench_test.go", tinyBench)
	r.write(t, "work.go", tinyWork)
	r.change(t, "tiny")
	r.must(t, "checkout", "--quiet", "-b", "branch")
	return r
}

// judge runs gate in r, and checks what it says and that it cleans up.
func judge(t *testing.T, r repo, o options, passes bool, says ...string) {
	t.Helper()
	temp := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP", "TEMP"} {
		t.Setenv(name, temp)
	}
	o.dir, o.layouts, o.patience = r.dir, 1, 2*time.Nanosecond // the fewest rounds
	if o.only == "" {
		o.only = tinyOnly
	}
	var out bytes.Buffer
	passed, err := o.run(t.Context(), &out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if passed != passes {
		t.Errorf("passed %t, want %t", passed, passes)
	}
	for _, s := range says {
		if !strings.Contains(out.String(), s) {
			t.Errorf("nothing says %q", s)
		}
	}
	if left := files(t, temp); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if t.Failed() {
		t.Logf("\n%s", out.String())
	}
}

func TestSlower(t *testing.T) {
	r := tiny(t)
	r.write(t, "work.go", strings.Replace(tinyWork, "range 20", "range 60", 1))
	judge(t, r, options{}, false, "LOST, measured again", "1 of 1 rows lost")

	// The other way round: not committed yet, and compared with what was slow.
	r.change(t, "slow")
	r.write(t, "work.go", tinyWork)
	judge(t, r, options{base: "slow"}, true, "faster")
}

func TestAllocating(t *testing.T) {
	r := tiny(t)
	r.write(t, "work.go", strings.Replace(tinyWork, "for range 20", "words = make([]uint64, 2)\n\tfor range 20", 1))
	r.change(t, "allocating")
	judge(t, r, options{head: "branch"}, false, "ALLOCATES, 1 allocs/op, 16 B/op")
	// There is nothing to compare with, and yet it is found.
	r.must(t, "branch", "-m", "main", "trunk")
	judge(t, r, options{}, false, "nothing to compare with: no common commit", "ALLOCATES")
}

func TestSameCode(t *testing.T) {
	r := tiny(t)
	r.write(t, "README.md", "new")
	r.must(t, "add", ".")
	r.must(t, "commit", "--quiet", "-m", "words")
	judge(t, r, options{}, true, "the same in", "not compared, not measured")
	judge(t, r, options{force: true}, true, "pass 1: 1 rows")
}

func TestNothingToCompareWith(t *testing.T) {
	r := tiny(t)
	r.write(t, "work.go", "package weir\n\nfunc work() {\n")
	r.change(t, "broken")
	r.write(t, "work.go", tinyWork)
	judge(t, r, options{base: "broken"}, true, "nothing to compare with: ", "does not build")

	r.write(t, "bench_test.go", "package weir\n")
	judge(t, r, options{base: "tiny"}, false, "MISSING")
	judge(t, r, options{base: "first", head: "tiny"}, true, "nothing to compare with: ", "go.mod file not found")
}

func TestErrors(t *testing.T) {
	r := tiny(t)
	r.write(t, "work.go", "package weir\n\nfunc work() {\n")
	for _, tt := range []struct {
		o    options
		says string
	}{
		{options{}, "head does not build"},
		{options{only: "("}, "missing closing )"},
		{options{only: "^nothing$"}, "no row matches"},
		{options{head: "nonsense"}, `no commit "nonsense"`},
		{options{base: "nonsense"}, `no commit "nonsense"`},
		{options{dir: t.TempDir()}, "not a git repository"},
	} {
		if tt.o.dir == "" {
			tt.o.dir = r.dir
		}
		tt.o.layouts = 1
		var out bytes.Buffer
		if passed, err := tt.o.run(t.Context(), &out); err == nil || passed || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %t, %v, want %q", tt.o, passed, err, tt.says)
		}
	}
}

// Every row is a benchmark of weir as it is.
func TestRowsExist(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and measures")
	}
	here := tree{name: "here", dir: "../../.."}
	b, err := here.build(t.Context(), t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	one, two := read(t, b.Layouts[0]), read(t, b.Layouts[1])
	if bytes.Equal(one, two) {
		t.Error("two layouts are the same binary")
	}
	for i, row := range gate.Rows() {
		row.Time, row.Runs = "1x", 1
		if _, err := gate.Measure(t.Context(), b.Layouts[i%2], row); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(fmt.Errorf("no binary: %w", err))
	}
	return b
}
