package weirotel_test

import (
	"os"
	"strings"
	"testing"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// The Go code of the README is in an example, which is compiled and run, and the
// README begins with some ten lines of it.
func TestReadmeCodeIsInExamples(t *testing.T) {
	examples := strings.ReplaceAll(read(t, "example_test.go"), "\n\t", "\n") // as inside a function
	text := read(t, "README.md")
	if before, _, _ := strings.Cut(text, "```go\n"); strings.Count(before, "\n") > 2 {
		t.Error("README.md does not begin with code")
	}
	blocks := strings.Split(text, "```go\n")[1:]
	if len(blocks) == 0 {
		t.Error("README.md has no code")
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```\n")
		if !strings.Contains(examples, code) {
			t.Errorf("no example has these lines:\n%s", code)
		}
	}
}
