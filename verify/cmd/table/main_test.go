package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	dir := t.TempDir()
	doc := filepath.Join(dir, "doc.md")
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, "a.tsv"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("linear\tno-seal\tseal | first\tmissed\t3\nlinear\tno-seal\tseal | first\tfailed\t3\nspin\ts\tr\tassertion\nsummary\tlinear\t5 histories\n")
	if err := run(dir, doc, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| seal \\| first | `no-seal` |  | found |  |\n", "| r | `s` | assertion |\n", "| linear | 5 histories |\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if err := run(dir, doc, true); err != nil {
		t.Error(err)
	}
	write("linear\tno-seal\tseal | first\tmissed\t3\n")
	if err := run(dir, doc, true); err == nil {
		t.Error("results that the document does not show went unnoticed")
	}
}
