module github.com/weirhq/weir/examples/leads/redis

go 1.26.0

require (
	github.com/redis/rueidis v1.0.79
	github.com/weirhq/weir v0.0.0
	github.com/weirhq/weir/weirredis v0.0.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/puzpuzpuz/xsync/v3 v3.5.1 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.47.0 // indirect
)

replace (
	github.com/weirhq/weir => ../../../
	github.com/weirhq/weir/weirredis => ../../../weirredis
)
