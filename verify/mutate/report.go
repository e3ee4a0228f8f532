package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// classes of survivors, as the list names them.
var classes = []string{
	"equivalent", // no caller can see a difference
	"hint",       // only time or memory differ, within what is promised
	"chance",     // it shows only in some interleavings, so that it is killed at times
}

// An entry is a reviewed survivor.
type entry struct {
	key   string
	class string
	why   string
}

// readList reads the reviewed survivors: file, function, before, after, class
// and reason, parted by tabs. Lines that begin with # are comments.
func readList(path string) (map[string]*entry, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	list := map[string]*entry{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != 6 || !slices.Contains(classes, f[4]) || f[5] == "" {
			return nil, fmt.Errorf("%s:%d: want file, function, before, after, class and reason, parted by tabs", path, n)
		}
		e := &entry{key: strings.Join(f[:4], "\t"), class: f[4], why: f[5]}
		if list[e.key] != nil {
			return nil, fmt.Errorf("%s:%d: listed twice", path, n)
		}
		list[e.key] = e
	}
	return list, nil
}

// report compares the survivors with the list, and writes the results.
func report(o options, all []*mutant, found []*outcome, refused int, listed map[string]*entry) error {
	problems := 0
	problem := func(format string, args ...any) {
		problems++
		fmt.Printf(format+"\n", args...)
	}
	exists := map[string]bool{}
	for _, m := range all {
		exists[m.key()] = true
	}
	for key := range listed {
		if !exists[key] {
			problem("stale, there is no such mutant: %s", key)
		}
	}
	killed := 0
	for _, r := range found {
		e := listed[r.key()]
		switch {
		case r.stage != "":
			killed++
			if e != nil && e.class != "chance" {
				problem("stale, %s kills it (%s): %s", r.by, r.stage, e.key)
			}
		case e == nil:
			problem("not on the list: line %d\t%s", r.line, r.key())
		}
	}
	fmt.Printf("%d of %d mutants killed, %.1f %%; %d more do not compile\n", killed, len(found), percent(killed, len(found)), refused)
	if o.results != "" {
		if err := os.WriteFile(o.results, results(found, listed), 0o644); err != nil {
			return err
		}
	}
	if problems > 0 {
		return fmt.Errorf("%d problems", problems)
	}
	if 100*killed < 95*len(found) && len(found) == len(all) {
		return errors.New("less than 95 % killed")
	}
	return nil
}

func percent(killed, total int) float64 {
	if total == 0 {
		return 100
	}
	return 100 * float64(killed) / float64(total)
}

// results is what is kept of a run: a line for each file, and one for each
// survivor.
func results(found []*outcome, listed map[string]*entry) []byte {
	var out bytes.Buffer
	fmt.Fprintln(&out, "# mutate\tfile\tkilled\tsurvivors\tkilled by")
	for _, name := range append(slices.Clone(files), "all") {
		total, killed := 0, 0
		stages, survivors := map[string]int{}, map[string]int{}
		for _, r := range found {
			if r.file != name && name != "all" {
				continue
			}
			total++
			if r.stage == "" {
				survivors[verdict(r, listed).class]++
				continue
			}
			killed++
			stages[r.stage]++
		}
		fmt.Fprintf(&out, "mutate\t%s\t%d of %d, %.1f %%\t%s\t%s\n", name, killed, total, percent(killed, total), sums(survivors), sums(stages))
	}
	fmt.Fprintln(&out, "\n# survivor\tmutation\tclass\twhy")
	for _, r := range found {
		if r.stage == "" {
			f, e := strings.Split(r.key(), "\t"), verdict(r, listed)
			fmt.Fprintf(&out, "survivor\t%s, %s: `%s` → `%s`\t%s\t%s\n", f[0], f[1], f[2], f[3], e.class, e.why)
		}
	}
	return out.Bytes()
}

func verdict(r *outcome, listed map[string]*entry) *entry {
	if e := listed[r.key()]; e != nil {
		return e
	}
	return &entry{class: "not reviewed"}
}

// sums are numbers by name, as text.
func sums(n map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, n[name]))
	}
	return strings.Join(parts, ", ")
}
