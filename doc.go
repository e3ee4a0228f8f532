// Package weir limits how many requests each key may make: each account, user,
// address or whatever a service chooses. It runs inside the service, decides
// without locks, in tens of nanoseconds unless a key's slot has left the caches,
// keeps its memory within a bound, and tells a refused caller the exact time after
// which it will be admitted.
//
//	limiter, err := weir.New(weir.PerMinute(300))
//	...
//	if d := limiter.Allow(accountID); !d.Allowed {
//		// refuse; tell the caller to wait d.RetryAfterSeconds()
//	}
//
// Package [github.com/weirhq/weir/weirhttp] does this for net/http handlers.
//
// # What a quota admits
//
// A key earns one request every interval T = Period / Limit, and may save up to
// Burst of them, by default Limit. This is the generic cell rate algorithm
// (GCRA). Beware: in the worst window both add up. [PerMinute](300) admits up to
// 600 requests in one badly chosen minute, 300 that were saved up at its start
// and 300 that are earned until its end. [Quota.MaxIn] is the most that any window
// can hold, Burst + ⌊window / T⌋. To admit at most 300 in every minute, ask for a
// smaller burst and a slower rate: PerMinute(150), or 280 a minute with a Burst
// of 20.
//
// # What is promised
//
//  1. RetryAfter is exact: a refused request, repeated that much later with
//     nothing else on its key, is admitted; one nanosecond sooner it is refused.
//  2. No interleaving of goroutines, growth of tables or clock readings, from a
//     clock that steps back either, admits more than MaxIn of a key's quota in any
//     window. A window is one of the clock readings that decided; by the wall
//     clock, it holds for requests made and answered inside the window. For keys
//     beyond the memory bound [Lenient] gives this up, and [Strict] does not.
//  3. A refusal leaves its key as it was. A cost above the burst is refused with
//     [Never].
//  4. All times are whole nanoseconds. T is rounded up if need be, so never in
//     favor of the caller; nothing overflows.
//  5. A cost of 0 asks without spending, a negative one is refused with Never. Bad
//     quotas and options are errors of New and the setters. No key, cost or time leads to a panic.
//  6. [WithMaxKeys](n) keeps n live keys whole, however they fall on the shards.
//  7. [Limiter.Wait] serves in the order of arrival, and spends nothing when its
//     context is done or its deadline too near. When its context ends while it
//     sleeps, it gives its cost back only if nobody has come behind it.
//
// # What is not
//
// Limits are those of one Limiter in one process: nothing is shared with other
// processes, and nothing survives a restart, after which every key has its whole
// burst. Nobody is queued, except in Wait. Requests are counted when they start,
// so it does not limit how many run at once. Several callers refused on the same
// key are told the same RetryAfter, and as many of them then pass as were earned.
//
// # Keys and memory
//
// A key is any string. It is live until it is as if never seen, and then takes no
// room for longer than until its table is next replaced. No goroutine cleans up:
// tables are replaced, by bigger or smaller ones, as new keys come. The text of a
// key is not kept, but for up to 128 keys of 48 bytes at most, mostly such as are
// asked for often: these are recognized by comparing, which is faster than hashing.
//
// Beyond n live keys, those with the least debt lose their slots. Under Strict
// they, and all keys not in the table, are then taken to stand at the horizon:
// a newcomer is at worst treated as if it had just spent its burst, and a request
// of cost 1 waits one T at most, unless the horizon rises again. So a flood that
// lasts can keep newcomers waiting, one T at a time; and after [Limiter.SetQuota]
// to a smaller burst, they may wait for longer. Keys with more debt are not
// touched by it. Under Lenient newcomers start with a full burst, and
// [Stats].Forgiven counts what that may admit beyond the quota.
//
// Up to about 1.25·n slots are in use, and 64·n bytes, unless n is small. On
// top come keys that stand further ahead of the clock than the burst reaches, which
// AllowAt with a future time, Wait, and SetQuota to a smaller burst bring about
// and the bound cannot drop, and keys with a quota of their own
// ([Limiter.SetKeyQuota]).
//
// Keys are told apart by their shard and a 64-bit hash under a random key
// (SipHash-1-3). Two of n live keys share a budget with a chance of at most about
// n²/2^65. The shard is given by a hash that is not keyed (XXH64), so anyone can
// send all keys to one shard: that is slower, but all promises hold.
//
// # Clocks
//
// The default clock is Go's monotonic one, and a fake one inside a testing/synctest
// bubble. [WithClock] takes any other; if it steps back, keys may be refused until
// it has caught up. With [WithCoarseClock](r), which is faster, read MaxIn(w + r)
// for MaxIn(w); refusals may last r longer.
//
// # Concurrency
//
// All methods may be called at once. Allow, AllowN, AllowAt, Peek, Refund and Reset
// take no lock and wait for nobody, so long as a clock given by WithClock does not.
// They are lock-free, not wait-free: one attempt fails only because another
// operation on its key, or a step of a migration to another table, succeeded. They
// allocate nothing but the tables, when keys are new. An operation that meets a
// migration, Peek excepted, does a small, bounded part of it. SetQuota, SetKeyQuota and
// ClearKeyQuota hold a mutex against each other, which no other method takes;
// SetQuota returns when all tables have moved. Stats looks at every slot. Wait
// sleeps.
//
// # Partitions
//
// A [PartitionLimiter] has a quota for each of four partitions, and a [Resolver]
// that finds out which one a request draws on: that of a business, a user, the lead
// intake of a business, or an address, which is what every doubtful request falls
// back to. Its Allow may wait for a [SourceLookup], and for nothing else.
package weir
