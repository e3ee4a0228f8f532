//go:build unix

package weirfile

import (
	"os"
	"syscall"
)

// reloadSignals are those that ask for a Reload.
var reloadSignals = []os.Signal{syscall.SIGHUP}
