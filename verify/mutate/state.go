package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// openState reads the outcomes of a run before, if there are any, and has those
// of this one appended: so a run that was interrupted goes on where it was.
func (t *tester) openState(path string) error {
	t.known = map[string]*outcome{}
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) == 7 && f[5] != "" {
			t.known[strings.Join(f[:4], "\t")] = &outcome{stage: f[5], by: f[6]}
		}
	}
	t.state, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	return err
}

// remember writes down an outcome.
func (t *tester) remember(r *outcome) {
	if t.state == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.state, "%s\t%d\t%s\t%s\n", r.key(), r.line, r.stage, r.by)
}
