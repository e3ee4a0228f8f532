package leads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirfile"
	"github.com/weirhq/weir/weirhttp"
)

// documented is the limit of rate-limits.md, the same for all four partitions.
var documented = weir.Quota{Limit: 300, Period: 60 * time.Second}

// Main is the main function of a program: it runs run with the arguments and streams
// of the process, until an interrupt ends ctx, and exits with the status that it returns.
func Main(run func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// Run does what the flags say, with limits of this process, or where they have a server
// with those of connect. It returns the exit status.
func Run(ctx context.Context, f *Flags, connect Connect, stdout, stderr io.Writer) int {
	var on *server
	if f.Redis != "" {
		on = &server{addr: f.Redis, prefix: f.RedisPrefix, connect: connect}
		on.log = func(text string) { fmt.Fprintln(stderr, "leads:", text) }
	}
	var err error
	switch {
	case f.Serve:
		err = serveUntilDone(ctx, stdout, f, on)
	default:
		err = demonstrate(ctx, stdout, demo{served: documented, on: on})
	}
	if err != nil {
		fmt.Fprintln(stderr, "leads:", err)
		return 1
	}
	return 0
}

// serveUntilDone is the -serve mode.
func serveUntilDone(ctx context.Context, out io.Writer, f *Flags, on *server) error {
	svc, err := newService(documented, on)
	if err != nil {
		return err
	}
	defer svc.close()
	if f.Quotas != "" {
		file, err := weirfile.Open(f.Quotas, svc.local)
		if err != nil {
			return err
		}
		ctx, stopWatching := context.WithCancel(ctx)
		watched := file.Watch(ctx, func(err error) { fmt.Fprintln(out, "Reloaded", f.Quotas, "with", cmp.Or(err, errors.New("no error"))) })
		defer func() { stopWatching(); <-watched }()
	}
	listener, err := net.Listen("tcp", f.Addr)
	if err != nil {
		return err
	}
	printInvitation(out, listener.Addr().String())
	if on != nil {
		fmt.Fprintln(out)
		printServer(out, on)
	}
	var opts []weirhttp.Option
	if f.Debug != "" {
		debug := weirhttp.NewDebug(svc.local)
		stop, err := serveDebug(ctx, out, f.Debug, debug)
		if err != nil {
			listener.Close()
			return err
		}
		defer stop()
		opts = append(opts, weirhttp.WithOnDecision(debug.Observe))
	}
	if err := serve(ctx, listener, svc.handler(svc.describe, opts...)); err != nil {
		return err
	}
	if svc.shared != nil {
		printStats(out, svc.shared)
	}
	fmt.Fprintln(out, "Ended.")
	return nil
}

// serveDebug shows the page on an address of its own, where only operators get to,
// until ctx ends or stop is called.
func serveDebug(ctx context.Context, out io.Writer, addr string, page http.Handler) (stop func(), err error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/debug/weir", page)
	fmt.Fprintf(out, "\nWhat it does: http://%s/debug/weir\n", listener.Addr())
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := serve(ctx, listener, mux); err != nil {
			fmt.Fprintln(out, "/debug/weir is gone:", err)
		}
	}()
	return func() { cancel(); <-ended }, nil
}

// serve answers on listener until ctx ends; then it gives requests under way two
// seconds to finish, and cuts them off.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	ended := make(chan struct{})
	stopWatching := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if server.Shutdown(grace) != nil {
			server.Close()
		}
		close(ended)
	})
	defer stopWatching()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended // Serve has returned at once; Shutdown does when the last request is answered
	return nil
}
