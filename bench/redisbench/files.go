package redisbench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// files are all files that are made from the report, by their path, but for the JSON
// itself.
func (r *Report) files(docs string) (map[string][]byte, error) {
	files := map[string][]byte{filepath.Join(docs, "benchmarks-redis.md"): []byte(r.Markdown())}
	charts, err := r.Charts()
	if err != nil {
		return nil, err
	}
	for name, svg := range charts {
		files[filepath.Join(docs, "benchmarks", name)] = svg
	}
	return files, nil
}

// Write makes docs/benchmarks-redis.md and the charts. It writes nothing if one of
// them cannot be made.
func (r *Report) Write(docs string) error {
	files, err := r.files(docs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(docs, "benchmarks"), 0o755); err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// Check is an error that names the files which are not what Write would write.
func (r *Report) Check(docs string) error {
	files, err := r.files(docs)
	if err != nil {
		return err
	}
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
