package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/bench/redisbench"
)

// TestMain lets the test's own binary be a worker.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-worker" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestOptions(t *testing.T) {
	full, quick := options{}, options{quick: true, only: "hot", binary: "valkey-server"}
	full.defaults()
	quick.defaults()
	if got, want := full.command(), "go run ./cmd/redis -rounds 5 -for 500ms"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := quick.command(), "go run ./cmd/redis -quick -rounds 1 -for 100ms -only 'hot' -server valkey-server"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if full.docs != "../docs" || quick.docs != "" {
		t.Errorf("written to %q, and quick to %q", full.docs, quick.docs)
	}
	if err := quick.fromJSON(); err == nil {
		t.Error("a quick run has no JSON to render")
	}
	if _, _, err := (options{only: "("}).plan(); err == nil {
		t.Error("a bad pattern is taken")
	}
}

// The full run must end within a quarter of an hour. Beside what it measures a run
// takes some hundred milliseconds: a fifth of it to warm up, and its processes' start.
func TestFullIsShort(t *testing.T) {
	var o options
	o.defaults()
	p, _, err := o.plan()
	if err != nil {
		t.Fatal(err)
	}
	var all time.Duration
	for _, j := range p.Round(0) {
		span := o.span
		if j.At == (redisbench.Point{Processes: 1, Callers: 1}) {
			span /= 4
		}
		all += span*6/5 + 40*time.Millisecond + time.Duration(j.At.Processes)*10*time.Millisecond
	}
	if all *= time.Duration(o.rounds); all > 15*time.Minute {
		t.Errorf("it takes %v", all)
	}
}

// All of it: measure little, write, check, render again.
func TestAll(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a server and some processes")
	}
	o := options{quick: true, only: "^(weirredis|redis_rate)/(random|attack)$", span: 20 * time.Millisecond, docs: t.TempDir()}
	o.defaults()
	if err := o.all(context.Background()); err != nil {
		t.Fatal(err)
	}
	check, render := o, o
	check.check, render.render = true, true
	if err := check.fromJSON(); err != nil {
		t.Error(err)
	}
	page := filepath.Join(o.docs, "benchmarks-redis.md")
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	if err := check.fromJSON(); err == nil || !strings.Contains(err.Error(), page) {
		t.Errorf("a file is missing: %v", err)
	}
	if err := render.fromJSON(); err != nil {
		t.Error(err)
	}
	if err := check.fromJSON(); err != nil {
		t.Error(err)
	}
	r, err := redisbench.LoadFile(redisbench.ResultsFile(o.docs))
	if err != nil {
		t.Fatal(err)
	}
	// Keys at random are left out for several processes.
	if len(r.Subjects) != 2 || len(r.Cells) != 2*(2+3) || r.Server == "" || r.CPU == "" || r.Commit == "" || r.Keys == 0 {
		t.Errorf("%d subjects, %d cells, on %q, %q, commit %q, %d keys", len(r.Subjects), len(r.Cells), r.Server, r.CPU, r.Commit, r.Keys)
	}
}
