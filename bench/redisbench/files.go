package redisbench

import (
	"path/filepath"

	"github.com/weirhq/weir/bench/figures"
)

// files are all files that are made from the report, by their path, but for the JSON
// itself.
func (r *Report) files(docs string) (figures.Files, error) {
	files := figures.Files{filepath.Join(docs, "benchmarks-redis.md"): []byte(r.Markdown())}
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
	return files.Write()
}

// Check is an error that names the files which are not what Write would write.
func (r *Report) Check(docs string) error {
	files, err := r.files(docs)
	if err != nil {
		return err
	}
	return files.Check()
}
