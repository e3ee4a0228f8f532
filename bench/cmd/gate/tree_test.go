package main

import (
	"archive/tar"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// files are the names of all files below dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func text(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A commit is exported as it was committed, the working tree copied as it stands.
func TestExportAndCopy(t *testing.T) {
	r := newRepo(t)
	r.write(t, ".gitignore", "*.test\n")
	r.write(t, "internal/x/x.go", "package x\n")
	r.write(t, "gone.go", "package weir\n")
	r.change(t, "third")
	r.write(t, "limiter.go", "changed")
	r.write(t, "internal/new.go", "new")
	r.write(t, "weir.test", "ignored")
	if err := os.Remove(filepath.Join(r.dir, "gone.go")); err != nil {
		t.Fatal(err)
	}

	commit, tree := t.TempDir(), t.TempDir()
	if err := r.export(t.Context(), "third", commit); err != nil {
		t.Fatal(err)
	}
	if err := r.copy(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files(t, commit), " "); got != ".gitignore gone.go internal/x/x.go limiter.go" {
		t.Errorf("of the commit: %s", got)
	}
	if got := strings.Join(files(t, tree), " "); got != ".gitignore internal/new.go internal/x/x.go limiter.go" {
		t.Errorf("of the working tree: %s", got)
	}
	if got := text(t, commit, "limiter.go"); got != "package weir // third\n" {
		t.Errorf("of the commit: %q", got)
	}
	if got := text(t, tree, "limiter.go"); got != "changed" {
		t.Errorf("of the working tree: %q", got)
	}
	if err := r.export(t.Context(), "nonsense", t.TempDir()); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a commit that is not there: %v", err)
	}
}

func TestUntarStaysInside(t *testing.T) {
	for _, name := range []string{"../x", "/x", "a/../../x"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 1, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), "a", "b")
		if err := untar(&b, dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := untar(strings.NewReader(strings.Repeat("no archive", 100)), t.TempDir()); err == nil {
		t.Error("what is no archive was unpacked")
	}
}

func TestSameCore(t *testing.T) {
	base := map[string]string{
		"limiter.go": "a", "bench_test.go": "b", "go.mod": "c", "go.sum": "d", "internal/x/x.go": "e",
		"README.md": "f", "weirhttp/x.go": "g", "bench/x.go": "h", "internal/x/notes.txt": "i",
	}
	for _, tt := range []struct {
		file, text string // "" removes it
		same       bool
	}{
		{"limiter.go", "a", true},
		{"limiter.go", "x", false},
		{"limiter.go", "", false},
		{"new.go", "x", false},
		{"bench_test.go", "x", false},
		{"go.mod", "x", false},
		{"go.sum", "x", false},
		{"internal/x/x.go", "x", false},
		{"internal/y/y.go", "x", false},
		{"README.md", "x", true},
		{"weirhttp/x.go", "x", true},
		{"bench/x.go", "", true},
		{"internal/x/notes.txt", "x", true},
	} {
		head := maps.Clone(base)
		head[tt.file] = tt.text
		if tt.text == "" {
			delete(head, tt.file)
		}
		a, b := repo{t.TempDir()}, repo{t.TempDir()}
		for name, s := range base {
			a.write(t, name, s)
		}
		for name, s := range head {
			b.write(t, name, s)
		}
		for _, pair := range [][2]string{{a.dir, b.dir}, {b.dir, a.dir}} {
			if same, err := sameCore(pair[0], pair[1]); err != nil || same != tt.same {
				t.Errorf("%s becomes %q: same %t, %v", tt.file, tt.text, same, err)
			}
		}
	}
	if _, err := sameCore(t.TempDir(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that is not there is compared")
	}
}
