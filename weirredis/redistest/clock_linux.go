package redistest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// shimSource is C because the server must find it in place of libc's functions.
// Debian's libfaketime does as much, but fails with a server that uses jemalloc,
// as Debian's does: jemalloc asks for the time before libfaketime is set up.
//
//go:embed shim/clock.c
var shimSource []byte

// A fileClock is a server's clock: two words of microseconds in a file that the
// server has mapped too. frozen is where it stands; 0: it runs, offset ahead of
// the real one. The server reads each in one load, so a store is one event to it.
type fileClock struct {
	mu     sync.Mutex // of writers
	frozen *atomic.Int64
	offset *atomic.Int64
	env    []string // that the server starts with
}

// newFileClock makes a clock that stands at the present time. The shim is compiled
// anew each time, which takes some 50 ms.
func newFileClock(tb TB, dir string) *fileClock {
	tb.Helper()
	if strconv.IntSize < 64 {
		tb.Skipf("redistest: a settable clock needs a 64-bit system")
	}
	compiler, err := exec.LookPath("cc")
	if err != nil {
		tb.Fatalf("redistest: a settable clock needs a C compiler: %v\n"+
			"install one: apt-get install gcc libc6-dev (Debian, Ubuntu), dnf install gcc (Fedora)", err)
	}
	source, shim, file := filepath.Join(dir, "clock.c"), filepath.Join(dir, "clock.so"), filepath.Join(dir, "clock")
	if err := os.WriteFile(source, shimSource, 0o600); err != nil {
		tb.Fatalf("redistest: %v", err)
	}
	if out, err := exec.Command(compiler, "-shared", "-fPIC", "-O1", "-o", shim, source).CombinedOutput(); err != nil {
		tb.Fatalf("redistest: cc cannot compile the settable clock: %v\n%s", err, out)
	}
	c := &fileClock{env: []string{"LD_PRELOAD=" + shim, "REDISTEST_CLOCK=" + file}}
	if err := c.mapFile(tb, file); err != nil {
		tb.Fatalf("redistest: file of the clock: %v", err)
	}
	c.freeze(time.Now().UnixMicro())
	return c
}

// mapFile maps the two words. They stay mapped until the test has ended.
func (c *fileClock) mapFile(tb TB, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(16); err != nil {
		return err
	}
	page, err := syscall.Mmap(int(f.Fd()), 0, 16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	tb.Cleanup(func() { _ = syscall.Munmap(page) })
	c.frozen = (*atomic.Int64)(unsafe.Pointer(&page[0])) // a page is aligned
	c.offset = (*atomic.Int64)(unsafe.Pointer(&page[8]))
	return nil
}

func (c *fileClock) freeze(micros int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frozen.Store(micros)
}

func (c *fileClock) run(offset int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset.Store(offset) // first: until frozen is 0 it is not looked at
	c.frozen.Store(0)
}

// advance moves the clock. It reports false and does nothing if it stands and
// would come to 1970 or before.
func (c *fileClock) advance(micros int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.frozen.Load()
	if at == 0 {
		c.offset.Add(micros)
		return true
	}
	if at+micros <= 0 {
		return false
	}
	c.frozen.Store(at + micros)
	return true
}

func (c *fileClock) nowMicros() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.frozen.Load(); at != 0 {
		return at
	}
	return time.Now().UnixMicro() + c.offset.Load()
}
