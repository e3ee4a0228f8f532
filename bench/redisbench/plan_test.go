package redisbench

import (
	"regexp"
	"slices"
	"testing"
)

// A round has each job once, or where it is divided as often as that; all jobs under a
// load at a point follow each other, and each subject is first in its turn.
func TestRound(t *testing.T) {
	p := Plan{Points: slices.Concat(ByCallers, ByProcesses)}
	type place struct {
		load string
		at   Point
	}
	first := map[string]bool{} // who was first under the hot load with 8 callers
	rounds := len(p.subjects(Loads[0]))
	for round := range rounds {
		times := map[Job]int{}
		left := map[place]bool{}
		var here place
		for _, j := range p.Round(round) {
			if now := (place{j.Load, j.At}); now != here {
				if left[now] {
					t.Fatalf("round %d comes back to %v", round, now)
				}
				left[here] = true
				here = now
				if now == (place{"hot", Point{1, 8}}) {
					first[j.Subject] = true
				}
			}
			times[j]++
			if s, ok := Named(j.Subject); !ok || !loadOf(t, j.Load).fits(s) || j.Load == "random" && j.At.Processes > 1 {
				t.Errorf("%v is measured", j)
			}
		}
		for j, n := range times {
			if n != j.At.repeats() {
				t.Errorf("round %d has %v %d times", round, j, n)
			}
		}
		if floors, limiters, points := 4, 10, 8; len(times) != floors*points+limiters*(points+4+points) {
			t.Errorf("%d jobs in a round", len(times))
		}
	}
	if len(first) != rounds {
		t.Errorf("%d of %d subjects came first in as many rounds", len(first), rounds)
	}
}

func TestOnly(t *testing.T) {
	p := Plan{Points: ByCallers, Only: regexp.MustCompile("^(weirredis|redis_rate)/random")}
	if jobs := p.Round(0); len(jobs) != 2*(len(ByCallers)+3) {
		t.Errorf("%d jobs: %v", len(jobs), jobs)
	}
	var spaces []string
	for _, s := range (Plan{}).spaces(loadOf(t, "random")) {
		spaces = append(spaces, s.Space)
	}
	if want := []string{"weir", "rate", "throttled", "limiter", "sethvargo"}; !slices.Equal(spaces, want) {
		t.Errorf("filled: %v, want %v", spaces, want)
	}
}

func TestNames(t *testing.T) {
	names := map[string]bool{}
	for _, s := range All() {
		if names[s.Name] {
			t.Errorf("two are named %q", s.Name)
		}
		names[s.Name] = true
		if s.Module == "" || s.Client == "" || s.Counts == "" || s.Kind == "" || s.New == nil {
			t.Errorf("%s: %+v", s.Name, s)
		}
		if (s.Space == "") != (s.Kind == Floor) {
			t.Errorf("%s: its space is %q", s.Name, s.Space)
		}
	}
	if _, ok := Named("nobody"); ok {
		t.Error("nobody is found")
	}
	if _, ok := LoadNamed("none"); ok {
		t.Error("a load that is none is found")
	}
}
