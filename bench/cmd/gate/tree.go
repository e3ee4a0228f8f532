package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// export writes the files of a commit to a directory.
func (r repo) export(ctx context.Context, rev, dir string) error {
	cmd := exec.CommandContext(ctx, "git", "-C", r.dir, "archive", "--format=tar", rev)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = untar(out, dir)
	if err != nil {
		_ = cmd.Process.Kill() // it may still be writing; what counts is err
	}
	if ended := cmd.Wait(); err == nil && ended != nil {
		err = fmt.Errorf("git archive %s: %w\n%s", rev, ended, stderr.Bytes())
	}
	return err
}

// untar writes the regular files of an archive. Links are left out: none is
// needed to build weir.
func untar(archive io.Reader, dir string) error {
	for files := tar.NewReader(archive); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("the archive has a file outside of it: %q", h.Name)
		}
		if err := write(filepath.Join(dir, filepath.FromSlash(h.Name)), files); err != nil {
			return err
		}
	}
}

// copy writes the files of the working tree to a directory: those that git knows,
// changed or not, and new ones that it does not ignore.
func (r repo) copy(ctx context.Context, dir string) error {
	list, err := r.git(ctx, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(list, "\x00") {
		from := filepath.Join(r.dir, filepath.FromSlash(name))
		info, err := os.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) { // deleted, and not yet committed
			continue
		}
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if err := copyFile(from, filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return write(to, f)
}

func write(file string, text io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, text)
	return errors.Join(err, f.Close())
}

// sameCore reports whether two trees have the same code in the root package, its
// tests and benchmarks included, and in internal.
func sameCore(a, b string) (bool, error) {
	one, err := core(a)
	if err != nil {
		return false, err
	}
	two, err := core(b)
	if err != nil {
		return false, err
	}
	if len(one) != len(two) {
		return false, nil
	}
	for name, text := range one {
		if other, ok := two[name]; !ok || !bytes.Equal(text, other) {
			return false, nil
		}
	}
	return true, nil
}

// core reads the files that sameCore compares, by name.
func core(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && name != "internal" && !strings.HasPrefix(name, "internal/") {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(name, ".go") || name == "go.mod" || name == "go.sum" {
			files[name], err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		}
		return err
	})
	return files, err
}
