package main

import (
	"testing"

	"github.com/weirhq/weir/examples/frameworks/internal/check"
)

func TestLimits(t *testing.T) { check.Limits(t, routes) }
