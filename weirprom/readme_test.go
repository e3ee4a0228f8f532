package weirprom_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirprom"
)

const docs = "../docs/metrics.md"

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

// All Go code of the README and of docs/metrics.md is in an example, here or in
// weirotel, which is compiled and run; and both begin with some ten lines of it.
func TestReadmeCodeIsInExamples(t *testing.T) {
	unindented := strings.NewReplacer("\n\t", "\n") // as inside a function
	here, there := unindented.Replace(read(t, "example_test.go")), unindented.Replace(read(t, "../weirotel/example_test.go"))
	for file, examples := range map[string][]string{"README.md": {here}, docs: {here, there}} {
		text := read(t, file)
		if before, _, _ := strings.Cut(text, "```go\n"); strings.Count(before, "\n") > 2 {
			t.Errorf("%s does not begin with code", file)
		}
		blocks := strings.Split(text, "```go\n")[1:]
		if len(blocks) < 2 {
			t.Errorf("%s has %d pieces of code", file, len(blocks))
		}
		for _, block := range blocks {
			code, _, _ := strings.Cut(block, "```\n")
			if !slices.ContainsFunc(examples, func(e string) bool { return strings.Contains(e, code) }) {
				t.Errorf("%s: no example has these lines:\n%s", file, code)
			}
		}
	}
}

// The table of docs/metrics.md has each metric in a row with its kind and labels, and
// its queries ask for no others.
func TestDocsNameEveryMetric(t *testing.T) {
	text := read(t, docs)
	for name, family := range families {
		row := regexp.MustCompile("(?m)^\\| `" + name + "` \\|[^|]*\\| ([a-z]+) \\| ([a-z, ]+) \\|").FindStringSubmatch(text)
		if row == nil {
			t.Errorf("no row for %s", name)
			continue
		}
		if want := strings.ToLower(family.kind.String()); row[1] != want {
			t.Errorf("%s is a %s, the table says %s", name, want, row[1])
		}
		labels := strings.Split(row[2], ", ")
		if len(labels) != len(family.labels) {
			t.Errorf("%s has labels %v", name, labels)
		}
		for _, label := range labels {
			if family.labels[label] == nil {
				t.Errorf("%s has no label %s", name, label)
			}
		}
	}
	asked := map[string]bool{}
	for _, block := range strings.Split(text, "```promql\n")[1:] {
		query, _, _ := strings.Cut(block, "```\n")
		for _, name := range regexp.MustCompile(`weir_\w+`).FindAllString(query, -1) {
			if _, ok := families[name]; !ok {
				t.Errorf("a query asks for %s", name)
			}
			asked[name] = true
		}
	}
	if len(asked) < 5 {
		t.Errorf("queries ask for %v only", asked)
	}
}

// The table of labels has every value that a label of weir's own can have.
func TestDocsNameEveryLabelValue(t *testing.T) {
	text := read(t, docs)
	_, text, _ = strings.Cut(text, "| label | attribute | values |")
	text, _, _ = strings.Cut(text, "\n\n")
	counters, _ := gather(t, registered(t, weirprom.NewObserver(), weirprom.NewKeyObserver("logins"),
		weirprom.NewCollector(newPartitions(t, weir.PerMinute(1)))))
	label := regexp.MustCompile(`(\w+)="([^"]*)"`)
	seen := map[string]bool{}
	for series := range counters {
		for _, pair := range label.FindAllStringSubmatch(series, -1) {
			if pair[2] == "logins" || pair[1] == "policy" { // the program's, and the partitions' names again
				continue
			}
			row := regexp.MustCompile("(?m)^\\| `" + pair[1] + "` .*`" + pair[2] + "`").FindString(text)
			if row == "" {
				t.Errorf("the row of %s does not have %s", pair[1], pair[2])
			}
			seen[pair[0]] = true
		}
	}
	if len(seen) != 5+11+4 {
		t.Errorf("%d values of labels: %v", len(seen), seen)
	}
}
