package redistest

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

// A Proxy stands between clients and a server, and breaks what passes through it.
// It knows replies of RESP2 and RESP3, so that it can cut one in the middle. Its
// methods may be called on any goroutine.
//
// A cluster's nodes tell clients their own addresses, past any proxy.
type Proxy struct {
	target string
	ln     net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows, and armed of each link
	links  map[*link]struct{}
	delay  time.Duration
	refuse bool
	counts ProxyCounts
}

// ProxyCounts are what a Proxy has seen since its start.
type ProxyCounts struct {
	Conns   int64 // connections that were passed on, closed ones included
	Open    int64 // connections that are open now
	Refused int64 // connections that were closed at once, by Refuse or because the server was down
	Cuts    int64 // replies that were cut in the middle
	Replies int64 // replies that were passed on whole
}

// A link is a client's connection and the one to the server that belongs to it.
type link struct {
	client, server net.Conn
	armed          bool          // the next reply will be cut
	done           chan struct{} // closed when the link is
	once           sync.Once
}

// close closes both connections.
func (l *link) close() {
	l.once.Do(func() {
		close(l.done)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}

// StartProxy starts a proxy to the server at target, "127.0.0.1:6379", which need
// not be up yet. It ends with the test.
func StartProxy(tb TB, target string) *Proxy {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("redistest: proxy: %v", err)
	}
	p := &Proxy{target: target, ln: ln, links: map[*link]struct{}{}}
	p.wg.Go(p.accept)
	tb.Cleanup(func() {
		p.Refuse() // also those that are being dialled
		_ = ln.Close()
		p.Sever()
		p.wg.Wait()
	})
	return p
}

// Addr is the address that clients connect to.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// SetDelay makes each reply that comes from now on arrive d later. Replies on
// their way overlap: it is a longer way, not a narrower one.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// CutMidReply cuts each connection that is open now in the middle of its next
// reply: the client gets half of its bytes, then the end of the connection. The
// server has done the command. Connections made later are left alone, so that the
// client can come back. Pushes of RESP3 are no replies.
func (p *Proxy) CutMidReply() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.armed = true
	}
}

// Refuse closes each new connection at once. Those that are open stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = true
}

// Sever closes all open connections. With Refuse the server is as good as gone.
func (p *Proxy) Sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

// Heal ends what SetDelay, CutMidReply and Refuse have begun.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.refuse = 0, false
	for l := range p.links {
		l.armed = false
	}
}

// Counts returns what the proxy has seen so far.
func (p *Proxy) Counts() ProxyCounts {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.counts
	counts.Open = int64(len(p.links))
	return counts
}

func (p *Proxy) accept() {
	for {
		client, err := p.ln.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := p.connect(client)
	if l == nil {
		_ = client.Close()
		return
	}
	queue := make(chan queued, 1024)
	var pumps sync.WaitGroup
	pumps.Go(func() { // requests
		_, _ = io.Copy(l.server, l.client)
		l.close()
	})
	pumps.Go(func() { p.readReplies(l, queue) })
	p.writeReplies(l, queue)
	l.close()
	pumps.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

// connect makes the link of a client, or returns nil if there is to be none.
func (p *Proxy) connect(client net.Conn) *link {
	p.mu.Lock()
	refuse := p.refuse
	p.mu.Unlock()
	var server net.Conn
	if !refuse {
		server, _ = net.DialTimeout("tcp", p.target, commandTimeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if server == nil || p.refuse {
		p.counts.Refused++
		if server != nil {
			_ = server.Close()
		}
		return nil
	}
	l := &link{client: client, server: server, done: make(chan struct{})}
	p.links[l] = struct{}{}
	p.counts.Conns++
	return l
}

// A queued is a reply on its way.
type queued struct {
	raw  []byte
	push bool
	due  time.Time
}

// readReplies queues what the server answers, and closes the queue when the server
// closes the connection.
func (p *Proxy) readReplies(l *link, queue chan<- queued) {
	defer close(queue)
	r := replyReader{br: bufio.NewReader(l.server)}
	for {
		if _, err := r.next(); err != nil {
			return
		}
		p.mu.Lock()
		due := time.Now().Add(p.delay)
		p.mu.Unlock()
		select {
		case queue <- queued{append([]byte(nil), r.raw...), r.isPush(), due}:
		case <-l.done:
			return
		}
	}
}

// writeReplies passes them on when they are due, until the link closes or one is
// cut.
func (p *Proxy) writeReplies(l *link, queue <-chan queued) {
	for reply := range queue {
		select {
		case <-time.After(time.Until(reply.due)):
		case <-l.done:
			return
		}
		p.mu.Lock()
		cut := l.armed && !reply.push
		if cut {
			p.counts.Cuts++
			reply.raw = reply.raw[:len(reply.raw)/2]
		} else if !reply.push {
			p.counts.Replies++
		}
		p.mu.Unlock()
		if _, err := l.client.Write(reply.raw); err != nil || cut {
			return
		}
	}
}
