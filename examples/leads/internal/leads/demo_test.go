package leads

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// A demonstration of wrong limits must fail, and say what is wrong.
func TestDemonstrateFindsWrongLimits(t *testing.T) {
	for _, c := range []struct{ served, want string }{
		{"290/1m", "business:42: "},
		{"300/1m burst 310", "user:42: "},
		{"300/10m", `Retry-After "2"`},
		{"1000000000/1m", "ip:127.0.0.1: 1000 admitted"},
	} {
		t.Run(c.served, func(t *testing.T) {
			served, err := weir.ParseQuota(c.served)
			if err != nil {
				t.Fatal(err)
			}
			err = demonstrate(t.Context(), io.Discard, demo{served: served, oneAddress: true})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// Where there is no loopback address but one, those who are counted by address
// share a budget.
func TestDemonstrateWithOneAddress(t *testing.T) {
	var out strings.Builder
	if err := demonstrate(t.Context(), &out, demo{served: documented, oneAddress: true}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{"no loopback address but 127.0.0.1", "ip:127.0.0.1 1000 "} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("nothing like %q in\n%s", want, &out)
		}
	}
}

func TestDemonstrateEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := demonstrate(ctx, io.Discard, demo{served: documented}); !errors.Is(err, enough) {
		t.Errorf("error %v, want %v", err, enough)
	}
}

// caller is a stream for servers that only pretend.
var caller = stream{
	from: netip.MustParseAddr("127.0.0.1"), endpoints: profile, partition: "user:42", status: http.StatusOK,
}

func pretend(t *testing.T, handler http.HandlerFunc) (server string) {
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestShowRefusal(t *testing.T) {
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"nothing refused":  {func(http.ResponseWriter, *http.Request) {}, "no refusal"},
		"newline at end":   {answer(refusal + "\n"), "on the wire"},
		"compact body":     {answer(`{"status":429}`), "on the wire"},
		"length not first": {answer(refusal), "on the wire"}, // as net/http writes a length that it had to find out
	} {
		t.Run(name, func(t *testing.T) {
			err := showRefusal(t.Context(), io.Discard, pretend(t, c.handler), caller)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestProveRetryAfter(t *testing.T) {
	refuse := func(w http.ResponseWriter, retryAfter string) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusTooManyRequests)
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"never admits":    {func(w http.ResponseWriter, _ *http.Request) { refuse(w, "1") }, "refused after a wait"},
		"never refuses":   {func(http.ResponseWriter, *http.Request) {}, "never refused twice"},
		"says nothing":    {func(w http.ResponseWriter, _ *http.Request) { refuse(w, "") }, `Retry-After ""`},
		"fails otherwise": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "status 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clients := newClients(pretend(t, c.handler))
			defer clients.close()
			err := proveRetryAfter(t.Context(), io.Discard, clients, caller)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// The wait is as long as the server said, and ends with the context.
func TestProveRetryAfterEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	clients := newClients(pretend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer clients.close()
	if err := proveRetryAfter(ctx, io.Discard, clients, caller); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}
