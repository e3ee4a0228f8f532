package leads

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir"
)

// longestDemo ends a demonstration that hangs. One takes less than 4 seconds on an
// ordinary machine, two of them spent on waiting as told.
const longestDemo = 12 * time.Second

// A demo says how to demonstrate. Tests set it otherwise than main does, to see
// the demonstration fail.
type demo struct {
	served     weir.Quota // what the service limits to; the checks always demand documented
	oneAddress bool       // as if the system had no loopback address but 127.0.0.1
	on         *server    // that keeps the limits; nil: this process does
}

// demonstrate starts the service on a loopback port, sends it more requests than
// its limits admit, and prints what becomes of them. The error says what is not
// as the limits demand.
func demonstrate(ctx context.Context, out io.Writer, d demo) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, longestDemo, fmt.Errorf("not done after %v", longestDemo))
	defer cancel()
	svc, err := newService(d.served, d.on)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, svc.alone())
		svc.close()
	}()
	census, err := newCensus(svc.store)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := listener.Addr().String()
	served := make(chan error, 1)
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	go func() { served <- serve(serving, listener, svc.handler(census.around(svc.describe))) }()
	c := newClients(addr)
	defer func() {
		c.close()
		stopServing()
		err = errors.Join(err, <-served)
	}()

	oneAddress := d.oneAddress || !reachableFrom(ctx, netip.MustParseAddr("127.0.0.5"), addr)
	streams := plan(oneAddress)
	printIntroduction(out, addr, streams, oneAddress)
	if d.on != nil {
		printServer(out, d.on)
	}
	if err := spendAll(ctx, out, svc, census, c, streams); err != nil {
		return err
	}
	if err := showRefusal(ctx, out, addr, streams[0]); err != nil {
		return err
	}
	if err := proveRetryAfter(ctx, out, c, streams[2]); err != nil {
		return err
	}
	if d.on != nil {
		err = share(ctx, out, d.on, svc.shared, c)
	} else {
		err = operate(ctx, out, svc)
	}
	if err != nil {
		return err
	}
	printConclusion(out)
	return nil
}

// spendAll sends the streams, which spend every budget, prints what became of them,
// and checks it.
func spendAll(ctx context.Context, out io.Writer, svc *service, census *census, c *clients, streams []stream) error {
	rows := rowsOf(streams)
	sendAll(ctx, time.Now(), c, streams, rows)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	enterReasons(rows, census.counted())
	lookups := svc.lookupsMade()
	printTable(out, rows, c.opened.Load())
	printLookups(out, streams, lookups)
	return checkAll(rows, lookups, lookupsDemanded(streams))
}

// reachableFrom reports whether the server can be called from addr. Linux and
// Windows have all of 127.0.0.0/8; macOS has 127.0.0.1 alone.
func reachableFrom(ctx context.Context, addr netip.Addr, server string) bool {
	conn, err := dialFrom(ctx, addr, server)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

var dateOnWire = regexp.MustCompile(`\r\nDate: [^\r\n]+\r\n`)

// showRefusal prints a refusal of the stream's caller byte for byte, and
// compares it with rate-limits.md.
func showRefusal(ctx context.Context, out io.Writer, server string, s stream) error {
	conn, err := dialFrom(ctx, s.from, server)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // reads and writes end with ctx
	e := s.endpoints[0]
	request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", e.method, e.path, server, s.token)

	var wire strings.Builder
	in := bufio.NewReader(io.TeeReader(conn, &wire))
	for range attempts {
		wire.Reset()
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusTooManyRequests {
			continue // a request that was earned meanwhile
		}
		printWire(out, e, s, wire.String())
		if got := dateOnWire.ReplaceAllString(wire.String(), "\r\nDate: *\r\n"); got != refusalWire {
			return fmt.Errorf("on the wire a refusal is\n%q, want\n%q", got, refusalWire)
		}
		return nil
	}
	return fmt.Errorf("%s: no refusal in %d requests at once after the burst was spent", s.partition, attempts)
}

// attempts is how often to try for a refusal after the burst is spent. Only what
// is earned meanwhile, one request each 200 ms, can be in its way.
const attempts = 20

// proveRetryAfter has the stream's caller, whose burst is spent, ask until it is
// refused, ask again at once, and ask again after the wait that it was told.
func proveRetryAfter(ctx context.Context, out io.Writer, c *clients, s stream) error {
	printProofTitle(out, s)
	e := s.endpoints[0]
	ask := func() (reply, error) {
		got, err := c.send(ctx, s.from, s.token, e)
		if err == nil && got.status != s.status && got.status != http.StatusTooManyRequests {
			err = fmt.Errorf("%s: status %d", s.partition, got.status)
		}
		return got, err
	}
	told, again, toldAt, err := refusedTwice(ask)
	if err != nil {
		return fmt.Errorf("%s: %w", s.partition, err)
	}
	printAsked(out, 0, e, told, "")
	printAsked(out, time.Since(toldAt), e, again, "at once: refused again")

	seconds, err := strconv.Atoi(told.retryAfter)
	if err != nil {
		return fmt.Errorf("%s: Retry-After %q", s.partition, told.retryAfter)
	}
	select {
	case <-time.After(time.Until(toldAt.Add(time.Duration(seconds) * time.Second))):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	waited, err := ask()
	if err != nil {
		return err
	}
	printAsked(out, time.Since(toldAt), e, waited, "as told: admitted")
	if waited.status != s.status {
		return fmt.Errorf("%s: refused after a wait of Retry-After, %d s", s.partition, seconds)
	}
	return nil
}

// refusedTwice asks until two refusals come in a row, and returns them and when
// the first one came. Seldom one is not enough: it admits what was earned since
// the traffic, or between the two.
func refusedTwice(ask func() (reply, error)) (told, again reply, toldAt time.Time, err error) {
	for range attempts {
		if told, err = ask(); err != nil {
			return
		}
		toldAt = time.Now()
		if again, err = ask(); err != nil {
			return
		}
		if told.status == http.StatusTooManyRequests && again.status == http.StatusTooManyRequests {
			return
		}
	}
	err = fmt.Errorf("never refused twice in a row, in %d attempts", attempts)
	return
}
