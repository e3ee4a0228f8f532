//go:build !unix

package weirfile

import "os"

// reloadSignals is empty: nothing here sends SIGHUP. (Go for Windows has the
// constant, but never the signal.)
var reloadSignals []os.Signal
