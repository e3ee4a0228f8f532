// Redis is examples/leads with the client that it needs for -redis. It takes the same
// flags, and is the same program without that one:
//
//	go run . -redis 127.0.0.1:6379
//	go run . -serve -redis 127.0.0.1:6379
//
// How limits on a server are made is in limits.go.
package main

import (
	"context"
	"io"

	"github.com/weirhq/weir/examples/leads/internal/leads"
)

func main() { leads.Main(run) }

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags, status := leads.Parse(args, stderr)
	if flags == nil {
		return status
	}
	return leads.Run(ctx, flags, connect, stdout, stderr)
}
