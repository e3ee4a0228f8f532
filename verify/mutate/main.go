// Command mutate changes the code of weir in small ways, one at a time, and
// checks that the tests notice each. See README.md.
package main

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

type options struct {
	root, results, list string
	part                string
	files, only         string
	jobs                int
	keep                string
	again               int
	depth               int
	state               string
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", "", "directory of weir; by default where the go command finds it")
	flag.StringVar(&o.list, "survivors", "mutate/survivors.tsv", "the reviewed list of survivors")
	flag.StringVar(&o.results, "results", "", "write a summary and the survivors to this file")
	flag.StringVar(&o.part, "part", "1/1", "k/n runs the k-th of n parts of the mutants")
	flag.StringVar(&o.files, "files", "", "run only mutants of these files, parted by commas")
	flag.StringVar(&o.only, "only", "", "run only mutants whose key contains this")
	flag.IntVar(&o.jobs, "j", 2, "mutants run at once")
	flag.IntVar(&o.again, "again", 2, "times that a survivor that is not on the list is tried again")
	flag.IntVar(&o.depth, "depth", 2, "1: only quick tests; 2: also longer ones, quick ones with tiny tables, and schedules; 3: all tests")
	flag.StringVar(&o.state, "state", "", "append outcomes to this file; what it says was killed is not run again")
	flag.StringVar(&o.keep, "keep", "", "directory for the rewritten files and the binaries, which are then kept")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	start := time.Now()
	t, mutants, refused, err := prepare(&o)
	if o.keep == "" {
		defer os.RemoveAll(t.dir)
	}
	if err != nil {
		return err
	}
	listed, err := readList(o.list)
	if err != nil {
		return err
	}
	chosen, err := choose(mutants, o)
	if err != nil {
		return err
	}
	if err := t.openState(o.state); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d mutants of %d, ready after %v\n", len(chosen), len(mutants), time.Since(start).Round(time.Second))
	found := t.test(chosen, listed, o)
	fmt.Fprintf(os.Stderr, "done after %v\n", time.Since(start).Round(time.Second))
	return report(o, mutants, found, refused, listed)
}

// An outcome is what became of a mutant.
type outcome struct {
	*mutant
	stage string // that killed it; "" if it survived
	by    string
}

// prepare makes the binaries: the package as it is; with tables so small that a
// few keys bring about everything; and with a scheduler that goes through the
// orders in which their steps may happen.
func prepare(o *options) (t *tester, mutants []*mutant, refused int, err error) {
	t = &tester{killers: map[string][]*test{}, depth: o.depth}
	if o.root == "" {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/weirhq/weir").Output()
		if err != nil {
			return t, nil, 0, fmt.Errorf("no -root, and go list: %w", err)
		}
		o.root = strings.TrimSpace(string(out))
	}
	if t.root, err = filepath.Abs(o.root); err != nil {
		return t, nil, 0, err
	}
	if t.dir, err = filepath.Abs(o.keep); o.keep == "" {
		t.dir, err = os.MkdirTemp("", "mutate")
	}
	if err != nil {
		return t, nil, 0, err
	}
	if err = os.MkdirAll(t.dir, 0o755); err != nil {
		return t, nil, 0, err
	}
	p, err := load(t.root)
	if err != nil {
		return t, nil, 0, err
	}
	b := &builder{root: t.root, dir: t.dir, program: p, dropped: map[int]bool{}}
	for _, bin := range binaries {
		if bin.depth > o.depth {
			continue
		}
		bin.path = filepath.Join(t.dir, "weir"+bin.name+".test")
		if mutants, err = b.build(bin.path, bin.tags); err != nil {
			return t, nil, 0, err
		}
		t.binaries = append(t.binaries, &bin)
	}
	for _, bin := range t.binaries {
		if err := t.measure(bin, len(mutants)+len(b.dropped)); err != nil {
			return t, nil, 0, err
		}
	}
	return t, mutants, len(b.dropped), nil
}

// choose takes one part of the mutants. Which part a mutant is in depends on its
// key alone.
func choose(mutants []*mutant, o options) (chosen []*mutant, err error) {
	var k, n uint32
	if _, err := fmt.Sscanf(o.part, "%d/%d", &k, &n); err != nil || k < 1 || k > n {
		return nil, fmt.Errorf("-part %s: want k/n with 1 ≤ k ≤ n", o.part)
	}
	for _, m := range mutants {
		h := fnv.New32a()
		h.Write([]byte(m.key()))
		if h.Sum32()%n == k-1 && strings.Contains(m.key(), o.only) && (o.files == "" || slices.Contains(strings.Split(o.files, ","), m.file)) {
			chosen = append(chosen, m)
		}
	}
	return chosen, nil
}

// test runs mutants, a few at a time.
func (t *tester) test(mutants []*mutant, listed map[string]*entry, o options) []*outcome {
	outcomes := make([]*outcome, len(mutants))
	var wg sync.WaitGroup
	work := make(chan int)
	for range o.jobs {
		wg.Go(func() {
			for i := range work {
				outcomes[i] = t.one(mutants[i], listed, o)
			}
		})
	}
	for i, m := range mutants {
		if r := t.known[m.key()]; r != nil {
			outcomes[i] = &outcome{m, r.stage, r.by}
			continue
		}
		work <- i
	}
	close(work)
	wg.Wait()
	return outcomes
}

// one runs a mutant, and if it survives without being on the list, again.
func (t *tester) one(m *mutant, listed map[string]*entry, o options) *outcome {
	r := &outcome{mutant: m}
	r.stage, r.by = t.kill(m, listed[m.key()])
	for n := 0; n < o.again && r.stage == "" && listed[m.key()] == nil; n++ {
		r.stage, r.by = t.kill(m, nil)
	}
	if r.stage == "" && listed[m.key()] == nil {
		fmt.Fprintf(os.Stderr, "survives: %s:%d %s: %s -> %s\n", m.file, m.line, m.function, m.before, m.after)
	}
	t.remember(r)
	return r
}
