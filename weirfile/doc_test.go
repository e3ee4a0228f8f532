package weirfile

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The page in docs/ shows the file that is tested, code that is compiled, and
// messages as they are.
func TestDocs(t *testing.T) {
	text := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(data), "\r\n", "\n")
	}
	page, examples := text("../docs/quota-file.md"), unindented(text("example_test.go"))
	sources := map[string]string{
		"go":   examples,
		"text": strings.ReplaceAll(examples, "\n// ", "\n"),
		"json": unindented(text("testdata/quotas.json")),
	}
	shown := map[string]int{}
	for i, part := range strings.Split("\n"+page, "\n```") {
		if i%2 == 0 {
			continue // prose
		}
		language, block, _ := strings.Cut(part, "\n")
		source, ok := sources[language]
		if !ok || !strings.Contains(source, unindented(block)) {
			t.Errorf("no source has this block of %q:\n%s", language, block)
		}
		shown[language]++
		if n := strings.Count(block, "\n") + 1; shown[language] == 1 && language == "go" && n > 10 {
			t.Errorf("what a user copies first has %d lines, above ten", n)
		}
	}
	if shown["go"] < 2 || shown["text"] != 1 || shown["json"] != 1 {
		t.Errorf("the page has %v", shown)
	}
	for _, want := range []string{"`quotas`", "`overrides`", "`quota`", "`note`", "`until`", "64 MiB"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not tell of %s", want)
		}
	}
	if config, err := Parse([]byte(text("testdata/quotas.json"))); err != nil {
		t.Error(err)
	} else if err := config.Check(newLimiter(t, stopped)); err != nil {
		t.Error(err)
	}
}

// unindented is a text with every line's indentation cut off, between newlines.
func unindented(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return "\n" + strings.Join(lines, "\n") + "\n"
}

// The package comment shows a good file too.
func TestPackageComment(t *testing.T) {
	source, err := os.ReadFile("file.go")
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	lines := strings.Split(strings.ReplaceAll(string(source), "\r\n", "\n"), "\n")
	begin := slices.Index(lines, "//\t{")
	for _, line := range lines[begin : begin+slices.Index(lines[begin:], "//\t}")+1] {
		file.WriteString(strings.TrimPrefix(line, "//") + "\n")
	}
	if _, err := Parse([]byte(file.String())); err != nil || begin < 0 {
		t.Errorf("%v in\n%s", err, file.String())
	}
}
