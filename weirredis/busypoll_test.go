//go:build unix

package weirredis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// polled is a connection that poll dialled, and its other end.
func polled(t *testing.T, poll *BusyPoll) (near, far net.Conn) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener := must(net.Listen("unix", path))(t)
	defer listener.Close()
	near = must(poll.Dial(context.Background(), path, &net.Dialer{}, nil))(t)
	far = must(listener.Accept())(t)
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

func newBusyPoll(t *testing.T) *BusyPoll {
	t.Helper()
	return must(NewBusyPoll(longestBusyPoll))(t)
}

// What is there is read by looking, while there is one call and not otherwise.
func TestBusyPollLooksOnlyForOneCall(t *testing.T) {
	poll := newBusyPoll(t)
	near, far := polled(t, poll)
	for calls := range 3 {
		before := poll.inTime.Load()
		must(far.Write([]byte("answer")))(t)
		got := make([]byte, 10)
		if n, err := near.Read(got); string(got[:n]) != "answer" || err != nil {
			t.Errorf("%d calls: %q, %v", calls, got[:n], err)
		}
		if looked := poll.inTime.Load() > before; looked != (calls == 1) {
			t.Errorf("%d calls: looked %t", calls, looked)
		}
		poll.began()
	}
}

// After it has looked in vain eight times in a row it mostly waits, and no longer once an
// answer is in time again.
func TestBusyPollLosesPatience(t *testing.T) {
	poll := newBusyPoll(t)
	poll.began()
	near, far := polled(t, poll)
	late := func(by time.Duration) {
		time.AfterFunc(by, func() { far.Write([]byte("x")) })
		must(near.Read(make([]byte, 1)))(t)
	}
	for range inVainAtMost {
		late(5 * longestBusyPoll)
	}
	if inTime, inVain := poll.Looks(); inTime != 0 || inVain != inVainAtMost {
		t.Fatalf("%d looks in time, %d in vain", inTime, inVain)
	}
	readings := 0
	for ; poll.inTime.Load() == 0; readings++ {
		must(far.Write([]byte("x")))(t)
		must(near.Read(make([]byte, 1)))(t)
		if poll.inVain.Load() > inVainAtMost {
			t.Fatal("it looked, and there was an answer, and it was in vain")
		}
	}
	if readings < tryEach/2 {
		t.Errorf("it looked again after %d readings", readings)
	}
	must(far.Write([]byte("x")))(t)
	must(near.Read(make([]byte, 1)))(t)
	if n := poll.inTime.Load(); n != 2 {
		t.Errorf("%d looks were in time, want 2", n)
	}
}

func TestBusyPollPatience(t *testing.T) {
	var p patience
	for range inVainAtMost {
		if !p.left() {
			t.Fatal("none is left too soon")
		}
		p.was(false)
	}
	tries := 0
	for range 10 * tryEach {
		if p.left() {
			tries++
			p.was(false)
		}
	}
	if tries != 10 {
		t.Errorf("%d tries in %d readings", tries, 10*tryEach)
	}
}

// Ends, errors and deadlines are those of an ordinary connection.
func TestBusyPollEnds(t *testing.T) {
	for _, calls := range []int{0, 1} {
		poll := newBusyPoll(t)
		for range calls {
			poll.began()
		}
		near, far := polled(t, poll)
		near.SetReadDeadline(time.Now().Add(10 * longestBusyPoll))
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d calls: after the deadline: %v", calls, err)
		}
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%d calls: later than that: %v", calls, err)
		}
		near.SetReadDeadline(time.Time{})
		_, inVain := poll.Looks()
		far.Close()
		if n, err := near.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("%d calls: at the end: %d, %v", calls, n, err)
		}
		if _, n := poll.Looks(); n != inVain {
			t.Errorf("%d calls: the end was looked for in vain", calls)
		}
		if n, err := near.Read(nil); n != 0 || err != nil {
			t.Errorf("%d calls: nothing was wanted: %d, %v", calls, n, err)
		}
		near.Close()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%d calls: closed: %v", calls, err)
		}
	}
}

// A connection that was reset is not one that ended.
func TestBusyPollTellsResets(t *testing.T) {
	poll := newBusyPoll(t)
	poll.began()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	near := must(poll.Dial(context.Background(), listener.Addr().String(), &net.Dialer{}, nil))(t)
	defer near.Close()
	far := must(listener.Accept())(t)
	far.(*net.TCPConn).SetLinger(0)
	far.Close()
	var op *net.OpError
	if _, err := near.Read(make([]byte, 1)); !errors.As(err, &op) || err == io.EOF {
		t.Errorf("%v", err)
	}
}

