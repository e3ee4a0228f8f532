package weirhttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// serveAndRefund serves an admitted request and gives its cost back if the answer
// is one that does not count.
func (m *middleware) serveAndRefund(w http.ResponseWriter, r *http.Request, o Outcome, next http.Handler) {
	noted := &statusWriter{ResponseWriter: w}
	next.ServeHTTP(noted, r)
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
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return io.Copy(w.ResponseWriter, src)
}

// Flush is for handlers that ask for an http.Flusher.
func (w *statusWriter) Flush() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	// A writer that cannot flush has nowhere to say so here.
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack is for those who take the connection over; http.ResponseController finds
// it here.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	w.hijacked = w.hijacked || err == nil
	return conn, rw, err
}
