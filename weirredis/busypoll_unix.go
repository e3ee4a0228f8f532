//go:build unix

package weirredis

import (
	"net"
	"os"
	"syscall"
	"time"
)

// A busyConn is a connection that is looked at for a while before it is waited for.
type busyConn struct {
	net.Conn
	raw  syscall.RawConn
	poll *BusyPoll
	patience
}

func (b *BusyPoll) watch(conn net.Conn) net.Conn {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			return &busyConn{Conn: conn, raw: raw, poll: b}
		}
	}
	return conn
}

func (c *busyConn) Read(p []byte) (int, error) {
	if len(p) > 0 && c.poll.alone() && c.left() {
		n, late, err := c.look(p)
		switch {
		case n > 0:
			c.was(true)
			c.poll.inTime.Add(1)
			return n, nil
		case err != nil:
			return 0, err
		case late: // and not for company, or at the end
			c.was(false)
			c.poll.inVain.Add(1)
		}
	}
	return c.Conn.Read(p) // which waits, and says if this is the end
}

// look reads what there is, or comes within the longest time, or until there is company.
func (c *busyConn) look(p []byte) (n int, late bool, err error) {
	began := time.Now()
	_ = c.raw.Read(func(fd uintptr) bool {
		for {
			n, err = syscall.Read(int(fd), p)
			switch {
			case n > 0 || n == 0 && err == nil:
				return true
			case err == syscall.EAGAIN:
				err = nil
				late = time.Since(began) >= c.poll.longest
				if late || !c.poll.alone() {
					return true
				}
			case err != syscall.EINTR:
				err = &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", err)}
				return true
			}
		}
	})
	// What Read of raw itself says, that it is closed or the deadline over, Read says again.
	return max(n, 0), late, err
}
