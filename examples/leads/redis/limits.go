package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/examples/leads/internal/leads"
	"github.com/weirhq/weir/weirredis"
)

const (
	// connecting is the longest wait for the server at the start.
	connecting = 3 * time.Second
	// patience is the longest that a decision waits for the server, and a request
	// with it. The default, 100 ms, is right for a server that has its machine to
	// itself. Here server, services and callers are likely to have one together.
	patience = 500 * time.Millisecond
	// processes is how many are expected to serve. While the server is gone each has
	// one of so many shares of the quota, so that together they do not exceed it.
	processes = 2
)

// limits are those of a weirredis.PartitionLimiter and its client.
type limits struct {
	*weirredis.PartitionLimiter
	client rueidis.Client
}

// connect is the [leads.Connect] of Redis and Valkey.
func connect(addr, prefix string, log func(string), r *weir.Resolver, quotas map[weir.Partition]weir.Quota) (leads.Shared, error) {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress:  []string{addr},
		Dialer:       net.Dialer{Timeout: connecting},
		DisableCache: true, // of values, which limits never read
	})
	if err != nil {
		return nil, err
	}
	limiter, err := weirredis.NewPartitionLimiter(client, r, quotas,
		weirredis.WithPrefix(prefix),
		weirredis.WithTimeout(patience),
		weirredis.WithFallback(weirredis.Local(processes)),
		weirredis.WithOnHealth(func(h weirredis.Health) {
			if h.Up {
				log("the server of the limits is back")
				return
			}
			log(fmt.Sprintf("the server of the limits is gone, so limits are kept here: %v", h.Err))
		}),
	)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &limits{limiter, client}, nil
}

// partitions are all that there are.
var partitions = []weir.Partition{weir.IP, weir.User, weir.Business, weir.BusinessIntake}

func (l *limits) Stats() leads.Stats {
	var sum leads.Stats
	for _, part := range partitions {
		s := l.Limiter(part).Stats()
		sum.Decisions += s.Admitted + s.Refused
		sum.RefusedHere += s.RefusedHere
		sum.FellBack += s.FellBack
		sum.Calls = s.Calls // of all together
	}
	return sum
}

func (l *limits) Fallback() string {
	return fmt.Sprintf("each process decides by itself, by 1/%d of each quota", processes)
}

// Close lets calls that are under way end; requests have ended before it.
func (l *limits) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = l.PartitionLimiter.Close(ctx) // it holds no leases, so there is nothing to lose
	l.client.Close()
}
