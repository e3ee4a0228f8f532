package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The documents of this repository.
func TestDocs(t *testing.T) {
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newRepository(root)
	if err != nil {
		t.Fatal(err)
	}
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatal("no documents: ", err)
	}
	links := 0
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		links += len(link.FindAllString(string(text), -1))
		_, faults := r.review(doc, string(text))
		for _, f := range faults {
			t.Error(f)
		}
	}
	if t.Failed() {
		t.Log("go run ./internal/doclinks puts numbers of lines right")
	}
	if links < 50 {
		t.Errorf("only %d links were looked at", links)
	}
}

// fake makes a repository of two files and a document.
func fake(t *testing.T) (r *repository, doc string) {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"a.go":       "package a\n\nfunc one() {\n\ttwice()\n\ttwice()\n\tsay(\"hi\")\n}\n",
		"a_test.go":  "package a\n\nfunc TestOne(t *testing.T) {\n}\n",
		"docs/b.md":  "# Some words, and `code`\n",
		"docs/p.svg": "<svg/>\n",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newRepository(root)
	if err != nil {
		t.Fatal(err)
	}
	return r, filepath.Join(root, "docs", "d.md")
}

func TestReview(t *testing.T) {
	r, doc := fake(t)
	const good = `[one](../a.go#L3 "func one()"), [TestOne](../a_test.go#L3 "func TestOne("), [hi](../a.go#L6 "say(\"hi\")"),
![a picture](p.svg), [words](b.md#some-words-and-code), [here](#here), [file](../a.go), [dir](..), [out](https://example.com/#x)
## Here
`
	if fresh, faults := r.review(doc, good); fresh != good || len(faults) != 0 {
		t.Errorf("good links: %v\n%s", faults, fresh)
	}
	for _, c := range []struct{ link, says string }{
		{`[x](../a.go#L1 "func gone()")`, "is gone"},
		{`[x](../a.go#L1 "twice()")`, "stands on lines 4 and 5"},
		{`[x](../a.go#L1)`, "needs, as its title"},
		{`[x](../a.go#one "func one()")`, "is no line"},
		{`[x](../c.go#L1 "x")`, "no such file"},
		{`[x](../verify/none)`, "no such file"},
		{`[x](../../elsewhere)`, "outside"},
		{`[x](#nowhere)`, "no heading"},
		{`[x](b.md#nowhere)`, "no heading"},
		{`[TestOne](../a.go#L3 "func one()")`, "should be found by"},
		{`[TestTwo](../a_test.go#L3 "func TestTwo(")`, "there is no TestTwo"},
		{"`FuzzNone` in the text", "there is no FuzzNone"},
	} {
		fresh, faults := r.review(doc, c.link)
		if fresh != c.link || len(faults) == 0 || faults[0].moved || !strings.Contains(faults[0].text, c.says) {
			t.Errorf("%s: %v, want %q", c.link, faults, c.says)
		}
	}
}

func TestReviewPutsNumbersRight(t *testing.T) {
	r, doc := fake(t)
	for _, old := range []string{`a [one](../a.go#L7 "func one()") b`, `a [one](../a.go "func one()") b`} {
		fresh, faults := r.review(doc, old)
		if want := `a [one](../a.go#L3 "func one()") b`; fresh != want || len(faults) != 1 || !faults[0].moved {
			t.Errorf("%s became %s, %v", old, fresh, faults)
		}
	}
	fence := "```\n[x](../a.go#L9 \"func gone()\")\n```\n"
	if fresh, faults := r.review(doc, fence); fresh != fence || len(faults) != 0 {
		t.Errorf("a fenced block was reviewed: %v", faults)
	}
}
