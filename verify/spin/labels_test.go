// Package spin has the models of a shard and of key quotas, and the test that they are still models of the code.
package spin

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// leastLabels are the models, and how many labels each has at least.
var leastLabels = map[string]int{"shard": 50, "keyquota": 30}

// unmapped are labels of a model's own, between operations, and those that only a planted bug has.
var unmapped = map[string]bool{"op_begin": true, "op_end": true, "into_late": true, "own_freeze_store": true}

// Each label of a model names a line of the code, which is there, in the function that it is said to be in; and no label
// is without one.
func TestLabelsNameTheCode(t *testing.T) {
	labels := make(map[string]map[string]bool)
	for model, least := range leastLabels {
		labels[model] = labelsOf(t, model+".pml")
		if len(labels[model]) < least {
			t.Fatalf("only %d labels in the model %s", len(labels[model]), model)
		}
	}
	mapped := make(map[[2]string]bool)
	sources := make(map[string]map[string]string)
	for i, line := range linesOf(t, "labels.tsv") {
		if i == 0 {
			continue // the heading
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 6 {
			t.Errorf("labels.tsv:%d: %d fields, want model, label, file, function, snippet, what", i+1, len(fields))
			continue
		}
		model, label, file, function, snippet := fields[0], fields[1], fields[2], fields[3], fields[4]
		mapped[[2]string{model, label}] = true
		if !labels[model][label] {
			t.Errorf("labels.tsv:%d: the model %s has no label %s", i+1, model, label)
		}
		if sources[file] == nil {
			sources[file] = functionsOf(t, filepath.Join("..", "..", file))
		}
		body, ok := sources[file][function]
		switch {
		case !ok:
			t.Errorf("labels.tsv:%d: %s has no function %s", i+1, file, function)
		case !strings.Contains(body, snippet):
			t.Errorf("labels.tsv:%d: %s in %s has no longer: %s", i+1, function, file, snippet)
		}
	}
	for model := range labels {
		for label := range labels[model] {
			if !mapped[[2]string{model, label}] && !unmapped[label] {
				t.Errorf("%s's label %s names no line of the code", model, label)
			}
		}
	}
}

func labelsOf(t *testing.T, file string) map[string]bool {
	label := regexp.MustCompile(`^\s*([a-z]+_[a-z_0-9]+):`)
	labels := make(map[string]bool)
	for _, line := range linesOf(t, file) {
		if m := label.FindStringSubmatch(line); m != nil {
			labels[m[1]] = true
		}
	}
	return labels
}

func linesOf(t *testing.T, file string) (lines []string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

// functionsOf is the text of each function of a Go file, by "name" or "Type.name".
func functionsOf(t *testing.T, file string) map[string]string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	functions := make(map[string]string)
	for _, d := range parsed.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		name := fn.Name.Name
		if fn.Recv != nil {
			of := fn.Recv.List[0].Type
			if star, ok := of.(*ast.StarExpr); ok {
				of = star.X
			}
			name = of.(*ast.Ident).Name + "." + name
		}
		functions[name] = string(text[files.Position(fn.Pos()).Offset:files.Position(fn.End()).Offset])
	}
	return functions
}
