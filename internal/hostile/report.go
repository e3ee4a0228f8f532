package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// tsv is a line a scenario: its name, its figure, and what was checked.
func tsv(done []outcome) string {
	var b strings.Builder
	b.WriteString("scenario\tfigure\tasserted\n")
	for _, o := range done {
		fmt.Fprintf(&b, "%s\t%s\t%s\n", o.name, o.figure, o.asserts)
	}
	return b.String()
}

// page is the results as a page of documentation.
func page(done []outcome, command string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Under hostile load

This page is generated: do not edit it. To measure again, let nothing else run on the machine and type, at the top of the
repository,

    %s

Each scenario drives a limiter through its exported methods, checks what is said under *asserted*, checks that the situation
it is named for did come about, and fails otherwise. *Ordinary load* is the same number of the same calls with keys that
nobody has chosen, measured in the same run. A stopped clock makes closed forms possible: then
a key admits its burst, no more and no less. Keys that meet in one place inside a shard cannot be made from outside, as places
are given by a hash under a random key; `+"`TestKeysInOnePlace`"+` makes them with that key.

Measured on %s with %s (%s/%s), %d cores, %s.

| scenario | load | asserted | figure |
| --- | --- | --- | --- |
`, command, processor(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Now().UTC().Format(time.DateOnly))
	for _, o := range done {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.name, cell(o.load), cell(o.asserts), cell(o.figure))
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// processor is the name of the processor, where the system tells it.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unnamed processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unnamed processor"
}
