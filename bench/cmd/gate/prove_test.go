package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/bench/gate"
)

// The line that is replaced is in the code as it is today, exactly once.
func TestPlantsFit(t *testing.T) {
	for _, p := range plants {
		dir := t.TempDir()
		if err := copyFile(filepath.Join("..", "..", "..", hotFile), filepath.Join(dir, hotFile)); err != nil {
			t.Fatal(err)
		}
		before := text(t, dir, hotFile)
		if err := p.apply(dir); err != nil {
			t.Errorf("%s: %v", p.name, err)
			continue
		}
		if changed := text(t, dir, hotFile) != before; changed != (p.line != "") {
			t.Errorf("%s: changed %t", p.name, changed)
		}
		if len(gate.Named(gate.Rows(), regexp.MustCompile(p.rows))) == 0 {
			t.Errorf("%s has no rows", p.name)
		}
	}
}

func TestPlantsThatDoNotFit(t *testing.T) {
	for _, source := range []string{"package weir\n", locating + locating} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, hotFile), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, p := range plants {
			if err := p.apply(dir); p.line != "" && (err == nil || !strings.Contains(err.Error(), "not once")) {
				t.Errorf("%s in %q: %v", p.name, source, err)
			}
		}
	}
	if err := plants[1].apply(t.TempDir()); err == nil {
		t.Error("planted into a file that is not there")
	}
}

// A proof holds only if the gate says of every row what it should.
func TestJudge(t *testing.T) {
	rows := []gate.Row{{Name: "a", Bench: "A", NoAllocs: true}, {Name: "b", Bench: "B", NoAllocs: true}}
	report := func(a, b gate.Sample) *gate.Report {
		c := gate.Comparison{
			Base: gate.Build{Layouts: []string{"base"}}, Head: gate.Build{Layouts: []string{"head"}}, Log: io.Discard,
			Measure: func(_ context.Context, binary string, r gate.Row) (gate.Sample, error) {
				switch {
				case binary == "base":
					return gate.Sample{Nanos: 1}, nil
				case r.Name == "a":
					return a, nil
				}
				return b, nil
			},
		}
		r, err := c.Run(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	same, slow, allocating := gate.Sample{Nanos: 1}, gate.Sample{Nanos: 1.2}, gate.Sample{Nanos: 1.2, Allocs: 1}
	for _, tt := range []struct {
		a, b gate.Sample
		want gate.Verdict // the only one that is proved; "" for none
	}{
		{same, same, gate.OK},
		{slow, slow, gate.Lost},
		{allocating, allocating, gate.Allocates},
		{slow, same, ""},
		{same, allocating, ""},
		{slow, allocating, ""},
	} {
		r := report(tt.a, tt.b)
		for _, p := range plants {
			if got := p.judge(r); got != (p.want == tt.want) {
				t.Errorf("%s of %+v and %+v: %t", p.name, tt.a, tt.b, got)
			}
		}
	}
	for _, p := range plants[1:] {
		if p.judge(&gate.Report{}) {
			t.Errorf("%s is proved by nothing", p.name)
		}
	}
}
