// Package weirredis keeps weir's limits on a Redis or Valkey server, or cluster, for many
// machines together.
//
//	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"10.0.0.5:6379"}})
//	limiter, err := weirredis.New(client, weir.PerMinute(300))
//	d, _ := limiter.Allow(ctx, "business:42")
//
// It is the same algorithm, with the same operations and the same [weir.Decision], but
// each key's theoretical arrival time is on the server, and one Lua script an operation
// moves it there, by that server's clock. So all machines together admit what the quota
// says, to the microsecond: with one call, and whole numbers only.
//
// What that costs, what else differs from [weir.Limiter], and what happens while the
// server is gone, is in docs/redis.md of the repository.
//
// It needs Redis 6.2 or later, or any Valkey.
package weirredis
