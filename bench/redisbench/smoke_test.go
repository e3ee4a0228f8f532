package redisbench

import (
	"context"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/weirredis/redistest"
)

// TestMain lets the test's own binary be a worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "-worker" {
		if err := Work(os.Args[2], os.Stdin, os.Stdout); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func newRunner(t *testing.T) *Runner {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a server and dozens of processes")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &Runner{Server: redistest.Start(t, redistest.Options{}), Self: self, For: 25 * time.Millisecond, Keys: 300}
}

// Everybody on a real server, by one process and by two: all decide, weirredis
// exactly, and its shortcuts save calls.
func TestSmoke(t *testing.T) {
	r := newRunner(t)
	p := Plan{Rounds: 1, Points: []Point{{1, 1}, {1, 4}, {2, 8}}}
	told := 0
	results, shortcuts, err := r.All(context.Background(), p, func(done, all int, _ Result) {
		if told++; done != told || all != len(p.Round(0)) {
			t.Errorf("told of %d of %d", done, all)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range results {
		s, _ := Named(result.Subject)
		where := result.Subject + ", " + result.Load
		switch {
		case result.Ended != "":
			t.Errorf("%s: %s", where, result.Ended)
		case result.decided() == 0 || result.PerSecond == 0 || result.P50 == 0:
			t.Errorf("%s: %+v", where, result)
		case s.Kind == Floor && (result.Commands < 1 || result.Commands > 1.05): // a client may connect anew
			t.Errorf("%s: %v commands a decision, want 1", where, result.Commands)
		case s.Kind == Ours && result.FellBack == 0 && result.Check.Fault() != "":
			t.Errorf("%s: %s", where, result.Check.Fault())
		case result.Load != "attack" && result.Refused > 0:
			t.Errorf("%s: %d refused", where, result.Refused)
		case result.Failed > 0 && !strings.HasPrefix(result.Subject, "throttled"):
			t.Errorf("%s: %d failed: %s", where, result.Failed, result.Failure)
		}
	}
	// At its best point: a run is so short that on a busy machine one may get no further than
	// its first requests, which are calls for everybody.
	commands := func(subject, load string) float64 {
		least := math.Inf(1)
		for _, r := range results {
			if r.Subject == subject && r.Load == load {
				least = min(least, r.Commands)
			}
		}
		return least
	}
	if plain, kept := commands(weirPlain.Name, "attack"), commands(weirDefault.Name, "attack"); kept > plain/10 {
		t.Errorf("under attack %v commands a decision with refusals kept, %v without", kept, plain)
	}
	if plain, leased := commands(weirPlain.Name, "hot"), commands(weirLeases.Name, "hot"); leased > plain/2 {
		t.Errorf("%v commands a decision with leases, %v without", leased, plain)
	}
	if len(shortcuts) != 2 {
		t.Fatalf("%d shortcuts, want 2", len(shortcuts))
	}
	for _, s := range shortcuts {
		if s.Here < s.Decisions-1 || s.Calls > 1 || s.NsPerOp <= 0 {
			t.Errorf("%+v: want all of them without a call", s)
		}
	}
	report := &Report{Rounds: 1, For: r.For, Keys: r.Keys}
	report.Summarize(results, shortcuts)
	if len(report.Cells) >= len(results) || len(report.Subjects) != len(All()) {
		t.Errorf("%d cells of %d results, %d subjects of %d", len(report.Cells), len(results), len(report.Subjects), len(All()))
	}
	if text := report.Markdown(); !strings.Contains(text, "weirredis, leases") {
		t.Error(text)
	}
}

// A worker that cannot work ends its run, and no other.
func TestWorkerFails(t *testing.T) {
	r := newRunner(t)
	at := Point{2, 1}
	result, err := r.Measure(context.Background(), Job{"nobody", "hot", at})
	if err != nil || !strings.Contains(result.Ended, `failed: no subject is named "nobody"`) {
		t.Errorf("%+v, %v", result, err)
	}
	if _, err := r.Measure(context.Background(), Job{weirPlain.Name, "none", at}); err == nil {
		t.Error("a load that is none is measured")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Measure(ctx, Job{weirPlain.Name, "hot", at}); err == nil {
		t.Error("it goes on when it is told to stop")
	}
	if result, err := r.Measure(context.Background(), Job{weirPlain.Name, "hot", at}); err != nil || result.Ended != "" {
		t.Errorf("the next run: %q, %v", result.Ended, err)
	}
}

// What is said of a server is what it says.
func TestReading(t *testing.T) {
	r := newRunner(t)
	version, err := Version(r.Server)
	if err != nil || !strings.HasPrefix(version, "redis ") && !strings.HasPrefix(version, "valkey ") {
		t.Errorf("%q, %v", version, err)
	}
	before, err := read(r.Server, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		r.Server.Do("EVAL", "return redis.call('GET', KEYS[1])", "1", "key")
	}
	after, err := read(r.Server, false)
	if err != nil {
		t.Fatal(err)
	}
	if commands, scripts := after.commands-before.commands, after.scripts-before.scripts; commands != 14 || scripts != 7 {
		t.Errorf("%d commands, %d scripts; want 14, 7", commands, scripts)
	}
	if passed := after.clock - before.clock; passed <= 0 || passed > time.Minute {
		t.Errorf("%v passed", passed)
	}
}
