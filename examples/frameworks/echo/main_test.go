package main

import (
	"net/http"
	"testing"

	"github.com/weirhq/weir/examples/frameworks/internal/check"
)

func TestLimits(t *testing.T) { check.Limits(t, routes) }

// The other way: echo is an http.Handler, and the middleware goes around all of it.
func TestLimitsAround(t *testing.T) {
	check.Limits(t, func(limit func(http.Handler) http.Handler) http.Handler {
		return limit(routes(func(next http.Handler) http.Handler { return next }))
	})
}
