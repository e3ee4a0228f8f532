package planted

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.." // the library

// TestListIsFresh: every bug can still be planted, which Overlay checks; and every rule has a name of its own.
func TestListIsFresh(t *testing.T) {
	names := make(map[string]bool)
	for _, b := range All() {
		if names[b.Name] {
			t.Errorf("two bugs are called %s", b.Name)
		}
		names[b.Name] = true
		if b.Rule == "" || b.Catch == "" || len(b.Edits) == 0 {
			t.Errorf("%s is incomplete", b.Name)
		}
		if _, err := Overlay(root, t.TempDir(), b); err != nil {
			t.Error(err)
		}
	}
}

// TestBugsCompile: a bug that does not compile would be caught by everything. The types are checked as the compiler does; to
// build each would take a hundred times as long.
func TestBugsCompile(t *testing.T) {
	imports := importer.ForCompiler(token.NewFileSet(), "gc", exports(t))
	for _, b := range append(All(), Bug{Name: "none"}) {
		dir := t.TempDir()
		if _, err := Overlay(root, dir, b); err != nil {
			t.Error(err)
			continue
		}
		pkg, err := build.ImportDir(root, 0)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range pkg.GoFiles {
			file := filepath.Join(dir, name)
			if _, err := os.Stat(file); err != nil {
				file = filepath.Join(root, name)
			}
			f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Errorf("%s: %v", b.Name, err)
				continue
			}
			files = append(files, f)
		}
		config := types.Config{Importer: imports}
		if _, err := config.Check("github.com/weirhq/weir", fset, files, nil); err != nil {
			t.Errorf("%s: %v", b.Name, err)
		}
	}
}

// exports finds what the library's imports export.
func exports(t *testing.T) func(path string) (io.ReadCloser, error) {
	list := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	list.Dir = root
	list.Env = append(os.Environ(), "GOWORK=off")
	text, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, line := range strings.Split(string(text), "\n") {
		if path, file, ok := strings.Cut(line, "\t"); ok {
			files[path] = file
		}
	}
	return func(path string) (io.ReadCloser, error) { return os.Open(files[path]) }
}
