package weir_test

import (
	"context"
	"encoding"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// The public names and their types, which outside code is compiled against:
// what changes here breaks somebody.

var (
	_ = weir.Quota{Limit: int64(1), Period: time.Second, Burst: int64(1)}

	_, _, _ func(int64) weir.Quota                = weir.PerSecond, weir.PerMinute, weir.PerHour
	_       func(string) (weir.Quota, error)      = weir.ParseQuota
	_       func(weir.Quota) error                = weir.Quota.Validate
	_       func(weir.Quota, time.Duration) int64 = weir.Quota.MaxIn

	_ encoding.TextMarshaler   = weir.Quota{}
	_ encoding.TextUnmarshaler = (*weir.Quota)(nil)
	_ fmt.Stringer             = weir.Quota{}

	_ func(weir.Quota, ...weir.Option) (*weir.Limiter, error) = weir.New
	_ func(func() time.Duration) weir.Option                  = weir.WithClock
	_ func(time.Duration) weir.Option                         = weir.WithCoarseClock
	_ func(int) weir.Option                                   = weir.WithMaxKeys
	_ func(weir.Overflow) weir.Option                         = weir.WithOverflow
	_                                                         = []weir.Overflow{weir.Strict, weir.Lenient}

	_ interface {
		Allow(key string) weir.Decision
		AllowN(key string, n int64) weir.Decision
		AllowAt(now time.Duration, key string, n int64) weir.Decision
		Now() time.Duration
		Peek(key string) weir.Decision
		Refund(key string, n int64)
		Reset(key string)
		Wait(ctx context.Context, key string, n int64) error
		SetQuota(q weir.Quota) error
		SetKeyQuota(key string, q weir.Quota) error
		ClearKeyQuota(key string)
		Stats() weir.Stats
	} = (*weir.Limiter)(nil)

	_ = weir.Stats{Admitted: int64(0), Refused: int64(0), Keys: int64(0), Bytes: int64(0),
		Migrations: int64(0), HorizonRaises: int64(0), Forgiven: int64(0)}
	_                           = weir.Decision{Allowed: true, Limit: int64(0), Remaining: int64(0), RetryAfter: time.Second, ResetAfter: time.Second}
	_ func(weir.Decision) int64 = weir.Decision.RetryAfterSeconds
)

const _ time.Duration = weir.Never - math.MaxInt64

var (
	_ = [...]string{weir.IP: "ip", weir.User: "user", weir.Business: "business", weir.BusinessIntake: "business-intake"}
	_ = weir.Request{Method: "", Path: "", BusinessID: "", UserID: "", SourceKey: "", Addr: netip.Addr{}}
	_ = weir.Source{BusinessID: "", Enabled: false}

	_ weir.SourceLookup = func(context.Context, string) (weir.Source, error) { return weir.Source{}, weir.ErrNoSource }

	_ = map[weir.PartitionKey]bool{{Partition: weir.User, ID: "", Prefix: netip.Prefix{}}: true}
	_ interface {
		fmt.Stringer
		Key() string
	} = weir.PartitionKey{}

	_ func(weir.SourceLookup, ...weir.ResolverOption) (*weir.Resolver, error) = weir.NewResolver
	_ func(found, failed time.Duration) weir.ResolverOption                   = weir.WithSourceTTL
	_ func(entries int) weir.ResolverOption                                   = weir.WithSourceCache
	_ func(bits int) weir.ResolverOption                                      = weir.WithIPv6Prefix
	_ func(...weir.Route) weir.ResolverOption                                 = weir.WithIntakeRoutes
	_                                                                         = weir.Route{Method: "", Path: ""}
	_                                                                         = []weir.Reason{weir.ByBusiness, weir.ByUser, weir.BySource, weir.Anonymous, weir.SourceMissing,
		weir.SourceUnknown, weir.SourceDisabled, weir.SourceMismatched, weir.SourceLookupFailed}

	_ func(*weir.Resolver, context.Context, weir.Request) (weir.PartitionKey, weir.Reason) = (*weir.Resolver).Resolve

	_ func(*weir.Resolver, map[weir.Partition]weir.Quota, ...weir.Option) (*weir.PartitionLimiter, error) = weir.NewPartitionLimiter
	_ func(*weir.PartitionLimiter, context.Context, weir.Request) (weir.Decision, weir.PartitionKey)      = (*weir.PartitionLimiter).Allow
	_ func(*weir.PartitionLimiter, weir.Partition) *weir.Limiter                                          = (*weir.PartitionLimiter).Limiter

	_ func(weir.Decider, func(*http.Request) weir.Request, ...weirhttp.Option) func(http.Handler) http.Handler = weirhttp.New
	_ func(*weir.Limiter, func(*http.Request) string, ...weirhttp.Option) func(http.Handler) http.Handler      = weirhttp.ByKey
)
