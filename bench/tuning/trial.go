// Package tuning has the evidence for how weir's hot path is built: each decision
// is undone in a copy of the code, or another way is tried in it, and both are
// measured in turn. So no figure is from memory, and none outlives the code that
// it was measured with: an edit that does not match exactly once is an error.
package tuning

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

// A Trial is a change of the code as it is, and what it is measured by.
type Trial struct {
	Name  string   // of its copy
	Title string   // what is different in the trial
	Why   string   // what one would expect, and what was made of it
	Edits []Edit   // none: the build alone differs
	Flags []string // of go test -c
	Rows  []Row
}

// An Edit replaces a text that a file has exactly once.
type Edit struct{ File, Old, New string }

// A Row is a benchmark of the root package and one of its metrics.
type Row struct {
	Bench  string // without the number of processors
	Unit   string // as the benchmark reports it
	Head   string // the benchmark that stands for the code as it is, if not Bench
	Claim  claim  // what Why says of it; Run fails if that is not what comes of it
	Rounds int    // 0 means the usual number
}

// A claim is what the text of a trial says of a row.
type claim string

const (
	worse  claim = "worse"  // than the code as it is, significantly
	better claim = "better" // than the code as it is, significantly
	open   claim = ""       // nothing is claimed
)

// is claims something of a row.
func (r Row) is(c claim) Row {
	r.Claim = c
	return r
}

// apply makes the edits in a copy of the repository.
func (t Trial) apply(dir string) error {
	for _, e := range t.Edits {
		file := filepath.Join(dir, e.File)
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if n := bytes.Count(text, []byte(e.Old)); n != 1 {
			return fmt.Errorf("trial %s: %s has %d times, and not once:\n%s", t.Name, e.File, n, e.Old)
		}
		text = bytes.Replace(text, []byte(e.Old), []byte(e.New), 1)
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
