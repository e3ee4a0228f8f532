// Leads is the service of rate-limits.md, limited by weir: 300 requests per 60
// seconds for each business, each user, each business's lead intake, and each
// address of everybody else.
//
//	go run ./examples/leads                              # shows and checks the limits, over TCP
//	go run ./examples/leads -serve -addr 127.0.0.1:8080  # serves until Ctrl-C
//	go run ./examples/leads -serve -quotas quotas.json   # read again at SIGHUP
//	go run ./examples/leads -redis 127.0.0.1:6379        # shows that two processes share the limits
//	go run ./examples/leads -serve -redis 127.0.0.1:6379 # shares them with others that do so
//
// All of it is in internal/leads; how a service uses weir is in service.go there.
// Limits on a server are in directory redis, which is a module of its own.
//
// The exit status is 0 if all is as the limits demand, 1 if not, and 2 if the
// flags are wrong.
package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"

	"github.com/weirhq/weir/examples/leads/internal/leads"
)

func main() { leads.Main(run) }

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, status := leads.Parse(args, stderr)
	if flags == nil {
		return status
	}
	if flags.Redis == "" {
		return leads.Run(ctx, flags, nil, stdout, stderr)
	}
	// This program is in weir's own module, which has three requirements, and a client
	// for Redis is none of them. So the one that has it is in a module of its own.
	_, here, _, _ := runtime.Caller(0)
	status, err := runModule(ctx, filepath.Join(filepath.Dir(here), "redis"), args, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, "leads: -redis:", err)
	}
	return status
}
