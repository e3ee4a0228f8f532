// Command doclinks keeps the links of docs/*.md to the code honest. Lines move, so a link to one carries, as its title,
// the text that it means:
//
//	[sealed](../table.go#L63 "func (s *slot) seal() bool {")
//
// The text must stand on exactly one line of the file. The command writes the number of that line into the link:
//
//	go run ./internal/doclinks
//
// It changes nothing else, and exits with 1 if a link is beyond its help. The test of this package fails on the same
// links, and on those whose number is off.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "doclinks:", err)
		os.Exit(1)
	}
}

func run() error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	docs, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		return err
	}
	r, err := newRepository(root)
	if err != nil {
		return err
	}
	faults := 0
	for _, doc := range docs {
		old, err := os.ReadFile(doc)
		if err != nil {
			return err
		}
		fresh, found := r.review(doc, string(old))
		for _, f := range found {
			if !f.moved {
				fmt.Println(f)
				faults++
			}
		}
		if fresh != string(old) {
			if err := os.WriteFile(doc, []byte(fresh), 0o644); err != nil {
				return err
			}
			fmt.Println("updated", filepath.Base(doc))
		}
	}
	if faults > 0 {
		return fmt.Errorf("%d links need a hand", faults)
	}
	return nil
}

// findRoot goes up to the directory of the module weir itself.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module github.com/weirhq/weir\n") {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("not inside the module github.com/weirhq/weir")
		}
		dir = up
	}
}
