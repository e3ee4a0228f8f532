// Table writes what the checks have found into docs/verification.md, between the lines
//
//	<!-- generated from verify/results -->
//	<!-- end -->
//
//	go run ./cmd/table           writes it
//	go run ./cmd/table -check    fails if it is not what the results say
//
// It reads results/*.tsv, where the first field of a line is the check:
//
//	unit, linear, schedules   bug    rule  failed, crashed, hung or missed   seconds
//	spin                      bug    rule  caught by
//	mutate                    file   how many were killed   how many survive   killed by
//	survivor                  mutation   class   why
//	summary                   check  what was done
//
// A later line of the same check and name replaces an earlier one.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	begin = "<!-- generated from verify/results -->\n"
	end   = "<!-- end -->\n"
)

func main() {
	check := flag.Bool("check", false, "only compare")
	results := flag.String("results", "results", "directory of the results")
	doc := flag.String("doc", "../docs/verification.md", "the file to write to; it is made if it does not exist")
	flag.Parse()
	if err := run(*results, *doc, *check); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run(results, doc string, check bool) error {
	r, err := read(results)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(doc)
	if os.IsNotExist(err) && !check {
		text, err = []byte("# Verification\n\n"+begin+end), nil
	}
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no lines %q and %q", doc, begin, end)
	}
	now := "\n" + r.markdown() + "\n"
	if check {
		if old != now {
			return fmt.Errorf("%s is not what the results say; write it with go run ./cmd/table", doc)
		}
		return nil
	}
	return os.WriteFile(doc, []byte(before+begin+now+end+after), 0o644)
}

// A result is all that was read: of each check, the lines in order of their first appearance.
type result struct {
	lines map[string][][]string
}

func read(dir string) (*result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.tsv"))
	if err != nil {
		return nil, err
	}
	r := &result{lines: make(map[string][][]string)}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Split(strings.TrimRight(line, "\n"), "\t")
			if len(fields) < 3 {
				continue // blank, or a heading
			}
			r.put(fields[0], fields[1:])
		}
	}
	return r, nil
}

func (r *result) put(check string, fields []string) {
	list := r.lines[check]
	i := slices.IndexFunc(list, func(f []string) bool { return f[0] == fields[0] })
	if i < 0 {
		r.lines[check] = append(list, fields)
		return
	}
	list[i] = fields
}
