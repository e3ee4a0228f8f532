package weirredis

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"sync/atomic"
	"time"
)

// A BusyPoll makes connections that stay awake for an answer. Where the server is near,
// most of what a single caller waits for is that processors go to sleep and are woken
// again, on both sides; a connection that looks for the answer again and again spares
// one of the two: a third of a round trip over loopback on a virtual machine. It costs a
// processor for that while. So it looks only while no more than one call is under way of
// the Limiters that are told of it, by [WithBusyPoll]: with company there is better to
// do. And where the answer did not come in time eight times in a row, it tries but one
// time in 64.
//
//	poll, err := weirredis.NewBusyPoll(50 * time.Microsecond)
//	client, err := rueidis.NewClient(rueidis.ClientOption{
//		InitAddress:           []string{"127.0.0.1:6379"},
//		DialCtxFn:             poll.Dial,
//		DisableAutoPipelining: true,
//	})
//	limiter, err := weirredis.New(client, quota, weirredis.WithBusyPoll(poll))
//
// Without DisableAutoPipelining the client reads in a goroutine of its own once there
// has been company, and nothing is gained any more. (Limiters send what many callers ask
// for together in any case. The client then makes up to 8 connections to a server for
// each New, and on a cluster as many as there are callers at once.) On other systems than
// Unix, connections are ordinary ones.
type BusyPoll struct {
	longest time.Duration
	calls   atomic.Int64 // under way

	inTime, inVain atomic.Int64 // see Looks
}

// longestBusyPoll is a tenth of what Go's scheduler lets a goroutine have.
const longestBusyPoll = time.Millisecond

// NewBusyPoll returns a BusyPoll that looks for an answer for up to longest: more than 0, at
// most a millisecond, and best one of the server's round trips or two. Otherwise the
// error is a [*ConfigError].
func NewBusyPoll(longest time.Duration) (*BusyPoll, error) {
	if longest <= 0 || longest > longestBusyPoll {
		return nil, &ConfigError{"NewBusyPoll: longest", longest, "more than 0, at most " + longestBusyPoll.String()}
	}
	return &BusyPoll{longest: longest}, nil
}

// Looks tells how many readings have found an answer by looking, and how many have looked in
// vain for all of the time. Where many did, the time is too short, or the server too far.
func (b *BusyPoll) Looks() (inTime, inVain int64) { return b.inTime.Load(), b.inVain.Load() }

// WithBusyPoll tells the BusyPoll that the client was made with of the calls of this
// Limiter. Several may share one.
func WithBusyPoll(b *BusyPoll) Option {
	return func(c *config) error {
		if b == nil {
			return &ConfigError{"WithBusyPoll", "nil", "a BusyPoll"}
		}
		c.busyPoll = b
		return nil
	}
}

// Dial is the DialCtxFn of a rueidis.ClientOption: it connects as the client would by
// itself, or over a Unix socket if the address is a path.
func (b *BusyPoll) Dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	network := "tcp"
	if strings.HasPrefix(address, "/") {
		network = "unix"
	}
	// As tls.Dialer has it, they count for the handshake, too.
	if dialer.Timeout > 0 {
		within, cancel := context.WithTimeout(ctx, dialer.Timeout)
		defer cancel()
		ctx = within
	}
	if !dialer.Deadline.IsZero() {
		within, cancel := context.WithDeadline(ctx, dialer.Deadline)
		defer cancel()
		ctx = within
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn = b.watch(conn)
	if config == nil {
		return conn, nil
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// began says that a call is under way, and ended that it is not. There may be no BusyPoll.
func (b *BusyPoll) began() {
	if b != nil {
		b.calls.Add(1)
	}
}

func (b *BusyPoll) ended() {
	if b != nil {
		b.calls.Add(-1)
	}
}

// alone reports whether one call is under way.
func (b *BusyPoll) alone() bool { return b.calls.Load() == 1 }

// patience is what a connection has left: none where looking was in vain lately.
type patience struct{ inVain atomic.Uint32 } // in a row, and what was not tried since

const (
	inVainAtMost = 8
	tryEach      = 64
)

// left reports whether to look once more.
func (p *patience) left() bool {
	if n := p.inVain.Load(); n >= inVainAtMost {
		p.inVain.Add(1)
		return n%tryEach == 0
	}
	return true
}

// was says what came of looking.
func (p *patience) was(inTime bool) {
	if inTime {
		p.inVain.Store(0)
	} else if p.inVain.Load() < inVainAtMost {
		p.inVain.Add(1)
	}
}
