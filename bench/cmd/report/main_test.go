package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/report"
	"github.com/weirhq/weir/bench/workload"
)

// TestMain lets the test's own binary be the process of a run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-measure" {
		main()
		return
	}
	os.Exit(m.Run())
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRunInAProcessOfItsOwn(t *testing.T) {
	jobs := []job{{peers.Weir, workload.All()[0]}, {peers.SethVargo, workload.All()[0]}}
	results, err := runAll(jobs, 2, true)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 4 {
		t.Fatalf("%d results, want 2 rounds of 2", len(results))
	}
	rounds := 0
	for _, r := range results {
		rounds += r.Round
		if r.Ended != "" || r.Ops == 0 || r.Workload != workload.All()[0].Name {
			t.Errorf("%+v", r)
		}
	}
	if rounds != 2 {
		t.Errorf("the rounds add up to %d, want 0+0+1+1", rounds)
	}
}

// A run that fails is a result that says so.
func TestFailedRun(t *testing.T) {
	nobody := peers.Weir
	nobody.Name = "nobody"
	result, err := runOne(self(t), job{nobody, workload.All()[0]}, true)
	if err != nil || !strings.Contains(result.Ended, `no subject is named "nobody"`) {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestJobs(t *testing.T) {
	quick := options{quick: true}
	subjects, workloads, jobs := quick.jobs(regexp.MustCompile(`^(weir|uber)/(hot|grow)`))
	if len(subjects) != 2 || len(workloads) == 0 {
		t.Errorf("%d subjects, %d workloads", len(subjects), len(workloads))
	}
	for _, j := range jobs {
		if why := j.workload.Misfit(j.subject); why != "" {
			t.Errorf("%s, %s: %s", j.subject.Name, j.workload.Name, why)
		}
		if j.workload.Big {
			t.Errorf("%s in a quick run", j.workload.Name)
		}
	}
}

// All of it: measure little, write, check, render again.
func TestAll(t *testing.T) {
	docs := t.TempDir()
	readme := filepath.Join(docs, "README.md")
	o := options{rounds: 1, quick: true, only: "^(weir|array)/(hot-refused-1|grow-1M)$", docs: docs, readme: readme}
	if err := os.WriteFile(readme, []byte("no marks"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.all(); err == nil || !strings.Contains(err.Error(), "bench:begin") {
		t.Fatalf("a README without marks: %v", err)
	}
	if err := os.WriteFile(readme, []byte("<!-- bench:begin --><!-- bench:end -->"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.all(); err != nil {
		t.Fatal(err)
	}
	check := o
	check.check = true
	if err := check.fromJSON(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(docs, "benchmarks.md")); err != nil {
		t.Fatal(err)
	}
	if err := check.fromJSON(); err == nil {
		t.Error("a file is missing, and the check does not say so")
	}
	render := o
	render.render = true
	if err := render.fromJSON(); err != nil {
		t.Error(err)
	}
	if err := check.fromJSON(); err != nil {
		t.Error(err)
	}
	r, err := report.LoadFile(report.ResultsFile(docs))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Subjects) != 2 || len(r.Cells) != 4 || r.Commit == "" || r.CPU == "" {
		t.Errorf("%d subjects, %d cells, commit %q on %q", len(r.Subjects), len(r.Cells), r.Commit, r.CPU)
	}
}
