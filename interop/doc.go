// Package interop tests weir with programs and libraries that nobody here wrote:
// curl and hashicorp/go-retryablehttp as clients that are told to wait, wrk as a
// crowd that does not, and nginx as the proxy in front. What came of it is in
// docs/interop.md. It has no code of its own, only tests:
//
//	WEIR_INTEROP=1 go test -count=1 -v .
//
// A test whose program is not installed is skipped, unless WEIR_INTEROP is 1.
package interop
