// Package planted is a list of bugs, each a small change of the real sources that breaks one rule of the design. What claims to
// check the rules has to find them: see cmd/bugs.
package planted

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// A Check is one of the ways to find a bug.
type Check string

const (
	Unit      Check = "unit"      // go test -short . of the library itself
	Linear    Check = "linear"    // histories of the real limiter against a sequential model
	Schedules Check = "schedules" // every schedule of a few operations, up to a number of preemptions
)

// A Bug is one rule broken.
type Bug struct {
	Name  string
	Rule  string // that it breaks, in a few words
	Catch Check  // that is to find it
	Edits []Edit
}

// An Edit replaces a text that stands in a source file exactly once.
type Edit struct {
	File, Old, New string
}

// All returns every bug.
func All() []Bug {
	var all []Bug
	for _, list := range [][]Bug{slotBugs, chainBugs, migrationBugs, operationBugs, quotaBugs, arithmeticBugs} {
		all = append(all, list...)
	}
	return all
}

// Find returns the bugs of these names.
func Find(names []string) ([]Bug, error) {
	var found []Bug
	for _, name := range names {
		n := len(found)
		for _, b := range All() {
			if b.Name == name {
				found = append(found, b)
			}
		}
		if len(found) == n {
			return nil, fmt.Errorf("no bug is called %q", name)
		}
	}
	return found, nil
}

// Overlay writes the sources in root, with the bugs planted, to dir, and there the file to give to go's -overlay. It returns
// that file's name. With no bugs it is the real thing.
func Overlay(root, dir string, bugs ...Bug) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	sources := make(map[string]string)
	for _, b := range bugs {
		for _, e := range b.Edits {
			if _, ok := sources[e.File]; !ok {
				text, err := os.ReadFile(filepath.Join(root, e.File))
				if err != nil {
					return "", err
				}
				sources[e.File] = string(text)
			}
			if n := strings.Count(sources[e.File], e.Old); n != 1 {
				return "", fmt.Errorf("bug %s: this stands %d times in %s, not once:\n%s", b.Name, n, e.File, e.Old)
			}
			sources[e.File] = strings.Replace(sources[e.File], e.Old, e.New, 1)
		}
	}
	replace := make(map[string]string)
	for file, text := range sources {
		planted := filepath.Join(dir, file)
		if err := os.WriteFile(planted, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = planted
	}
	text, err := json.MarshalIndent(map[string]any{"Replace": replace}, "", "\t")
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o644)
}
