package redisbench

import (
	"context"
	"regexp"
)

// A Plan is what is measured, and how often.
type Plan struct {
	Rounds int
	Points []Point
	Only   *regexp.Regexp // of subject/load; nil: all
}

// ByCallers are the points of one process, ByProcesses those of several.
var (
	ByCallers   = []Point{{1, 1}, {1, 8}, {1, 32}, {1, 128}}
	ByProcesses = []Point{{2, 8}, {4, 8}, {10, 8}, {20, 8}}
)

// repeats is into how many runs, each as much shorter, a round divides the time at a
// point. What a single caller waits for is mostly that a processor wakes up. Where that
// is slow, as on many virtual machines, his figures come in two kinds that are far
// apart, a process mostly of one; so he gets more processes.
func (at Point) repeats() int {
	if at.Processes*at.Callers == 1 {
		return 4
	}
	return 1
}

// Round are the jobs of a round, in order. All subjects follow each other under one
// load at one point, so that what is compared is measured within seconds; who is
// first goes round.
//
// Keys at random are left out where there are several processes: one hot key shows
// what they cost each other.
func (p Plan) Round(round int) []Job {
	var jobs []Job
	turn := round
	for _, load := range Loads {
		subjects := p.subjects(load)
		for _, at := range p.Points {
			if load.Random && at.Processes > 1 {
				continue
			}
			for range at.repeats() {
				for i := range subjects {
					jobs = append(jobs, Job{subjects[(i+turn)%len(subjects)].Name, load.Name, at})
				}
				turn++
			}
		}
	}
	return jobs
}

func (p Plan) subjects(load Load) []Subject {
	var subjects []Subject
	for _, s := range All() {
		if load.fits(s) && (p.Only == nil || p.Only.MatchString(s.Name+"/"+load.Name)) {
			subjects = append(subjects, s)
		}
	}
	return subjects
}

// spaces is one subject of the plan for each space of keys under a load.
func (p Plan) spaces(load Load) []Subject {
	var first []Subject
	have := map[string]bool{}
	for _, s := range p.subjects(load) {
		if !have[s.Space] {
			have[s.Space] = true
			first = append(first, s)
		}
	}
	return first
}

// All runs the plan, and what needs no server once a round. tell is called after each
// run. The keys that are drawn from are all asked for once before.
func (r *Runner) All(ctx context.Context, p Plan, tell func(done, all int, result Result)) ([]Result, []Shortcut, error) {
	if err := r.fillAll(ctx, p); err != nil {
		return nil, nil, err
	}
	var results []Result
	var shortcuts []Shortcut
	for round := range p.Rounds {
		jobs := p.Round(round)
		for _, j := range jobs {
			result, err := r.Measure(ctx, j)
			if err != nil {
				return nil, nil, err
			}
			result.Round = round
			results = append(results, result)
			tell(len(results), p.Rounds*len(jobs), result)
		}
		if p.Only != nil && !p.Only.MatchString("shortcuts") {
			continue
		}
		s, err := r.Shortcuts(ctx)
		if err != nil {
			return nil, nil, err
		}
		shortcuts = append(shortcuts, s...)
	}
	return results, shortcuts, nil
}

// fillAll fills what loads of the plan draw from.
func (r *Runner) fillAll(ctx context.Context, p Plan) error {
	for _, load := range Loads {
		if !load.Random {
			continue
		}
		for _, s := range p.spaces(load) {
			if err := r.Fill(ctx, s, load); err != nil {
				return err
			}
		}
	}
	return nil
}
