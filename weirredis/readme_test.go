package weirredis_test

import (
	"os"
	"strings"
	"testing"
)

// All Go code of the README and of docs/redis.md is in an example, which is compiled
// and run; and both begin with some ten lines of it.
func TestReadmeCodeIsInExamples(t *testing.T) {
	read := func(file string) string {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	examples := strings.ReplaceAll(read("example_test.go"), "\n\t", "\n") // as inside a function
	for _, file := range []string{"README.md", "../docs/redis.md"} {
		text := read(file)
		if before, _, _ := strings.Cut(text, "```go\n"); strings.Count(before, "\n") > 2 {
			t.Errorf("%s does not begin with code", file)
		}
		blocks := strings.Split(text, "```go\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s has no code", file)
		}
		for _, block := range blocks {
			code, _, _ := strings.Cut(block, "```\n")
			if !strings.Contains(examples, code) {
				t.Errorf("%s: no example has these lines:\n%s", file, code)
			}
		}
	}
}
