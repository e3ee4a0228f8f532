package weirredis_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

// patience is the timeout where a fault must not be noticed, on machines that are busy.
const patience = time.Second

// A connection that breaks in the middle of a reply has done its requests: they are not
// sent a second time, and who asked is not told that he may pass.
func TestFaultCutMidReply(t *testing.T) {
	server := startServer(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	fault{
		name: "cut in mid-reply, 20 times", addrs: []string{proxy.Addr()}, clock: clockOf(server), notice: errands,
		do: func(s *scene) {
			proxy.CutMidReply()
			s.broke()
			for range 19 {
				time.Sleep(50 * time.Millisecond)
				proxy.CutMidReply()
			}
			proxy.Heal()
			s.mend()
			if cuts := proxy.Counts().Cuts; cuts < 20 {
				t.Errorf("%d replies were cut, want 20 or more", cuts)
			}
		},
		after: func(s *scene) {
			// The server's own account: no more than we asked for, plus those that it
			// was asked for a second time because it did not know the script.
			asked := s.closed.limiter.Stats().Calls + s.local.limiter.Stats().Calls
			ran := scriptCalls(t, server) - errorReplies(t, server, "NOSCRIPT")
			if ran > asked {
				t.Errorf("the server ran %d scripts, and was asked for %d", ran, asked)
			}
		},
	}.run(t)
}

func TestFaultRepliesTooLate(t *testing.T) {
	server := startServer(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	fault{
		name: "replies 150 ms late, timeout 50 ms", addrs: []string{proxy.Addr()}, clock: clockOf(server),
		do: func(s *scene) {
			proxy.SetDelay(3 * faultTimeout)
			s.broke()
			time.Sleep(700 * time.Millisecond)
			proxy.Heal()
			s.mend()
		},
	}.run(t)
}

func TestFaultRepliesSlow(t *testing.T) {
	server := startServer(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	const delay = 100 * time.Millisecond
	fault{
		name: "replies 100 ms late, timeout 1 s", addrs: []string{proxy.Addr()}, clock: clockOf(server), notice: never,
		timeout: patience,
		do: func(s *scene) {
			proxy.SetDelay(delay)
			s.broke()
			time.Sleep(time.Second)
			proxy.Heal()
			s.mend()
			if longest := time.Duration(s.local.longest.Load()); longest < delay {
				t.Errorf("the longest call took %v, want %v or more: nothing was delayed", longest, delay)
			}
		},
	}.run(t)
}

// Who connects to something that accepts and never answers waits no longer than others:
// while one caller of the client makes the connection, the rest would wait for him.
func TestFaultBlackHole(t *testing.T) {
	server := startServer(t, redistest.Options{Persist: true})
	fault{
		name: "black hole", addrs: []string{server.Addr()}, clock: clockOf(server),
		do: func(s *scene) {
			server.Kill()
			hole := startBlackHole(t, server.Addr())
			s.broke()
			for range 5 {
				time.Sleep(300 * time.Millisecond) // longer than the client tries to connect
				s.closed.rush()
				s.local.rush()
			}
			if n := hole.close(); n == 0 {
				t.Error("nobody connected to the black hole")
			}
			server.Restart()
			s.mend()
		},
	}.run(t)
}

// A caller whose own deadline is sooner than the timeout does not wait for those who have
// more time, and who connect.
func TestFaultBlackHoleDeadline(t *testing.T) {
	server := startServer(t, redistest.Options{})
	goroutines := runtime.NumGoroutine()
	client := newClient(t, server.Addr())
	l := newLimiter(t, client, faultQuota, weirredis.WithTimeout(patience), weirredis.WithBreaker(1000, faultRetry))
	admit(t, l, "key", 1)
	server.Kill()
	hole := startBlackHole(t, server.Addr())
	var patient, hasty atomic.Int64 // ns; the longest call
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			ctx, longest := context.Background(), &patient
			if i%2 == 1 {
				hurry, cancel := context.WithTimeout(ctx, faultTimeout)
				defer cancel()
				ctx, longest = hurry, &hasty
			}
			began := time.Now()
			if _, err := l.Allow(ctx, "key"); err != nil {
				t.Error(err)
			}
			storeMax(longest, int64(time.Since(began)))
		})
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	if took := time.Duration(hasty.Load()); took > slack*faultTimeout {
		t.Errorf("a caller waited for %v, with a deadline in %v", took, faultTimeout)
	}
	if took := time.Duration(patient.Load()); took < patience/2 || took > patience*3/2 {
		t.Errorf("a caller waited for %v, want %v: nobody connects", took, patience)
	}
	if n := hole.close(); n == 0 {
		t.Error("nobody connected to the black hole")
	}
	if err := l.Close(context.Background()); err == nil {
		t.Error("Close says nothing of what it could not charge")
	}
	client.Close()
	settle(t, goroutines-1) // the server's is gone
}

// A blackHole accepts connections, reads nothing and says nothing.
type blackHole struct {
	ln net.Listener
	wg sync.WaitGroup

	conns []net.Conn
}

func startBlackHole(t *testing.T, addr string) *blackHole {
	t.Helper()
	h := &blackHole{}
	eventually(t, "the port is free", 5*time.Second, func() (ok bool) {
		ln, err := net.Listen("tcp", addr)
		h.ln = ln
		return err == nil
	})
	h.wg.Go(func() {
		for {
			conn, err := h.ln.Accept()
			if err != nil {
				return
			}
			h.conns = append(h.conns, conn)
		}
	})
	return h
}

// close frees the port, and returns how many connected.
func (h *blackHole) close() int {
	h.ln.Close()
	h.wg.Wait()
	for _, conn := range h.conns {
		conn.Close()
	}
	return len(h.conns)
}
