package weirredis_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis"
	"github.com/weirhq/weir/weirredis/redistest"
)

func newClient(t testing.TB, addrs ...string) rueidis.Client {
	t.Helper()
	option := rueidis.ClientOption{InitAddress: addrs, DisableCache: true}
	option.Dialer.Timeout = time.Second // after which a connection that is not answered is given up
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatalf("client of %v: %v", addrs, err)
	}
	return client
}

func newLimiter(t testing.TB, client rueidis.Client, q weir.Quota, opts ...weirredis.Option) *weirredis.Limiter {
	t.Helper()
	l, err := weirredis.New(client, q, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// startServer starts one, unless the tests are to be short.
func startServer(t *testing.T, opts redistest.Options) *redistest.Server {
	t.Helper()
	skipIfShort(t)
	return redistest.Start(t, opts)
}

func skipIfShort(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("faults take their time")
	}
}

// clockOf reads a server's clock by TIME.
func clockOf(s *redistest.Server) func() time.Time {
	return func() time.Time {
		reply, _ := s.Do("TIME").([]any)
		if len(reply) != 2 {
			panic(fmt.Sprint("TIME: ", reply))
		}
		sec, _ := strconv.ParseInt(fmt.Sprint(reply[0]), 10, 64)
		usec, _ := strconv.ParseInt(fmt.Sprint(reply[1]), 10, 64)
		return time.UnixMicro(sec*1e6 + usec)
	}
}

// scriptCalls is how often a server was asked for a script, by its own account.
func scriptCalls(t testing.TB, s *redistest.Server) int64 {
	t.Helper()
	return commandCalls(t, s, "evalsha") + commandCalls(t, s, "eval")
}

// commandCalls is how often a server has run a command.
func commandCalls(t testing.TB, s *redistest.Server, command string) int64 {
	t.Helper()
	return statField(t, s, "commandstats", "cmdstat_"+command, "calls")
}

// errorReplies is how often a server has given an error of that code.
func errorReplies(t testing.TB, s *redistest.Server, code string) int64 {
	t.Helper()
	return statField(t, s, "errorstats", "errorstat_"+code, "count")
}

func statField(t testing.TB, s *redistest.Server, section, line, field string) int64 {
	t.Helper()
	info, err := s.Info(section)
	if err != nil {
		t.Fatalf("INFO %s: %v", section, err)
	}
	_, rest, _ := strings.Cut(","+info[line], ","+field+"=")
	digits, _, _ := strings.Cut(rest, ",")
	n, _ := strconv.ParseInt(digits, 10, 64) // 0 where there is no such line
	return n
}

// eventually waits for something that must come about.
func eventually(t testing.TB, what string, within time.Duration, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// settle waits until there are no more goroutines than before.
func settle(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Errorf("%d goroutines are left after Close, %d were there before:\n%s", runtime.NumGoroutine(), before, stacks)
			return
		}
	}
}
