package workload_test

import (
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/weirhq/weir/bench/peers"
	"github.com/weirhq/weir/bench/subject"
	"github.com/weirhq/weir/bench/workload"
)

// cheat is fast because it does not limit.
var cheat = subject.Subject{
	Name: "cheat",
	New:  func(subject.Config) (subject.Limiter, error) { return always{}, nil },
}

// miser is fast because it refuses.
var miser = subject.Subject{
	Name: "miser",
	New:  func(subject.Config) (subject.Limiter, error) { return never{}, nil },
}

type (
	always struct{}
	never  struct{}
)

func (always) Allow(string) bool { return true }
func (always) Close()            {}
func (never) Allow(string) bool  { return false }
func (never) Close()             {}

func run(t *testing.T, w workload.Workload, s subject.Subject) workload.Result {
	t.Helper()
	result, err := w.Run(s, workload.Tiny())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Where a workload asks for more than the quota admits, a limiter that admits
// everything is found out, with the count.
func TestCheatIsFlagged(t *testing.T) {
	flagged := 0
	for _, w := range workload.All() {
		result := run(t, w, cheat)
		over := false
		for _, c := range result.Checks {
			over = over || c.OverAdmits()
			if c.OverAdmits() && !strings.Contains(c.Fault(), "more than the quota") {
				t.Errorf("%s: %q", w.Name, c.Fault())
			}
		}
		if over {
			flagged++
		}
		// In tiny runs the first of the Zipf keys may be asked for too rarely.
		must := regexp.MustCompile("refused|^flood$|hot-under").MatchString(w.Name)
		if must && !over {
			t.Errorf("%s: a limiter that admits everything was not flagged: %+v", w.Name, result.Checks)
		}
	}
	if flagged < 4 {
		t.Errorf("flagged in %d workloads", flagged)
	}
}

// Every workload has requests that must be admitted.
func TestMiserIsFlagged(t *testing.T) {
	for _, w := range workload.All() {
		result := run(t, w, miser)
		if len(result.Checks) == 0 || result.Checks[0].Fault() == "" {
			t.Errorf("%s: a limiter that admits nothing was not flagged: %+v", w.Name, result.Checks)
		}
	}
}

// Every subject comes through every workload that fits it, and is measured there.
func TestEverySubject(t *testing.T) {
	for _, w := range workload.All() {
		for _, s := range peers.All() {
			if w.Big || w.Misfit(s) != "" {
				continue
			}
			result := run(t, w, s)
			if result.Ops == 0 || result.NsPerOp == 0 && result.Latency == nil {
				t.Errorf("%s, %s: nothing measured: %+v", w.Name, s.Name, result)
			}
			if s.Reference() != (len(result.Checks) == 0) {
				t.Errorf("%s, %s: %d checks", w.Name, s.Name, len(result.Checks))
			}
		}
	}
}

// weir admits what it must and no more, whatever is done to it; only in floods
// beyond its bound may it refuse newcomers.
func TestWeirIsExact(t *testing.T) {
	for _, w := range workload.All() {
		for _, c := range run(t, w, peers.Weir).Checks {
			if c.OverAdmits() || c.Fault() != "" && c.What != "newcomers" {
				t.Errorf("%s: %s", w.Name, c.Fault())
			}
		}
	}
}

func TestMatching(t *testing.T) {
	if got := len(workload.Matching(regexp.MustCompile("^keys-"))); got != 4 {
		t.Errorf("%d workloads of key lengths, want 4", got)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := workload.Median(test.values); got != test.want {
			t.Errorf("Median(%v) = %v, want %v", test.values, got, test.want)
		}
	}
	if !math.IsNaN(workload.Median(nil)) {
		t.Error("the median of nothing is a number")
	}
}
