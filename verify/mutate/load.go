package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
)

// files are those whose code is mutated. What is left are the public methods,
// which call these, the clock, the counters and the options.
var files = []string{
	"gcra.go", "quota.go", "wait.go",
	"shard.go", "table.go", "migration.go", "operation.go", "override.go", "bound.go", "multi.go", "multi_lock.go", "policy.go",
	"partition.go", "resolver.go", "route.go", "source.go", "source_cache.go",
}

// A program is the package, parsed and checked.
type program struct {
	fset  *token.FileSet
	info  *types.Info
	pkg   *types.Package
	files map[string]*ast.File
	src   map[string][]byte
}

// load reads the package in the directory root. Types of what it imports come
// from the compiler's export data.
func load(root string) (*program, error) {
	goFiles, exports, err := list(root)
	if err != nil {
		return nil, err
	}
	p := &program{
		fset: token.NewFileSet(), files: map[string]*ast.File{}, src: map[string][]byte{},
		info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}},
	}
	var all []*ast.File
	for _, name := range goFiles {
		src, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return nil, err
		}
		f, err := parser.ParseFile(p.fset, name, src, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		p.files[name], p.src[name] = f, src
	}
	conf := types.Config{Importer: importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	p.pkg, err = conf.Check("github.com/weirhq/weir", p.fset, all, p.info)
	return p, err
}

// list asks the go command for the package's files and its dependencies' export
// data.
func list(root string) (goFiles []string, exports map[string]string, err error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles,DepOnly", ".")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	exports = map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir, ImportPath, Export string
			GoFiles                 []string
			DepOnly                 bool
		}
		if err := dec.Decode(&p); err == io.EOF {
			return goFiles, exports, nil
		} else if err != nil {
			return nil, nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			goFiles = p.GoFiles
		}
	}
}

// rewrite builds all mutants into the source, but for those that the compiler
// refused.
func rewrite(p *program, dropped map[int]bool) (mutants []*mutant, texts map[string][]byte, err error) {
	texts = map[string][]byte{}
	next := 0
	for _, name := range files {
		f := p.files[name]
		if f == nil {
			return nil, nil, fmt.Errorf("there is no file %s any more", name)
		}
		s := newScan(name, p.src[name], p, &next, dropped)
		s.file(f)
		mutants = append(mutants, s.mutants...)
		texts[name] = apply(s.src, s.edits)
	}
	return mutants, texts, nil
}

// apply makes all edits at once. Those at one offset are in their order but for
// their kind: they are nested, so each inner one was noted after what is around
// it begins, and before it ends.
func apply(src []byte, edits []edit) []byte {
	edits = slices.Clone(edits)
	sort.SliceStable(edits, func(i, j int) bool {
		a, b := edits[i], edits[j]
		if a.from != b.from {
			return a.from < b.from
		}
		return a.kind < b.kind
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		if e.from > at {
			out.Write(src[at:e.from])
			at = e.from
		}
		out.WriteString(e.text)
		at = max(at, e.to)
	}
	out.Write(src[at:])
	return out.Bytes()
}
