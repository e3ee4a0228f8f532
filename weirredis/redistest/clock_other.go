//go:build !linux

package redistest

// A fileClock exists on Linux only.
type fileClock struct{ env []string }

func newFileClock(tb TB, _ string) *fileClock {
	tb.Helper()
	tb.Skipf("redistest: a settable clock needs Linux")
	return nil
}

func (*fileClock) freeze(int64)       {}
func (*fileClock) run(int64)          {}
func (*fileClock) advance(int64) bool { return false }
func (*fileClock) nowMicros() int64   { return 0 }
