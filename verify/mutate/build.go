package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// A builder makes test binaries that hold every mutant.
type builder struct {
	root, dir string // of the package, and for what is made
	program   *program
	dropped   map[int]bool // what the compiler refused
}

// build compiles the tests with all mutants in it, and leaves out one after
// another what does not compile.
func (b *builder) build(out string, tags ...string) ([]*mutant, error) {
	for range 100 {
		mutants, texts, err := rewrite(b.program, b.dropped)
		if err != nil {
			return nil, err
		}
		messages, err := b.compile(out, texts, tags)
		if err == nil {
			return mutants, nil
		}
		before := len(b.dropped)
		b.refuse(messages)
		if len(b.dropped) == before {
			return nil, fmt.Errorf("%w\n%s", err, messages)
		}
	}
	return nil, errors.New("too many mutants do not compile")
}

// compile writes the rewritten files, and builds them in place of the original
// ones, which stay as they are.
func (b *builder) compile(out string, texts map[string][]byte, tags []string) (messages string, err error) {
	over := map[string]string{}
	texts["mutants.go"] = []byte(helper)
	for name, text := range texts {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return "", err
		}
		over[filepath.Join(b.root, name)] = path
	}
	overlay, err := json.Marshal(map[string]any{"Replace": over})
	if err != nil {
		return "", err
	}
	path := filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o644); err != nil {
		return "", err
	}
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-gcflags=-e", "-overlay", path, "-tags", strings.Join(tags, ","), "-o", out, ".")
	cmd.Dir = b.root
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	err = cmd.Run()
	return stderr.String(), err
}

var (
	position = regexp.MustCompile(`(?m)^\S*?([a-z_]+\.go):(\d+):(\d+): (.*)$`)
	number10 = regexp.MustCompile(`mut[A-Z][A-Za-z]*\((\d+), (?:(\d+), )?`)
)

// refuse drops, for each message of the compiler, the mutants of the last
// helper before the place that it names.
func (b *builder) refuse(messages string) {
	for _, m := range position.FindAllStringSubmatch(messages, -1) {
		text, err := os.ReadFile(filepath.Join(b.dir, m[1]))
		if err != nil {
			continue
		}
		line, _ := strconv.Atoi(m[2])
		column, _ := strconv.Atoi(m[3])
		lines := strings.Split(string(text), "\n")
		if line > len(lines) {
			continue
		}
		l := lines[line-1]
		calls := number10.FindAllStringSubmatchIndex(l, -1)
		var last []int
		for _, c := range calls {
			if last == nil || c[0] < column {
				last = c
			}
		}
		if last == nil {
			continue
		}
		for g := 2; g < len(last); g += 2 {
			if last[g] >= 0 {
				if id, _ := strconv.Atoi(l[last[g]:last[g+1]]); id != 0 {
					b.dropped[id] = true
				}
			}
		}
		fmt.Fprintf(os.Stderr, "not compilable: %s:%s: %s\n", m[1], m[2], m[4])
	}
}