func TestBusyPollOverTLS(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	raw := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	trusted := x509.NewCertPool()
	trusted.AddCert(must(x509.ParseCertificate(raw))(t))
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{raw}, PrivateKey: key}}}
	listener := must(tls.Listen("tcp", "127.0.0.1:0", server))(t)
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(conn, conn)
			}()
		}
	}()

	poll := newBusyPoll(t)
	poll.began()
	conn := must(poll.Dial(context.Background(), listener.Addr().String(), &net.Dialer{}, &tls.Config{RootCAs: trusted}))(t)
	defer conn.Close()
	must(conn.Write([]byte("secret")))(t)
	got := make([]byte, 10)
	if n, err := conn.Read(got); string(got[:n]) != "secret" || err != nil {
		t.Errorf("%q, %v", got[:n], err)
	}
	if inTime, inVain := poll.Looks(); inTime+inVain == 0 {
		t.Error("it never looked")
	}
	if conn, err := poll.Dial(context.Background(), listener.Addr().String(), &net.Dialer{}, &tls.Config{}); err == nil {
		conn.Close()
		t.Error("a certificate of nobody was taken")
	}
}

// A Limiter over such a client decides as over any other, alone, where it looks, and in
// company.
func TestBusyPollDecides(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	poll := newBusyPoll(t)
	client := must(rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{server.Addr()}, DialCtxFn: poll.Dial, DisableAutoPipelining: true, DisableCache: true,
	}))(t)
	defer client.Close()
	const burst = 1000
	l := must(New(client, weir.Quota{Limit: burst, Period: time.Hour}, WithBusyPoll(poll), WithFallback(Closed()), WithTimeout(10*time.Second)))(t)
	for i := range burst / 2 {
		if d := must(l.Allow(context.Background(), "k"))(t); !d.Allowed || d.Remaining != int64(burst-1-i) {
			t.Fatalf("request %d: %+v", i, d)
		}
	}
	if inTime, _ := poll.Looks(); inTime == 0 {
		t.Error("no answer was looked for in time")
	}
	var admitted atomic.Int64
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			for range burst / 32 {
				if d, err := l.Allow(context.Background(), "k"); err != nil {
					t.Error(err)
				} else if d.Allowed {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if n := admitted.Load(); n != burst/2 {
		t.Errorf("%d admitted in company, of %d", n, burst/2)
	}
	if n := poll.calls.Load(); n != 0 {
		t.Errorf("%d calls are said to be under way", n)
	}
}

// Company ends a look, and is no sign of late answers.
func TestBusyPollStopsForCompany(t *testing.T) {
	poll := newBusyPoll(t)
	near, _ := polled(t, poll)
	for calls := 1; calls <= 2; calls++ {
		poll.began()
		n, late, err := near.(*busyConn).look(make([]byte, 1))
		if n != 0 || late != (calls == 1) || err != nil {
			t.Errorf("%d calls: %d bytes, late %t, %v", calls, n, late, err)
		}
	}
}

// A server that says nothing is given up when the client's dialer says so.
func TestBusyPollGivesUpDialling(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	for name, dialer := range map[string]*net.Dialer{
		"Timeout":  {Timeout: 50 * time.Millisecond},
		"Deadline": {Deadline: time.Now().Add(50 * time.Millisecond)},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := time.Now()
		if conn, err := newBusyPoll(t).Dial(ctx, listener.Addr().String(), dialer, &tls.Config{}); err == nil {
			conn.Close()
			t.Errorf("%s: there was a handshake", name)
		}
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: given up after %v", name, took)
		}
	}
}

// A connection that came to nothing is not left open.
func TestBusyPollHangsUp(t *testing.T) {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer listener.Close()
	failed := make(chan error)
	go func() {
		conn, err := newBusyPoll(t).Dial(context.Background(), listener.Addr().String(), &net.Dialer{}, &tls.Config{})
		if err == nil {
			conn.Close()
		}
		failed <- err
	}()
	far := must(listener.Accept())(t)
	defer far.Close()
	must(far.Write([]byte("-ERR this is no handshake\r\n")))(t)
	if err := <-failed; err == nil {
		t.Error("there was a handshake")
	}
	far.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, far); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("it is still open")
	}
}

func TestBusyPollOptions(t *testing.T) {
	for _, longest := range []time.Duration{-1, 0, longestBusyPoll + 1} {
		var want *ConfigError
		if _, err := NewBusyPoll(longest); !errors.As(err, &want) {
			t.Errorf("%v: %v", longest, err)
		}
	}
	var want *ConfigError
	if _, err := newConfig([]Option{WithBusyPoll(nil)}); !errors.As(err, &want) {
		t.Errorf("nil: %v", err)
	}
}
