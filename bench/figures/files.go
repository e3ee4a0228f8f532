package figures

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Load reads results from the JSON file that [Save] has written.
func Load[T any](file string) (*T, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	results := new(T)
	if err := json.Unmarshal(text, results); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return results, nil
}

// Save writes results as JSON, always the same for the same results, and makes the
// directory if it is not there.
func Save(file string, results any) error {
	text, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// Files are what is made from results: texts by their paths.
type Files map[string][]byte

// Write writes them, and makes their directories.
func (files Files) Write() error {
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Check is an error that names the files which are not what Write would write.
func (files Files) Check() error {
	var differ []string
	for path, want := range files {
		if got, err := os.ReadFile(path); err != nil {
			differ = append(differ, err.Error())
		} else if !bytes.Equal(got, want) {
			differ = append(differ, path+" is not what its JSON says")
		}
	}
	slices.Sort(differ)
	if len(differ) > 0 {
		return fmt.Errorf("%s\nwrite them again with -render", strings.Join(differ, "\n"))
	}
	return nil
}
