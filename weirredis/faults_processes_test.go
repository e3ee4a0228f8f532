package weirredis_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

// withAndWithoutLeases are the two ways in which ten processes share a key.
var withAndWithoutLeases = map[string]processConfig{
	"without leases": {Callers: 4, Pause: 100 * time.Microsecond},
	"with leases":    {Callers: 4, Pause: 100 * time.Microsecond, Batch: 10, LeaseAge: 200 * time.Millisecond},
}

// Where the server's clock stands, ten processes admit exactly the burst.
func TestTenProcessesAtOneInstant(t *testing.T) {
	server := startServer(t, redistest.Options{Clock: true})
	for name, c := range withAndWithoutLeases {
		t.Run(name, func(t *testing.T) {
			c.Addr, c.Key, c.Duration = server.Addr(), name, 400*time.Millisecond
			// An interval is longer than the test, so that a lease can be given back whole:
			// by its holder's clock time goes on.
			c.Quota = weir.Quota{Limit: 300, Period: time.Hour}
			ps := startProcesses(t, 10, c)
			beginAll(ps)
			sum := tallies(t, ps)
			parent := newParent(t, server, c.Quota)
			rest := drain(t, parent, c.Key) // of leases that were given back last
			o := sum.outcome("clock stands", "10 processes "+name, rest, c.Quota.Limit)
			o.log(t)
			if o.admitted != c.Quota.Limit {
				t.Errorf("%d admitted, want exactly %d", o.admitted, c.Quota.Limit)
			}
			checkContention(t, c, sum)
		})
	}
}

// Where it runs, they admit what the quota allows from the first request to the last, by
// its clock: burst + ⌊elapsed / T⌋.
func TestTenProcesses(t *testing.T) {
	server := startServer(t, redistest.Options{})
	for name, c := range withAndWithoutLeases {
		t.Run(name, func(t *testing.T) {
			c.Addr, c.Key, c.Duration = server.Addr(), name, 1500*time.Millisecond
			c.Quota = weir.Quota{Limit: 200, Period: time.Second, Burst: 400}
			const interval = 5 * time.Millisecond
			ps := startProcesses(t, 10, c)
			parent := newParent(t, server, c.Quota)
			clock := clockOf(server)

			// Half of the burst at one instant, which the server notes. From here on the key
			// owes something all the time.
			before := clock()
			if d, err := parent.AllowN(context.Background(), c.Key, c.Quota.Burst/2); err != nil || !d.Allowed {
				t.Fatalf("%+v, %v", d, err)
			}
			first, _ := arrival(t, server, c.Key)
			beginAll(ps)
			sum := tallies(t, ps)
			sooner := clock()
			rest := drain(t, parent, c.Key)
			later := clock()
			_, last := arrival(t, server, c.Key)

			most := c.Quota.Burst + int64(later.Sub(before)/interval)
			least := c.Quota.Burst + int64(sooner.Sub(first)/interval)
			o := sum.outcome("no fault", "10 processes "+name, c.Quota.Burst/2+rest, most)
			o.log(t)
			if o.over > 0 {
				t.Errorf("%d admitted, want at most %d", o.admitted, most)
			}
			if c.Batch > 0 {
				least -= 10 * c.Batch // what time has paid for is not given back
			}
			if o.admitted < least {
				t.Errorf("%d admitted, want at least %d", o.admitted, least)
			}
			// To the microsecond: each admission has moved the key's arrival time by one
			// interval, and nothing else has. Leases have too, used or not.
			moved, want := last.Sub(first), time.Duration(o.admitted)*interval
			if c.Batch == 0 && moved != want || moved < want {
				t.Errorf("the arrival time has moved by %v, want %v for %d admissions", moved, want, o.admitted)
			}
			checkContention(t, c, sum)
		})
	}
}

func checkContention(t *testing.T, c processConfig, sum tally) {
	t.Helper()
	if sum.Stats.Refused < 1000 || sum.Passed < 100 {
		t.Errorf("%+v: that was no hammering", sum)
	}
	if leased := sum.Stats.LeasedHere > 0 && sum.Stats.Leases > 0; leased != (c.Batch > 0) {
		t.Errorf("%+v: leases of %d", sum, c.Batch)
	}
}

