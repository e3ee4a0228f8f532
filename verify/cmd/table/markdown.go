package main

import (
	"fmt"
	"slices"
	"strings"
)

// planters are the checks that the bugs of package planted are tried on.
var planters = []string{"unit", "linear", "schedules"}

func (r *result) markdown() string {
	var b strings.Builder
	if list := r.lines["summary"]; list != nil {
		head(&b, "check", "what was done")
		for _, f := range list {
			row(&b, f[0], f[1])
		}
	}
	if names, rules := r.bugs(); names != nil {
		head(&b, "rule of the code broken", "bug", "unit tests", "linearizability", "schedules")
		for _, name := range names {
			cells := []string{rules[name], "`" + name + "`"}
			for _, check := range planters {
				cells = append(cells, r.cell(check, name))
			}
			row(&b, cells...)
		}
	}
	if list := r.lines["spin"]; list != nil {
		head(&b, "rule of the model broken", "bug", "found by")
		for _, f := range list {
			row(&b, f[1], "`"+f[0]+"`", field(f, 2))
		}
	}
	if list := r.lines["mutate"]; list != nil {
		head(&b, "file mutated", "killed", "survivors", "killed by tests that are")
		for _, f := range list {
			row(&b, f[0], f[1], field(f, 2), field(f, 3))
		}
	}
	if list := r.lines["survivor"]; list != nil {
		head(&b, "mutant that survives", "class", "why")
		for _, f := range list {
			row(&b, f[0], f[1], field(f, 2))
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// bugs are the names of all that were planted, and the rules that they break.
func (r *result) bugs() (names []string, rules map[string]string) {
	rules = make(map[string]string)
	for _, check := range planters {
		for _, f := range r.lines[check] {
			if f[0] != "none" && !slices.Contains(names, f[0]) {
				names = append(names, f[0])
			}
			rules[f[0]] = f[1]
		}
	}
	return names, rules
}

// cell says what a check made of a bug; nothing if it was not tried.
func (r *result) cell(check, name string) string {
	for _, f := range r.lines[check] {
		if f[0] != name {
			continue
		}
		if verdict := field(f, 2); verdict != "failed" {
			return verdict
		}
		return "found"
	}
	return ""
}

func field(f []string, i int) string {
	if i < len(f) {
		return f[i]
	}
	return ""
}

func head(b *strings.Builder, names ...string) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	row(b, names...)
	row(b, slices.Repeat([]string{"---"}, len(names))...)
}

func row(b *strings.Builder, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}
