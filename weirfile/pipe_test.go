//go:build linux || darwin

package weirfile

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe that nobody writes to is refused, where opening it would wait for ever.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, newLimiter(t, stopped))
	if want := path + ": the file is a device, pipe or socket; it must be a regular file"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}