// newParent is a limiter of the test itself, which asks always.
func newParent(t *testing.T, server *redistest.Server, q weir.Quota) *weirredis.Limiter {
	t.Helper()
	client := newClient(t, server.Addr())
	t.Cleanup(client.Close)
	return newLimiter(t, client, q, weirredis.WithRefusalCache(0), weirredis.WithTimeout(10*time.Second), weirredis.WithFallback(weirredis.Closed()))
}

// arrival reads a key's value, see lua/read.lua: when it was written, and the key's
// theoretical arrival time then.
func arrival(t *testing.T, server *redistest.Server, key string) (written, at time.Time) {
	t.Helper()
	value := fmt.Sprint(server.Do("GET", "weir:"+key))
	if len(value) != 24 {
		t.Fatalf("key %q: a value of %d bytes, want 24", key, len(value))
	}
	micros := func(i int) int64 {
		return int64(math.Float64frombits(binary.LittleEndian.Uint64([]byte(value[8*i:]))))
	}
	return time.UnixMicro(micros(0)), time.UnixMicro(micros(0) + micros(1))
}

// Of twenty processes one is killed while it holds a lease. That costs what is left of
// the lease, and no more; nobody is admitted twice.
func TestFaultHolderKilled(t *testing.T) {
	server := startServer(t, redistest.Options{Clock: true})
	c := processConfig{
		Addr: server.Addr(), Key: "key", Quota: weir.Quota{Limit: 1000, Period: 3600 * time.Second}, // an interval of 3.6 s
		Batch: 40, LeaseAge: time.Second, Callers: 2, Pause: time.Millisecond, Duration: 500 * time.Millisecond,
	}
	holding := c
	holding.Hold = true
	holder := startProcesses(t, 1, holding)[0]
	others := startProcesses(t, 19, c)
	holder.begin()
	held := holder.tally()
	if held.Passed != 4 || held.Stats.Leases != 1 || held.Stats.LeasedHere == 0 {
		t.Fatalf("%+v, want 4 admitted, some of them from one lease", held)
	}
	parent := newParent(t, server, c.Quota)
	d, err := parent.Peek(context.Background(), c.Key)
	if err != nil {
		t.Fatal(err)
	}
	slice := c.Quota.Limit - d.Remaining - held.Passed // what is spent and not used
	if slice < 1 || slice > c.Batch {
		t.Fatalf("%d are leased, want 1 to %d", slice, c.Batch)
	}
	beginAll(others)
	time.Sleep(100 * time.Millisecond)
	if err := holder.cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	sum := tallies(t, others)
	o := sum.outcome("holder of a lease killed -9", "20 processes", held.Passed+drain(t, parent, c.Key), c.Quota.Limit)
	o.log(t)
	if want := c.Quota.Limit - slice; o.admitted != want {
		t.Errorf("%d admitted, want %d: all but the %d that were lost", o.admitted, want, slice)
	}
}

// An attack on one key costs the server next to nothing, since refusals are kept.
func TestAttack(t *testing.T) {
	server := startServer(t, redistest.Options{})
	for _, processes := range []int{1, 20} {
		t.Run(fmt.Sprint(processes, " processes"), func(t *testing.T) {
			c := processConfig{
				Addr: server.Addr(), Key: fmt.Sprint("key-", processes), Quota: weir.PerMinute(300),
				Callers: 8, Pause: 2 * time.Millisecond, Duration: 2 * time.Second,
			}
			ps := startProcesses(t, processes, c)
			// What the attack has spent before is not what it costs.
			parent := newParent(t, server, c.Quota)
			drain(t, parent, c.Key)
			before := scriptCalls(t, server)
			beginAll(ps)
			sum := tallies(t, ps)
			calls := scriptCalls(t, server) - before
			ratio := float64(calls) / float64(sum.Stats.Refused)
			t.Logf("attack by %d processes: requests %d | admitted %d | refused %d | scripts run by the server %d | calls per refusal %.5f", processes, sum.Requests, sum.Passed, sum.Stats.Refused, calls, ratio)
			if ratio >= 0.01 {
				t.Errorf("%d calls for %d refusals: %.4f each, want less than 0.01", calls, sum.Stats.Refused, ratio)
			}
			if calls == 0 || sum.Passed == 0 || sum.Stats.Refused < int64(1000*processes) {
				t.Errorf("%+v and %d calls: want some, and an attack", sum, calls)
			}
		})
	}
}
