package weirredis

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// On a cluster each key is decided on its own master; replicas are not asked, not even by
// a client that sends them what only reads; and names with one hash tag are on one server.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("asks servers")
	}
	ctx := context.Background()
	cluster := redistest.StartCluster(t, 3, 1, redistest.Options{})
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: cluster.Addrs(), DisableCache: true,
		SendToReplicas: func(cmd rueidis.Completed) bool { return cmd.IsReadOnly() },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var masters, replicas []*redistest.Server
	for _, slot := range []int{0, 8000, redistest.Slots - 1} {
		m := cluster.Master(slot)
		masters = append(masters, m)
		replicas = append(replicas, cluster.Replicas(m)...)
	}
	asked := func(servers []*redistest.Server) (n int) {
		for _, s := range servers {
			if scriptCalls(t, s) > 0 {
				n++
			}
		}
		return n
	}
	limiter := func(prefix string) *Limiter {
		l, err := New(client, weir.PerHour(5), WithPrefix(prefix), WithTimeout(10*time.Second), WithFallback(Closed()), WithRefusalCache(0))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}

	tagged := limiter("weir:{tenant-7}:")
	for i := range 50 {
		must(tagged.Allow(ctx, fmt.Sprint("key ", i)))(t)
	}
	if n := asked(masters); n != 1 {
		t.Errorf("%d masters were asked for keys of one hash tag", n)
	}
	l := limiter("weir:")
	for i := range 50 {
		key := fmt.Sprint("key ", i)
		for n := range 7 {
			if d := must(l.Allow(ctx, key))(t); d.Allowed != (n < 5) {
				t.Errorf("%s, request %d: %+v", key, n, d)
			}
		}
		must(l.Peek(ctx, key))(t)
		if err := l.Refund(ctx, key, 1); err != nil {
			t.Error(err)
		}
	}
	b := batchOf(l, numbered(20)...)
	if calls := b.send(ctx, client, &l.server.apart); calls != 20 {
		t.Errorf("%d calls for 20 keys at once", calls)
	}
	for i, r := range b.replies {
		if r.err != nil {
			t.Errorf("key %d of 20 at once: %v", i, r.err)
		}
	}
	if n := asked(masters); n != 3 {
		t.Errorf("%d of 3 masters were asked", n)
	}
	if n := asked(replicas); n != 0 || len(replicas) != 3 {
		t.Errorf("%d of %d replicas were asked", n, len(replicas))
	}
}
