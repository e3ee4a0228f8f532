package weirhttp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// serveAndRefund serves an admitted request and gives its cost back if the answer
// is one that does not count.
func (m *middleware) serveAndRefund(w http.ResponseWriter, r *http.Request, o Outcome, next http.Handler) {
	noted := &statusWriter{ResponseWriter: w}
	began := time.Now()
	next.ServeHTTP(noted, r)
	if time.Since(began) >= o.ResetAfter {
		return // earned back long ago; giving it back now would admit more than the quota
	}
	if noted.status == 0 {
		noted.status = http.StatusOK
	}
	if !noted.hijacked && m.giveBack(r, noted.status) {
		m.budget.refund(o)
	}
}

// A statusWriter notes the status of a response.
type statusWriter struct {
	http.ResponseWriter
	status   int
	hijacked bool
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) WriteHeader(status int) {
	// 1xx are not the answer yet, but for 101, after which the connection is no
	// longer HTTP's.
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom lets io.Copy use what the server's own writer can do, such as sendfile.
func (w *statusWriter) ReadFrom(src io.Reader) (int64, error) {
	n, err := io.Copy(w.ResponseWriter, src)
	if w.status == 0 && n > 0 {
		w.status = http.StatusOK
	}
	return n, err
}

// Flush is for handlers that ask for an http.Flusher.
func (w *statusWriter) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController asks for.
func (w *statusWriter) FlushError() error {
	err := http.NewResponseController(w.ResponseWriter).Flush()
	if w.status == 0 && !errors.Is(err, http.ErrNotSupported) {
		w.status = http.StatusOK
	}
	return err
}

// Hijack is for those who take the connection over; http.ResponseController finds
// it here.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = w.hijacked || err == nil
	return conn, rw, err
}
