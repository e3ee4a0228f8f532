package weir_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/internal/figures/report"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// fenced returns the code blocks of a language in a Markdown text.
func fenced(markdown, language string) (blocks []string) {
	_, rest, more := strings.Cut(markdown, "\n```"+language+"\n")
	for more {
		var block string
		block, rest, _ = strings.Cut(rest, "\n```\n")
		blocks = append(blocks, block)
		_, rest, more = strings.Cut(rest, "\n```"+language+"\n")
	}
	return blocks
}

// bodyAndOutput returns the statements of an Example without their indentation,
// and the output that it is checked for.
func bodyAndOutput(t *testing.T, file, name string) (body, output string) {
	t.Helper()
	text := read(t, file)
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == name {
			text = text[fset.Position(f.Body.Lbrace).Offset+2 : fset.Position(f.Body.Rbrace).Offset]
			body, output, _ = strings.Cut(text, "\t// Output:\n")
			body = strings.ReplaceAll(strings.TrimPrefix(body, "\t"), "\n\t", "\n")
			output = strings.ReplaceAll(strings.TrimPrefix(output, "\t// "), "\n\t// ", "\n")
			return strings.TrimSpace(body), strings.TrimSpace(output)
		}
	}
	t.Fatalf("no %s in %s", name, file)
	return "", ""
}

// The first Go code of the README is an Example in ten lines, with its output;
// and all other Go code is taken from examples too.
func TestReadmeCode(t *testing.T) {
	readme := read(t, "README.md")
	blocks := fenced(readme, "go")
	if len(blocks) == 0 {
		t.Fatal("the README has no Go code")
	}
	body, output := bodyAndOutput(t, "example_test.go", "Example")
	if blocks[0] != body {
		t.Errorf("the README begins with\n%s\n\nthe example is\n%s", blocks[0], body)
	}
	if n := strings.Count(body, "\n") + 1; n != 10 {
		t.Errorf("the example has %d lines, not ten", n)
	}
	if outputs := fenced(readme, "text"); len(outputs) == 0 || outputs[0] != output {
		t.Errorf("the README shows the output %q, the example has %q", outputs, output)
	}

	var compiled []string
	for _, file := range []string{"example_test.go", "example_partition_test.go", "weirhttp/example_test.go", "weirredis/example_test.go"} {
		compiled = append(compiled, unindented(read(t, file)))
	}
	for _, block := range blocks[1:] {
		if !slices.ContainsFunc(compiled, func(file string) bool { return strings.Contains(file, unindented(block)) }) {
			t.Errorf("no example has these lines of the README:\n%s", block)
		}
	}
}

// unindented is a text with every line's indentation cut off, between newlines.
func unindented(text string) string {
	var b strings.Builder
	b.WriteByte('\n')
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}

// The figures in the README are those that were measured.
func TestReadmeFigures(t *testing.T) {
	want := report.Pending
	switch run, err := report.Load("docs/benchmarks.json"); {
	case err == nil:
		want = run.Table()
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	}
	got, err := report.Between(read(t, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the README has\n%s\ndocs/benchmarks.json says\n%s\nput it right with go run ./internal/figures -render", got, want)
	}
}

// The README's links within the repository lead somewhere.
func TestReadmeLinks(t *testing.T) {
	readme := read(t, "README.md")
	local := 0
	for rest := readme; ; {
		var found bool
		if _, rest, found = strings.Cut(rest, "]("); !found {
			break
		}
		target, _, _ := strings.Cut(rest, ")")
		switch {
		case strings.HasPrefix(target, "https://"):
		case strings.HasPrefix(target, "#"):
			heading := "\n## " + strings.ReplaceAll(strings.TrimPrefix(target, "#"), "-", " ") + "\n"
			if !strings.Contains(strings.ToLower(readme), heading) {
				t.Errorf("no heading for %s", target)
			}
			local++
		default:
			if _, err := os.Stat(target); err != nil {
				t.Error(err)
			}
			local++
		}
	}
	if local == 0 {
		t.Error("no link was looked at")
	}
}

// The README's guarantees name tests that exist.
func TestReadmeTests(t *testing.T) {
	tests := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, f := range functions(t, file) {
			tests[f.Name.Name] = true
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`").FindAllStringSubmatch(read(t, "README.md"), -1)
	for _, m := range named {
		if !tests[m[1]] {
			t.Errorf("there is no %s", m[1])
		}
	}
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
}

// Every function and method that a user of the limiter may call has an Example,
// and so has every error and option. (Those of the partitions have files of
// their own.)
func TestEveryEntryPointHasAnExample(t *testing.T) {
	examples := map[string]bool{}
	for _, f := range functions(t, "example_test.go") {
		examples[f.Name.Name] = true
	}
	seen := 0
	for _, file := range []string{"limiter.go", "quota.go", "wait.go", "option.go", "stats.go"} {
		for _, f := range functions(t, file) {
			name, receiver := f.Name.Name, receiverOf(f)
			if !ast.IsExported(name) || receiver != "" && !ast.IsExported(receiver) {
				continue
			}
			want := "Example" + name
			switch {
			case name == "Error" || name == "Is": // shown by the type's own example
				want = "Example" + receiver
			case receiver != "":
				want = "Example" + receiver + "_" + name
			}
			if !examples[want] {
				t.Errorf("%s: no %s", file, want)
			}
			seen++
		}
	}
	if seen < 30 {
		t.Errorf("only %d functions were looked at", seen)
	}
}

func functions(t *testing.T, file string) (all []*ast.FuncDecl) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, read(t, file), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			all = append(all, f)
		}
	}
	return all
}

// receiverOf is the name of the type that a method belongs to, "" for a
// function.
func receiverOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	typ := f.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}
