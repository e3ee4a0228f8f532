// Package redistest runs real Redis and Valkey servers for tests: a server, one
// whose clock the test sets, a cluster, and a proxy that breaks connections.
//
// Servers listen on a free port of 127.0.0.1, keep their files in a temporary
// directory of the test, and are killed when the test ends. On Linux they also
// die with the process that started them, however that ends; elsewhere a test
// that is killed itself leaves them running.
//
//	server := redistest.Start(t, redistest.Options{})
//	server.Do("SET", "key", "value")
//
// Functions and methods that cannot do what they are asked end the test by
// Fatalf. Like Fatalf they belong on the goroutine of the test, except those
// that say otherwise.
//
// It needs redis-server 7 or valkey-server 7.2, or later, in PATH, and the
// standard library only.
package redistest

import (
	"os/exec"
	"runtime"
	"testing"
)

// TB is what this package uses of a [testing.TB]. A program that is not a test,
// such as a benchmark with a main function, may pass one of its own: its Fatalf
// and Skipf must not return.
type TB interface {
	Helper()
	Cleanup(func())
	TempDir() string
	Failed() bool
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Options of a server, or of each server of a cluster. The zero value is a server
// that keeps everything in memory, and loses it when it is killed.
type Options struct {
	// Binary is the server's name in PATH or its path. Empty: the first of
	// [Binaries].
	Binary string
	// Args follow the flags that this package gives, and win over them:
	// "--maxmemory", "2mb". The port, the address and the directory must stay.
	Args []string
	// Persist makes the server write each command to disk before it replies, so
	// that Kill and Restart lose nothing.
	Persist bool
	// Clock gives the server a clock that the test sets. It stands still, at the
	// time of Start, until [Server.SetTime], [Server.Advance] or
	// [Server.RunClock]. It needs 64-bit Linux (elsewhere the test is skipped) and
	// a C compiler, cc in PATH.
	Clock bool
}

// Binaries returns which of redis-server and valkey-server are in PATH, in this
// order, by their names. A test that wants to hold on each of them makes a
// subtest of each.
func Binaries() []string {
	var found []string
	for _, name := range []string{"redis-server", "valkey-server"} {
		if _, err := exec.LookPath(name); err == nil {
			found = append(found, name)
		}
	}
	return found
}

// binary returns the path of the server to run. Without one it skips the test
// under go test -short, and otherwise ends it.
func (o Options) binary(tb TB) string {
	tb.Helper()
	name := o.Binary
	if name == "" {
		name = "redis-server"
		if found := Binaries(); len(found) > 0 {
			name = found[0]
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		giveUp := tb.Fatalf
		if testing.Testing() && testing.Short() {
			giveUp = tb.Skipf
		}
		giveUp("redistest: this test runs a real server: %v\n%s", err, howToInstall(runtime.GOOS))
	}
	return path
}

// howToInstall says how to get a server on that operating system.
func howToInstall(goos string) string {
	const docs = "https://redis.io/docs/latest/operate/oss_and_stack/install/ or https://valkey.io/download/"
	switch goos {
	case "linux":
		return "install one: apt-get install redis-server (Debian, Ubuntu), or see " + docs
	case "darwin":
		return "install one: brew install redis, or see " + docs
	default:
		return "install one: see " + docs
	}
}
