package report

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirhq/weir/bench/figures"
	"github.com/weirhq/weir/bench/tuning"
)

// The README's table stands between these.
const (
	begin = "<!-- bench:begin -->"
	end   = "<!-- bench:end -->"
)

// ResultsFile is where the report's JSON lies, in the directory of the docs.
func ResultsFile(docs string) string { return filepath.Join(docs, "benchmarks", "results.json") }

// TuningFile is where the JSON of package tuning lies; without it, benchmarks.md
// ends before that section.
func TuningFile(docs string) string { return filepath.Join(docs, "benchmarks", "tuning.json") }

// section is what the README says between the marks.
func (r *Report) section() string {
	_, lost := r.Wins()
	return fmt.Sprintf(`%s

%s
%s
%s
[docs/benchmarks.md](docs/benchmarks.md) has all loads, latencies, memory, charts, counts and versions, and sets weir beside the best
of the others under every load; it lost %d.

%s`, begin, r.origin(), explanation, r.Table(), lost, end)
}

// Replace puts the report's section between the marks of a README.
func (r *Report) Replace(readme string) (string, error) {
	before, rest, ok := strings.Cut(readme, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("there is no %s with a %s after it", begin, end)
	}
	return before + r.section() + after, nil
}

// files are all files that are made from the report, by their path, but for the
// JSON itself.
func (r *Report) files(docs, readme string) (figures.Files, error) {
	text := r.Markdown()
	switch tuned, err := tuning.Load(TuningFile(docs)); {
	case err == nil:
		text += "\n" + tuned.Markdown()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	files := figures.Files{filepath.Join(docs, "benchmarks.md"): []byte(text)}
	charts, err := r.Charts()
	if err != nil {
		return nil, err
	}
	for name, svg := range charts {
		files[filepath.Join(docs, "benchmarks", name)] = svg
	}
	if readme == "" {
		return files, nil
	}
	old, err := os.ReadFile(readme)
	if err != nil {
		return nil, err
	}
	if text, err = r.Replace(string(old)); err != nil {
		return nil, fmt.Errorf("%s: %w", readme, err)
	}
	files[readme] = []byte(text)
	return files, nil
}

// Write makes docs/benchmarks.md, the charts, and the README's table; no table if
// readme is "". It writes nothing if one of them cannot be made.
func (r *Report) Write(docs, readme string) error {
	files, err := r.files(docs, readme)
	if err != nil {
		return err
	}
	return files.Write()
}

// Check is an error that names the files which are not what Write would write.
func (r *Report) Check(docs, readme string) error {
	files, err := r.files(docs, readme)
	if err != nil {
		return err
	}
	return files.Check()
}

// Writable is an error if the README has no place for the table.
func (r *Report) Writable(readme string) error {
	if readme == "" {
		return nil
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	if _, err := r.Replace(string(text)); err != nil {
		return fmt.Errorf("%s: %w", readme, err)
	}
	return nil
}
