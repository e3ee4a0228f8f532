package weirredis_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir/weirredis"
)

// A crowd is callers of one Limiter who ask for the same keys all the time.
type crowd struct {
	t       *testing.T
	who     string
	policy  weirredis.Fallback
	client  rueidis.Client
	limiter *weirredis.Limiter
	health  *healthLog
	keys    []string

	admitted, failed []atomic.Int64 // by key
	requests         atomic.Int64
	longest          atomic.Int64 // ns

	gate  atomic.Pointer[chan struct{}] // closed: all ask at once
	ended chan struct{}
	end   sync.Once
	wg    sync.WaitGroup
}

func newCrowd(t *testing.T, f fault, which int, policy weirredis.Fallback) *crowd {
	t.Helper()
	who := fmt.Sprintf("%d callers, %s", f.crowds()[which], []string{"Closed", "Local"}[which])
	c := &crowd{t: t, who: who, policy: policy, health: &healthLog{}, ended: make(chan struct{})}
	gate := make(chan struct{})
	c.gate.Store(&gate)
	t.Cleanup(c.stop) // also if the test is given up
	c.client = newClient(t, f.addrs...)
	opts := append([]weirredis.Option{
		weirredis.WithPrefix(fmt.Sprintf("weir-%d:", which)),
		weirredis.WithTimeout(f.patience()),
		weirredis.WithBreaker(3, faultRetry),
		weirredis.WithFallback(policy),
		weirredis.WithRefusalCache(0), // all ask the server
		weirredis.WithOnHealth(func(h weirredis.Health) { c.health.add(h, c.limiter.Stats().Calls) }),
	}, f.opts...)
	c.limiter = newLimiter(t, c.client, faultQuota, opts...)
	for i := range []int{8, cmp.Or(f.spread, 16)}[which] {
		key := strconv.Itoa(i)
		if f.keys[which] != nil {
			key = f.keys[which](i)
		}
		c.keys = append(c.keys, key)
	}
	c.admitted, c.failed = make([]atomic.Int64, len(c.keys)), make([]atomic.Int64, len(c.keys))
	return c
}

// start has so many callers ask, each about once in every pause.
func (c *crowd) start(callers int, pause time.Duration) {
	for i := range callers {
		c.wg.Go(func() {
			for turn := i; ; turn++ {
				if !c.pause(pause/2 + rand.N(pause)) {
					return
				}
				c.ask(turn % len(c.keys))
			}
		})
	}
}

// pause sleeps, less if there is a rush, and reports whether to go on.
func (c *crowd) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-c.ended:
		return false
	case <-*c.gate.Load():
	case <-timer.C:
	}
	return true
}

func (c *crowd) ask(i int) {
	began := time.Now()
	d, err := c.limiter.Allow(context.Background(), c.keys[i])
	storeMax(&c.longest, int64(time.Since(began)))
	c.requests.Add(1)
	if d.Allowed {
		c.admitted[i].Add(1)
	}
	if err != nil {
		c.failed[i].Add(1)
		if unavailable := (*weirredis.UnavailableError)(nil); !errors.As(err, &unavailable) || d.Allowed || c.policy != weirredis.Closed() {
			c.t.Errorf("%s: %+v, %v", c.who, d, err)
		}
	}
}

// rush wakes all callers at one instant.
func (c *crowd) rush() {
	gate := make(chan struct{})
	close(*c.gate.Swap(&gate))
}

// recovered waits until the limiter asks the server again, and returns how long after
// the mend that was; 0 if it was so all the time.
func (c *crowd) recovered(mended time.Time) time.Duration {
	c.t.Helper()
	eventually(c.t, c.who+": the limiter is up", 10*time.Second, func() bool {
		return c.limiter.Stats().Up() && c.health.up()
	})
	return max(c.health.lastUp(mended).Sub(mended), 0)
}

func (c *crowd) stop() {
	c.end.Do(func() { close(c.ended) })
	c.wg.Wait()
}

func (c *crowd) close() {
	c.t.Helper()
	if err := c.limiter.Close(context.Background()); err != nil {
		c.t.Errorf("%s: Close: %v", c.who, err)
	}
	c.client.Close()
}

// outcome counts up. What is allowed is the closed form of the quota, for each key, by
// the server's clock from before the first request until after the last.
func (c *crowd) outcome(fault string, elapsed, recovery time.Duration) outcome {
	o := outcome{
		fault: fault, who: c.who,
		requests: c.requests.Load(), fellBack: c.limiter.Stats().FellBack,
		longest: time.Duration(c.longest.Load()), recovery: recovery,
	}
	each := faultQuota.Burst + int64(elapsed/faultInterval)
	for i := range c.keys {
		admitted := c.admitted[i].Load()
		o.admitted += admitted
		o.allowed += each
		o.over += max(admitted-each, 0)
		o.errors += c.failed[i].Load()
	}
	return o
}

// A healthLog is what WithOnHealth told.
type healthLog struct {
	mu     sync.Mutex
	events []healthEvent
}

type healthEvent struct {
	weirredis.Health
	at    time.Time
	calls int64 // of the limiter until then
}

func (h *healthLog) add(health weirredis.Health, calls int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, healthEvent{health, time.Now(), calls})
}

func (h *healthLog) all() []healthEvent {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]healthEvent(nil), h.events...)
}

// downs is how many outages began.
func (h *healthLog) downs() (n int64) {
	for _, e := range h.all() {
		if !e.Up {
			n++
		}
	}
	return n
}

// up reports whether every outage was told to be over.
func (h *healthLog) up() bool { return 2*h.downs() == int64(len(h.all())) }

// lastUp is when the last outage was over, or otherwise if there was none.
func (h *healthLog) lastUp(otherwise time.Time) time.Time {
	for _, e := range h.all() {
		if e.Up && e.at.After(otherwise) {
			otherwise = e.at
		}
	}
	return otherwise
}

// check asserts that each change was told once and in order, for each part of a cluster.
func (h *healthLog) check(t *testing.T, where string) {
	t.Helper()
	down := map[int]bool{}
	for i, e := range h.all() {
		if e.Up != (e.Err == nil) {
			t.Errorf("%s: health %d is %+v: there is an error if it is not up", where, i, e.Health)
		}
		if e.Up != down[e.First] {
			t.Errorf("%s: health %d is %+v: no change of what was told before", where, i, e.Health)
		}
		down[e.First] = !e.Up
	}
}
