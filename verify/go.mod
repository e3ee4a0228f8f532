module github.com/weirhq/weir/verify

go 1.26.0

require github.com/weirhq/weir v0.0.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/puzpuzpuz/xsync/v3 v3.5.1 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

replace github.com/weirhq/weir => ../
