package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A test is one of the tests of a binary.
type test struct {
	name   string
	binary *binary
	took   time.Duration
	seen   []byte // not 0 at the numbers of the mutants that made a difference in it
}

// A binary holds the tests with all mutants.
type binary struct {
	name  string // "tiny" with small tables, "sched" with a scheduler as well
	tags  string
	depth int    // from which on it is used
	only  string // the one test that is run, whose subtests count as tests; all if empty
	path  string
	tests []*test // those that pass without a mutant
}

var binaries = []binary{
	{depth: 1},
	{depth: 2, name: "tiny", tags: "weirtiny"},
	{depth: 2, name: "sched", tags: "weirsched,weirtiny", only: "TestSchedules"},
}

// A tester runs the tests.
type tester struct {
	root     string // where the tests run
	dir      string // of the binaries
	binaries []*binary
	depth    int

	known map[string]*outcome // by key, from a run before
	state *os.File            // where outcomes are appended

	mu      sync.Mutex
	killers map[string][]*test // tests that killed mutants of a function
}

// classes of tests by the time they take: a mutant that one class does not kill
// goes on to the next.
var stages = []struct {
	name string
	upTo time.Duration
}{
	{"quick", 30 * time.Millisecond},
	{"other", time.Second},
	{"slow", time.Hour},
}

// measure lists the tests of a binary that pass without a mutant, with the time
// each takes, and which mutants make a difference in it.
func (t *tester) measure(b *binary, mutants int) error {
	cmd := exec.Command(b.path, "-test.short", "-test.v", "-test.timeout=10m", "-test.run=^"+b.only)
	cmd.Dir = t.root
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	for _, m := range failed.FindAllStringSubmatch(string(out), -1) {
		if b.name == "" || !strings.HasPrefix(m[1], "Example") { // examples print sizes of tables
			return fmt.Errorf("%s fails without a mutant", m[1]+m[2])
		}
	}
	for _, m := range passed.FindAllStringSubmatch(string(out), -1) {
		if seconds, _ := strconv.ParseFloat(m[2], 64); seconds > 2*t.longest(b).Seconds()+0.1 {
			continue // it is not going to be run
		}
		if strings.HasPrefix(m[1], "TestReadme") || strings.Contains(m[1], "/") != (b.only != "") {
			continue // it looks at the text of the README; or it is a part of another, or has parts
		}
		x := &test{name: m[1], binary: b, seen: make([]byte, mutants+1)}
		if err := t.trace(x); err != nil {
			return err
		}
		b.tests = append(b.tests, x)
	}
	return nil
}

var passed = regexp.MustCompile(`(?m)^\s*--- PASS: (\S+) \(([0-9.]+)s\)`)

// longest is the time that a test of b may take to be run at all.
func (t *tester) longest(b *binary) time.Duration {
	if b.only != "" || t.depth == 3 {
		return stages[len(stages)-1].upTo
	}
	return stages[t.depth-b.depth].upTo
}

