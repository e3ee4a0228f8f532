package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newRepo makes a repository in which main has the commits "first" and "second",
// which are tags too.
func newRepo(t *testing.T) repo {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal("the gate compares commits, so it needs git: ", err)
	}
	// Nobody's own configuration, and no repository around this one.
	t.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} { // as in a hook
		t.Setenv(name, "")
		if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "somebody")
		t.Setenv("GIT_"+who+"_EMAIL", "somebody@example.com")
	}
	r := repo{t.TempDir()}
	r.must(t, "init", "--quiet", "--initial-branch=main")
	r.change(t, "first")
	r.change(t, "second")
	return r
}

func (r repo) must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := r.git(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// write makes a file with a text.
func (r repo) write(t *testing.T, name, text string) {
	t.Helper()
	if err := write(filepath.Join(r.dir, name), strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// change commits a change of the core, and tags it.
func (r repo) change(t *testing.T, tag string) {
	t.Helper()
	r.write(t, "limiter.go", "package weir // "+tag+"\n")
	r.must(t, "add", ".")
	r.must(t, "commit", "--quiet", "-m", tag)
	r.must(t, "tag", tag)
}

func TestBase(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T, r repo)
		head string
		want string // a tag, or part of the noBase error after a "!"
	}{
		{"on main, the commit before", func(*testing.T, repo) {}, "", "first"},
		{"on main, with changes of the core", func(t *testing.T, r repo) {
			r.write(t, "internal/x/x.go", "package x\n")
		}, "", "second"},
		{"on main, with changes of something else", func(t *testing.T, r repo) {
			r.write(t, "README.md", "new\n")
			r.write(t, "bench/x.go", "package bench\n")
		}, "", "first"},
		{"changes do not matter to a commit", func(t *testing.T, r repo) { r.write(t, "limiter.go", "") }, "HEAD", "first"},
		{"on a branch, the merge base", func(t *testing.T, r repo) {
			r.must(t, "checkout", "--quiet", "-b", "branch", "first")
			r.change(t, "third")
			r.change(t, "fourth")
		}, "", "first"},
		{"another branch", func(t *testing.T, r repo) {
			r.must(t, "checkout", "--quiet", "-b", "branch", "second")
			r.change(t, "third")
			r.must(t, "checkout", "--quiet", "main")
			r.change(t, "fourth")
		}, "branch", "second"},
		{"main has commits that origin/main has not", func(t *testing.T, r repo) {
			r.must(t, "update-ref", "refs/remotes/origin/main", "first")
			r.change(t, "third")
		}, "", "first"},
		{"origin/main shares nothing, main does", func(t *testing.T, r repo) {
			tree := r.must(t, "rev-parse", "first^{tree}")
			alone := r.must(t, "commit-tree", "-m", "alone", tree)
			r.must(t, "update-ref", "refs/remotes/origin/main", alone)
			r.must(t, "checkout", "--quiet", "-b", "branch")
			r.change(t, "third")
		}, "", "second"},
		{"the first commit", func(*testing.T, repo) {}, "first", "!no commit before"},
		{"no main", func(t *testing.T, r repo) { r.must(t, "branch", "-m", "trunk") }, "", "!no common commit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRepo(t)
			tt.make(t, r)
			got, err := r.base(t.Context(), tt.head)
			if part, ok := strings.CutPrefix(tt.want, "!"); ok {
				var none noBase
				if !errors.As(err, &none) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "shallow") {
					t.Errorf("%q, %v, want %q", got, err, part)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := r.commit(t.Context(), tt.want); got != want {
				t.Errorf("%s, want %s, which is %s", got, tt.want, want)
			}
		})
	}
}

func TestNoCommit(t *testing.T) {
	r := newRepo(t)
	if got, err := r.base(t.Context(), "nonsense"); err == nil || errors.As(err, new(noBase)) {
		t.Errorf("%q, %v", got, err)
	}
	if got := r.commit(t.Context(), "--help"); got != "" {
		t.Errorf("an option is taken for a commit: %q", got)
	}
	if _, err := findRepo(t.Context(), t.TempDir()); err == nil {
		t.Error("a repository where there is none")
	}
}

// A shallow clone has nothing to compare with, and is told how to get it.
func TestShallow(t *testing.T) {
	r := newRepo(t)
	for _, branch := range []string{"main", "branch"} {
		if branch != "main" {
			r.must(t, "checkout", "--quiet", "-b", branch)
			r.change(t, "third")
		}
		clone := repo{t.TempDir()}
		clone.must(t, "clone", "--quiet", "--depth=1", "--branch="+branch, "file://"+filepath.ToSlash(r.dir), ".")
		_, err := clone.base(t.Context(), "")
		if !errors.As(err, new(noBase)) || !strings.Contains(err.Error(), "fetch-depth: 0") {
			t.Errorf("%s: %v", branch, err)
		}
	}
}

func TestInterruptedGit(t *testing.T) {
	r := newRepo(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.export(ctx, "HEAD", t.TempDir()); err == nil {
		t.Error("exported all the same")
	}
}
