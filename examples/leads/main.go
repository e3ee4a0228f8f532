// Leads is the service of rate-limits.md, limited by weir: 300 requests per 60
// seconds for each business, each user, each business's lead intake, and each
// address of everybody else.
//
//	go run ./examples/leads                              # shows and checks the limits, over TCP
//	go run ./examples/leads -serve -addr 127.0.0.1:8080  # serves until Ctrl-C
//	go run ./examples/leads -serve -quotas quotas.json   # read again at SIGHUP
//
// How a service uses weir is in service.go; store.go stands for its database.
// The rest is the demonstration: plan.go says what is sent and what must become
// of it, traffic.go sends it, row.go and census.go count on either side, check.go
// compares, report.go prints, and demo.go does all that in order. operate.go shows
// what its operator and its clients have beside: fields, a quota file, a client
// that waits, a debug page.
//
// The exit status is 0 if all is as the limits demand, 1 if not, and 2 if the
// flags are wrong.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("leads", flag.ContinueOnError)
	flags.SetOutput(stderr)
	keepServing := flags.Bool("serve", false, "serve until interrupted, instead of demonstrating the limits")
	addr := flags.String("addr", "127.0.0.1:8080", "the `address` that -serve listens on")
	quotas := flags.String("quotas", "", "the `file` of quotas for -serve, see package weirfile; none: those of rate-limits.md")
	debugAddr := flags.String("debug", "", "the `address` on which -serve shows /debug/weir; empty for none")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "leads: unexpected argument %q\n", flags.Arg(0))
		return 2
	}

	var err error
	if *keepServing {
		err = serveUntilDone(ctx, stdout, *addr, *quotas, *debugAddr)
	} else {
		err = demonstrate(ctx, stdout, demo{served: documented})
	}
	if err != nil {
		fmt.Fprintln(stderr, "leads:", err)
		return 1
	}
	return 0
}

// serveUntilDone is the -serve mode.
func serveUntilDone(ctx context.Context, out io.Writer, addr, quotas, debugAddr string) error {
	svc, err := newService(documented)
	if err != nil {
		return err
	}
	if quotas != "" {
		file, err := weirfile.Open(quotas, svc.limiter)
		if err != nil {
			return err
		}
		ctx, stopWatching := context.WithCancel(ctx)
		watched := file.Watch(ctx, func(err error) { fmt.Fprintln(out, "Reloaded", quotas, "with", cmp.Or(err, errors.New("no error"))) })
		defer func() { stopWatching(); <-watched }()
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	printInvitation(out, listener.Addr().String())
	debug := weirhttp.NewDebug(svc.limiter)
	if debugAddr != "" {
		stop, err := serveDebug(ctx, out, debugAddr, debug)
		if err != nil {
			listener.Close()
			return err
		}
		defer stop()
	}
	handler := svc.handler(svc.describe, weirhttp.WithOnDecision(debug.Observe))
	if err := serve(ctx, listener, handler); err != nil {
		return err
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
