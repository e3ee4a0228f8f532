package weirredis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/weirhq/weir"
)

func TestSmoke(t *testing.T) {
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:7778"}, DisableCache: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Do(context.Background(), c.B().Flushall().Build())
	l, err := New(c, weir.PerMinute(300), WithLeases(10, time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range 16 {
		wg.Go(func() {
			for range 1000 {
				d, err := l.Allow(context.Background(), "k")
				if err != nil {
					t.Error(err)
				}
				if d.Allowed {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	fmt.Println(n.Load(), time.Since(start))
	d, err := l.Allow(context.Background(), "k")
	fmt.Printf("%+v %v\n%+v\n", d, err, l.Stats())
	d, err = l.Peek(context.Background(), "k")
	fmt.Printf("%+v %v\n", d, err)
	d, err = l.AllowN(context.Background(), "k", -1)
	fmt.Printf("%+v %v\n", d, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	fmt.Println(l.Wait(ctx, "k", 2))
	fmt.Println(l.Wait(ctx, "k", 200))
	cancel()
	fmt.Println(l.Close(context.Background()))
	fmt.Printf("%+v\n", l.Stats())
}
func BenchmarkAllow(b *testing.B) {
	for _, par := range []int{1, 16} {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"127.0.0.1:7778"}, DisableCache: true})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		l, _ := New(c, weir.Quota{Limit: 1000000, Period: time.Second, Burst: 1000000000}, WithRefusalCache(0))
		b.Run(fmt.Sprint("far/", par*2), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(par)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if d, err := l.Allow(context.Background(), "b"); err != nil || !d.Allowed {
						b.Error(d, err)
						return
					}
				}
			})
		})
	}
}
