package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/weirhq/weir/bench/gate"
)

// A tree is a directory with a version of weir.
type tree struct {
	name string // of its binaries, and in the table
	dir  string
	seed int // of its first layout; others are the next numbers
}

// build makes the test binaries of the root package. All but the first take half
// a second: only the linker has work left.
func (t tree) build(ctx context.Context, binaries string, layouts int) (gate.Build, error) {
	b := gate.Build{Name: t.name}
	for i := range layouts {
		file := filepath.Join(binaries, fmt.Sprintf("%s-%d.test.exe", filepath.Base(t.dir), i)) // .exe for Windows
		// Without paths and version control in it, the same source makes the same
		// binary wherever it is.
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-trimpath", "-buildvcs=false",
			fmt.Sprintf("-ldflags=-s -w -randlayout=%d", t.seed+i), "-o", file, ".")
		cmd.Dir = t.dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			return b, fmt.Errorf("%s does not build: %w\n%s", t.name, err, out)
		}
		b.Layouts = append(b.Layouts, file)
	}
	return b, nil
}
