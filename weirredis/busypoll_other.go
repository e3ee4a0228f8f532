//go:build !unix

package weirredis

import "net"

func (b *BusyPoll) watch(conn net.Conn) net.Conn { return conn }
