package redistest

import (
	"errors"
	"io"
	"sync"
	"testing"
	"time"
)

// dial connects to the proxy or server, and makes sure of it by a command, as a
// proxy accepts before it reaches the server.
func dial(t *testing.T, addr string) *Conn {
	t.Helper()
	conn, err := Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := conn.Command("PING"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestProxyCutsMidReply(t *testing.T) {
	s := Start(t, Options{})
	p := StartProxy(t, s.Addr())
	a, b := dial(t, p.Addr()), dial(t, p.Addr())
	p.CutMidReply()
	later := dial(t, p.Addr())

	for i, conn := range []*Conn{a, b} {
		_, err := conn.Command("INCRBY", "n", "1000000")
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("connection %d: error %v, want %v", i, err, io.ErrUnexpectedEOF)
		}
		// ":1000000\r\n" is 10 bytes.
		if got := string(conn.r.raw); got != ":1000" && got != ":2000" {
			t.Fatalf("connection %d: got %q, want half of the reply", i, got)
		}
	}
	wantReply(t, must(later.Command("GET", "n")), "2000000") // both were done
	if c := p.Counts(); c.Cuts != 2 || c.Conns != 3 || c.Replies != 4 {
		t.Fatalf("%+v, want 2 cuts, 3 connections, 4 replies", c)
	}

	p.CutMidReply()
	p.Heal()
	wantReply(t, must(later.Command("PING")), "PONG")
}

// A push is no reply: it passes, and what follows is cut.
func TestProxyDoesNotCutPushes(t *testing.T) {
	s := Start(t, Options{})
	p := StartProxy(t, s.Addr())
	conn := dial(t, p.Addr())
	if _, err := conn.Command("HELLO", "3"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Command("CLIENT", "TRACKING", "ON", "BCAST"); err != nil {
		t.Fatal(err)
	}
	s.Do("SET", "k", "v")
	wantReply(t, must(conn.Command("GET", "k")), "v") // not the push that came before
	before := p.Counts()
	p.CutMidReply()
	s.Do("SET", "k", "v")
	if reply, err := conn.r.next(); err != nil || !conn.r.isPush() {
		t.Fatalf("%v, %v; want a push", reply, err)
	}
	if c := p.Counts(); c != before {
		t.Fatalf("%+v, want %+v as before the push", c, before)
	}
	if _, err := conn.Command("PING"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("error %v, want %v", err, io.ErrUnexpectedEOF)
	}
}

func TestProxyDelays(t *testing.T) {
	const delay = 400 * time.Millisecond
	s := Start(t, Options{})
	p := StartProxy(t, s.Addr())
	conns := []*Conn{dial(t, p.Addr()), dial(t, p.Addr()), dial(t, p.Addr()), dial(t, p.Addr())}
	p.SetDelay(delay)
	start := time.Now()
	var wg sync.WaitGroup
	for _, conn := range conns[:3] {
		wg.Go(func() {
			if _, err := conn.Command("PING"); err != nil {
				t.Error(err)
			}
		})
	}
	// Two commands at once on one connection: the second does not wait for the first.
	through := conns[3]
	if _, err := through.conn.Write([]byte("PING\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantReply(t, must(through.r.next()), "PONG")
	}
	wg.Wait()
	if took := time.Since(start); took < delay || took >= 2*delay {
		t.Fatalf("replies took %v, want %v or little more", took, delay)
	}

	p.Heal()
	start = time.Now()
	wantReply(t, must(conns[0].Command("PING")), "PONG")
	if took := time.Since(start); took >= delay {
		t.Fatalf("the reply took %v after Heal", took)
	}
}

func TestProxyRefuses(t *testing.T) {
	s := Start(t, Options{})
	p := StartProxy(t, s.Addr())
	open := dial(t, p.Addr())
	p.Refuse()
	refused := func() {
		t.Helper()
		conn, err := Dial(p.Addr())
		if err != nil {
			return
		}
		defer conn.Close()
		if reply, err := conn.Command("PING"); err == nil {
			t.Fatalf("reply %v, want no connection", reply)
		}
	}
	refused()
	wantReply(t, must(open.Command("PING")), "PONG") // what is open stays
	p.Sever()
	if _, err := open.Command("PING"); err == nil {
		t.Fatal("a reply on a severed connection")
	}
	p.Heal()
	dial(t, p.Addr())
	if c := p.Counts(); c.Refused != 1 || c.Conns != 2 {
		t.Fatalf("%+v, want 1 refused, 2 connections", c)
	}

	s.Kill()
	refused() // nobody is behind the proxy
	s.Restart()
	again := dial(t, p.Addr())
	c := p.Counts()
	if c.Refused != 2 || c.Conns != 3 {
		t.Fatalf("%+v, want 2 refused, 3 connections", c)
	}
	again.Close()
	for deadline := time.Now().Add(5 * time.Second); p.Counts().Open > 0; time.Sleep(pollInterval) {
		if time.Now().After(deadline) {
			t.Fatalf("%+v, want none open", p.Counts())
		}
	}
}
