package weirgrpc

import (
	"context"
	"time"
)

// WithSleep replaces how a client interceptor sleeps, so that a test of a real
// connection can move the server's clock instead of waiting for it.
func WithSleep(sleep func(ctx context.Context, d time.Duration) error) ClientOption {
	return func(c *client) { c.sleep = sleep }
}

// Spread is the random wait of a client interceptor.
var Spread = spread
