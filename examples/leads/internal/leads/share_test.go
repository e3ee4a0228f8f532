package leads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// asProgram is the variable that makes the test binary the program, for the process
// that share starts. It says which one.
const asProgram = "LEADS_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "":
		os.Exit(m.Run())
	case "unshared":
		Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
			flags, status := Parse(args, stderr)
			if flags == nil {
				return status
			}
			return Run(ctx, flags, unshared(Stats{}), stdout, stderr)
		})
	case "ends":
		fmt.Fprintln(os.Stderr, "no mood")
		os.Exit(3)
	case "hangs":
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, os.Interrupt)
		<-interrupted
	}
}

// startAs makes the test binary that program. With -short the test may run on an
// emulator, which starts no other process.
func startAs(t *testing.T, program string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a process")
	}
	t.Setenv(asProgram, program)
}

// notShared claims to be shared, and is not.
type notShared struct {
	*weir.PartitionLimiter
	stats Stats
}

func (n notShared) Stats() Stats     { return n.stats }
func (n notShared) Fallback() string { return "nothing changes" }
func (n notShared) Close()           {}

func unshared(stats Stats) Connect {
	return func(_, _ string, _ func(string), r *weir.Resolver, quotas map[weir.Partition]weir.Quota) (Shared, error) {
		limiter, err := weir.NewPartitionLimiter(r, quotas)
		return notShared{limiter, stats}, err
	}
}

// Limits that the two processes do not share must be found.
func TestDemonstrateFindsUnsharedLimits(t *testing.T) {
	startAs(t, "unshared")
	var out strings.Builder
	on := &server{addr: "192.0.2.1:6379", prefix: "a:", connect: unshared(Stats{Decisions: 2754, Calls: 1683, RefusedHere: 1071})}
	err := demonstrate(t.Context(), &out, demo{served: documented, oneAddress: true, on: on})
	if err == nil || !strings.Contains(err.Error(), "business:7: 500 admitted") {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{
		`The limits are on the server 192.0.2.1:6379, in keys that begin with "a:".`,
		"  together      500 sent, 500 admitted,   0 refused: at most 30",
		"2754 decisions by 1683 calls to the server: 1071 refusals needed none",
		"While the server cannot be asked, nothing changes.",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("nothing like %q in\n%s", want, &out)
		}
	}
}

// Whatever came of it, a demonstration without the server demonstrates nothing.
func TestDemonstrateFindsDecisionsWithoutServer(t *testing.T) {
	startAs(t, "unshared")
	on := &server{addr: "192.0.2.1:6379", connect: unshared(Stats{FellBack: 3})}
	err := demonstrate(t.Context(), io.Discard, demo{served: documented, oneAddress: true, on: on})
	if err == nil || !strings.Contains(err.Error(), "3 decisions were made without the server") {
		t.Errorf("error %v", err)
	}
}

func TestRunWithoutServer(t *testing.T) {
	connect := func(string, string, func(string), *weir.Resolver, map[weir.Partition]weir.Quota) (Shared, error) {
		return nil, errors.New("nobody there")
	}
	for _, serve := range []bool{false, true} {
		var stderr strings.Builder
		flags := &Flags{Serve: serve, Addr: "127.0.0.1:0", Redis: "192.0.2.1:6379", RedisPrefix: "a:"}
		status := Run(t.Context(), flags, connect, io.Discard, &stderr)
		if want := "leads: -redis 192.0.2.1:6379: nobody there\n"; status != 1 || stderr.String() != want {
			t.Errorf("serve %v: status %d, %q on stderr, want %q", serve, status, &stderr, want)
		}
	}
}

func TestSecondProcessFails(t *testing.T) {
	startAs(t, "ends")
	_, err := startSecond(t.Context(), &server{addr: "192.0.2.1:6379", prefix: "a:"})
	if err == nil || !strings.Contains(err.Error(), "does not say where it serves") || !strings.Contains(err.Error(), "no mood") {
		t.Errorf("error %v", err)
	}
}

func TestSecondProcessEndsWithItsContext(t *testing.T) {
	startAs(t, "hangs")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("enough"))
	defer cancel()
	_, err := startSecond(ctx, &server{addr: "192.0.2.1:6379", prefix: "a:"})
	if err == nil || err.Error() != "enough" {
		t.Errorf("error %v", err)
	}
}

// All that serve share a prefix; no two demonstrations do.
func TestPrefix(t *testing.T) {
	const addr = "localhost:6379"
	prefix := func(args ...string) string {
		flags, status := Parse(args, io.Discard)
		if flags == nil {
			t.Fatalf("%q: status %d", args, status)
		}
		return flags.RedisPrefix
	}
	if got := prefix("-serve", "-redis", addr); got != "weir:" {
		t.Errorf("%q for -serve", got)
	}
	if got := prefix("-redis", addr, "-redis-prefix", "a:"); got != "a:" {
		t.Errorf("%q in place of the one given", got)
	}
	if a, b := prefix("-redis", addr), prefix("-redis", addr); a == b || a == "" {
		t.Errorf("%q and %q for two demonstrations", a, b)
	}
}

func TestTogether(t *testing.T) {
	a, b := good(), good()
	b.admitted, b.refused = 1, 499
	b.longest, b.shortest = window{10, 500 * time.Millisecond}, window{5, 10}
	b.retryAfter = map[string]int{"1": 2, "2": 1}
	b.odd = map[string]int{"status 500": 1}
	sum := together(a, b)
	if sum.partition != a.partition || sum.planned != 1000 || sum.sent != 1000 || sum.admitted != 303 || sum.refused != 697 {
		t.Errorf("%s: %d planned, %d sent, %d admitted, %d refused", sum.partition, sum.planned, sum.sent, sum.admitted, sum.refused)
	}
	if want := (window{0, 500 * time.Millisecond}); sum.longest != want {
		t.Errorf("longest %v, want %v", sum.longest, want)
	}
	if want := (window{5, 430 * time.Millisecond}); sum.shortest != want {
		t.Errorf("shortest %v, want %v", sum.shortest, want)
	}
	if !maps.Equal(sum.retryAfter, map[string]int{"1": 200, "2": 1}) || !maps.Equal(sum.odd, b.odd) {
		t.Errorf("Retry-After %v, odd %v", sum.retryAfter, sum.odd)
	}
	if len(sum.reasons)+len(sum.plannedReasons) > 0 {
		t.Error("it has reasons")
	}
}