// trace runs a test by itself, twice, for not every run takes the same ways.
func (t *tester) trace(x *test) error {
	path := filepath.Join(t.dir, "seen")
	if err := os.WriteFile(path, x.seen, 0o644); err != nil {
		return err
	}
	runs := 2
	if x.binary.name == "sched" {
		runs = 1 // the next would be the same
	}
	for range runs {
		cmd := exec.Command(x.binary.path, "-test.short", "-test.run="+pattern([]*test{x}), "-test.timeout=10m")
		cmd.Dir = t.root
		cmd.Env = append(os.Environ(), "WEIR_MUTANT=-1", "WEIR_MUTANTS_SEEN="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s fails alone, without a mutant: %w\n%s", x.name, err, out)
		}
		x.took = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	var err error
	x.seen, err = os.ReadFile(path)
	return err
}

// pattern is what go test selects the tests by. Of subtests it may be a few more
// than were asked for, since each level is matched by itself.
func pattern(tests []*test) string {
	var levels [][]string
	for _, x := range tests {
		for i, part := range strings.Split(x.name, "/") {
			if i == len(levels) {
				levels = append(levels, nil)
			}
			if !slices.Contains(levels[i], part) {
				levels[i] = append(levels[i], part)
			}
		}
	}
	var p []string
	for _, parts := range levels {
		p = append(p, "^("+strings.Join(parts, "|")+")$")
	}
	return strings.Join(p, "/")
}

// run reports whether the tests, all of one binary, pass with the given mutant.
// The shell sets the limits: a mutant that loops uses up its time at once, and
// one that allocates without end stops before the machine does.
func (t *tester) run(tests []*test, id int) (ok bool, output string) {
	took := time.Duration(0)
	for _, x := range tests {
		took += x.took
	}
	cpu := int(math.Ceil(0.5 + 4*took.Seconds()))
	wall := 20*time.Second + 20*took
	limits := fmt.Sprintf(`ulimit -t %d && ulimit -v 2500000 && ulimit -c 0 && exec "$0" "$@"`, cpu)
	cmd := exec.Command("sh", "-c", limits, tests[0].binary.path, "-test.short", "-test.failfast",
		"-test.timeout="+wall.String(), "-test.run="+pattern(tests))
	cmd.Dir = t.root
	cmd.Env = append(os.Environ(), "WEIR_MUTANT="+strconv.Itoa(id))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return err == nil, out.String()
}

// kill reports the stage that kills a mutant, and the test that does; or "".
// Tests that killed others of its function come first, then a few of the
// quickest. Up to depth 2, tests are left out in which the mutant made no
// difference, and slow ones.
func (t *tester) kill(m *mutant, listed *entry) (stage, by string) {
	for _, first := range [][]*test{t.likely(m), t.quickest(m)} {
		if len(first) == 0 {
			continue
		}
		if stage, by = t.stage("quick", first, m); stage != "" {
			return stage, by
		}
	}
	for _, b := range t.binaries {
		if b.only != "" && listed != nil && listed.class != "chance" && t.depth < 3 {
			continue // the schedules take longest, and it is known to make no difference to them
		}
		for i, s := range stages {
			if s.upTo > t.longest(b) {
				break
			}
			var tests []*test
			for _, x := range b.tests {
				// What a schedule does is the same each time; another test may once do what it did not while it was traced.
				if (x.seen[m.id] != 0 || t.depth == 3 && b.name != "sched") && x.took <= s.upTo && (i == 0 || x.took > stages[i-1].upTo) {
					tests = append(tests, x)
				}
			}
			if len(tests) == 0 {
				continue
			}
			if stage, by = t.stage(b.name+s.name, tests, m); stage != "" {
				return stage, by
			}
		}
	}
	return "", ""
}

// likely are tests that killed other mutants of the function of m.
func (t *tester) likely(m *mutant) []*test {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(t.killers[m.file+m.function]), func(x *test) bool { return x.seen[m.id] == 0 })
}

// quickest are a few of the tests in which m makes a difference: what loops,
// loops in these, where the limit is lowest.
func (t *tester) quickest(m *mutant) []*test {
	tests := slices.DeleteFunc(slices.Clone(t.binaries[0].tests), func(x *test) bool { return x.seen[m.id] == 0 || x.took > stages[0].upTo })
	slices.SortStableFunc(tests, func(x, y *test) int { return cmp.Compare(x.took, y.took) })
	return tests[:min(len(tests), 10)]
}

// stage runs some tests on a mutant, and remembers the one that kills it.
func (t *tester) stage(name string, tests []*test, m *mutant) (stage, by string) {
	ok, output := t.run(tests, m.id)
	if ok {
		return "", ""
	}
	by = killer(output)
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range tests {
		known := t.killers[m.file+m.function]
		if x.name == by && x.binary == t.binaries[0] && x.took < stages[0].upTo && len(known) < 5 && !slices.Contains(known, x) {
			t.killers[m.file+m.function] = append(known, x)
		}
	}
	return name, by
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)|^(panic: .*|fatal error: .*)$`)

// killer is the test that failed, or what ended the run.
func killer(output string) string {
	m := failed.FindStringSubmatch(output)
	switch {
	case m == nil:
		return "limit of time or memory"
	case m[1] != "":
		return m[1]
	}
	return m[2]
}
