package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A repo is a checkout of weir's repository.
type repo struct{ dir string }

// findRepo finds the checkout that a directory is in.
func findRepo(ctx context.Context, dir string) (repo, error) {
	top, err := repo{dir}.git(ctx, "rev-parse", "--show-toplevel")
	return repo{top}, err
}

// git runs git and returns what it printed, without white space around it.
func (r repo) git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", r.dir}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// commit is the hash of the commit that rev means, or "" if there is none.
func (r repo) commit(ctx context.Context, rev string) string {
	hash, err := r.git(ctx, "rev-parse", "--verify", "--quiet", rev+"^{commit}")
	if err != nil {
		return ""
	}
	return hash
}

// A noBase is why there is nothing to compare with.
type noBase struct{ why string }

func (e noBase) Error() string { return "nothing to compare with: " + e.why }

// base finds the commit to compare head with, which is a revision, or "" for the
// working tree. It is a noBase error that there is none, as in a shallow clone.
//
// On a branch it is the merge base with the main branch. On the main branch it is
// the commit before, so that each commit is compared with the last; but what has
// not been committed yet is compared with the commit that it comes on top of.
func (r repo) base(ctx context.Context, head string) (string, error) {
	at := r.commit(ctx, "HEAD")
	if head != "" {
		at = r.commit(ctx, head)
	}
	if at == "" {
		return "", fmt.Errorf("no commit %q", head)
	}
	fork := ""
	for _, trunk := range []string{"origin/main", "main"} {
		if fork = r.fork(ctx, at, trunk); fork != "" {
			break
		}
	}
	if fork != "" && fork != at {
		return fork, nil
	}
	if fork == "" {
		return "", noBase{"no common commit with origin/main or main" + r.shallow(ctx)}
	}
	if head == "" {
		changes, err := r.git(ctx, "status", "--porcelain", "--", ":(top,glob)*.go", ":(top)go.mod", ":(top)go.sum", ":(top)internal")
		if err != nil {
			return "", err
		}
		if changes != "" {
			return at, nil
		}
	}
	if before := r.commit(ctx, at+"~1"); before != "" {
		return before, nil
	}
	return "", noBase{"there is no commit before " + short(at) + r.shallow(ctx)}
}

// fork is the merge base of the commit and a branch, or "".
func (r repo) fork(ctx context.Context, at, trunk string) string {
	if r.commit(ctx, trunk) == "" {
		return ""
	}
	base, err := r.git(ctx, "merge-base", at, trunk)
	if err != nil {
		return ""
	}
	return base
}

// shallow is what to add if history is missing because it was not fetched.
func (r repo) shallow(ctx context.Context) string {
	if yes, err := r.git(ctx, "rev-parse", "--is-shallow-repository"); err != nil || yes != "true" {
		return ""
	}
	return "; the clone is shallow: fetch its history (git fetch --unshallow, or fetch-depth: 0 of actions/checkout)"
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// temporary makes a directory, and returns how to remove it.
func temporary() (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp("", "weir-gate-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}
