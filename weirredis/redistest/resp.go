package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// commandTimeout is how long a Conn waits for a reply. It is long because
// machines that run tests are slow at times, and no test should wait for it.
const commandTimeout = 10 * time.Second

// An Error is an error reply of the server, without its leading "-": "ERR syntax
// error", "MOVED 3999 127.0.0.1:6381". The connection stays usable.
type Error string

// Error returns the reply.
func (e Error) Error() string { return string(e) }

// A Conn is a connection to a server, for commands that must share one: MULTI,
// ASKING, READONLY. It is for one goroutine at a time.
type Conn struct {
	// Timeout is how long Command waits for the reply, at least and at most; 10 s
	// from Dial.
	Timeout time.Duration

	conn net.Conn
	r    replyReader
}

// Dial connects to the server at addr, "127.0.0.1:6379". The caller closes it.
// The error is that of net.
func Dial(addr string) (*Conn, error) {
	conn, err := net.DialTimeout("tcp", addr, commandTimeout)
	if err != nil {
		return nil, err
	}
	return &Conn{Timeout: commandTimeout, conn: conn, r: replyReader{br: bufio.NewReader(conn)}}, nil
}

// Close closes the connection. It may be called while a Command waits, which
// then fails.
func (c *Conn) Close() error { return c.conn.Close() }

// Command sends one command and returns the reply: a string, int64, []any or nil,
// and under RESP3 also a bool or a float64; a map is a []any of keys and values in
// turn. An error reply comes back as an [Error], within an array as a value. Any
// other error is of the connection, which is of no use then. It blocks for
// Timeout at most.
func (c *Conn) Command(args ...string) (any, error) {
	request := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, arg := range args {
		request = fmt.Appendf(request, "$%d\r\n%s\r\n", len(arg), arg)
	}
	if err := c.conn.SetDeadline(time.Now().Add(c.Timeout)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	for {
		reply, err := c.r.next()
		switch {
		case err != nil:
			return nil, err
		case c.r.isPush():
			continue // answers no command
		}
		if failure, ok := reply.(Error); ok {
			return nil, failure
		}
		return reply, nil
	}
}

// maxDepth of arrays in arrays, and maxBulk bytes of a string, are what Redis
// keeps to itself; more means that the two sides are out of step.
const (
	maxDepth = 32
	maxBulk  = 512 << 20
)

// A replyReader reads replies of RESP2 and RESP3
// (https://redis.io/docs/latest/develop/reference/protocol-spec/), and keeps the
// bytes that the last one came as.
type replyReader struct {
	br  *bufio.Reader
	raw []byte
}

// next reads one whole reply.
func (r *replyReader) next() (any, error) {
	r.raw = r.raw[:0]
	return r.read(0)
}

// isPush reports whether the last reply was a RESP3 push, which is the answer to
// no command.
func (r *replyReader) isPush() bool { return r.raw[0] == '>' }

func (r *replyReader) read(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("redistest: reply nested deeper than %d", maxDepth)
	}
	kind, rest, err := r.line()
	if err != nil {
		return nil, err
	}
	switch kind {
	case '+', '(':
		return rest, nil
	case '-':
		return Error(rest), nil
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case ',':
		return strconv.ParseFloat(rest, 64)
	case '#':
		return rest == "t", nil
	case '_':
		return nil, nil
	case '$', '=', '!':
		return r.bulk(kind, rest)
	case '*', '~', '>':
		return r.array(rest, 1, depth)
	case '%':
		return r.array(rest, 2, depth)
	case '|': // attributes of the reply that follows
		if _, err := r.array(rest, 2, depth); err != nil {
			return nil, err
		}
		return r.read(depth + 1)
	}
	return nil, fmt.Errorf("redistest: no reply starts with %q", kind)
}

// line reads up to CR LF: the byte that says what it is, and the rest.
func (r *replyReader) line() (kind byte, rest string, err error) {
	line, err := r.br.ReadBytes('\n')
	r.raw = append(r.raw, line...)
	if err != nil {
		if err == io.EOF && len(r.raw) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return 0, "", err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return 0, "", fmt.Errorf("redistest: reply line %q is empty or does not end in CR LF", line)
	}
	return line[0], string(line[1 : len(line)-2]), nil
}

// bulk reads a string that comes with its length; -1 is null.
func (r *replyReader) bulk(kind byte, length string) (any, error) {
	n, err := strconv.Atoi(length)
	switch {
	case err != nil:
		return nil, err
	case n == -1:
		return nil, nil
	case n < 0 || n > maxBulk:
		return nil, fmt.Errorf("redistest: string of %d bytes: want -1 to %d", n, maxBulk)
	}
	// Copied as it comes, so that a length alone takes no memory.
	body := rawWriter{r}
	if _, err := io.CopyN(body, r.br, int64(n)+2); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	got := r.raw[len(r.raw)-n-2:]
	if got[n] != '\r' || got[n+1] != '\n' {
		return nil, errors.New("redistest: string does not end in CR LF")
	}
	switch text := string(got[:n]); kind {
	case '!':
		return Error(text), nil
	case '=': // three letters of its format and a colon come first
		return text[min(4, n):], nil
	default:
		return text, nil
	}
}

// array reads that many times per replies; -1 is null.
func (r *replyReader) array(length string, per, depth int) (any, error) {
	n, err := strconv.Atoi(length)
	switch {
	case err != nil:
		return nil, err
	case n == -1:
		return nil, nil
	case n < 0 || n > maxBulk:
		return nil, fmt.Errorf("redistest: array of %d: want -1 to %d", n, maxBulk)
	}
	values := []any{}
	for range n * per {
		v, err := r.read(depth + 1)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// A rawWriter appends to the bytes of the reply being read.
type rawWriter struct{ r *replyReader }

func (w rawWriter) Write(b []byte) (int, error) {
	w.r.raw = append(w.r.raw, b...)
	return len(b), nil
}
