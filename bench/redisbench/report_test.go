package redisbench

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/bench/workload"
)

// result is a round that was within its quota.
func result(subject, load string, at Point, perSecond float64) Result {
	return Result{
		Job: Job{subject, load, at}, Count: Count{Admitted: 50, Refused: 50}, PerSecond: perSecond,
		P50: 1000, P99: 2000, P999: 3000, Commands: 4, Scripts: 1, ServerNs: 5000, Busy: 0.25, ObjectsDecision: 6,
		Check: workload.Check{What: "x", Asked: 100, Admitted: 50, Min: 50, Max: 60},
	}
}

// fixture is a report of two rounds. Without shortcuts weirredis is 4 times as fast as
// redis_rate at 32 callers and as fast at one; under attack 10 times as fast as the
// best, which has admitted too many.
func fixture() *Report {
	r := &Report{
		Date: "2026-01-31", Go: "go1.26.0", System: "linux/amd64", CPU: "A CPU", Cores: 2, Server: "redis 7.0.15",
		Commit: "0123456789ab", Command: "go run ./cmd/redis -rounds 2 -for 500ms", Rounds: 2, For: 500 * time.Millisecond, Keys: 100_000,
	}
	one, many, twenty := Point{1, 1}, Point{1, 32}, Point{20, 8}
	var results []Result
	for _, x := range []float64{0.9, 1.1} { // the rounds
		results = append(results,
			result("PING, rueidis", "hot", many, 900_000*x),
			result("weirredis, no shortcuts", "hot", one, 10_000*x),
			result("weirredis, no shortcuts", "hot", many, 80_000*x),
			result("weirredis, no shortcuts", "hot", twenty, 70_000*x),
			result("redis_rate", "hot", one, 10_000*x),
			result("redis_rate", "hot", many, 20_000*x),
			result("redis_rate", "hot", twenty, 20_000*x),
			result("redis_rate, AutoPipeline", "hot", many, 100_000*x),
			result("weirredis", "attack", many, 500_000*x),
			result("redis_rate", "attack", many, 20_000*x),
		)
		over := result("ulule/limiter", "attack", many, 50_000*x)
		over.Check.Admitted = 61 + int64(10*x)
		failing := result("throttled, go-redis", "hot", many, 1000*x)
		failing.Failed, failing.Failure = 100, "after 10 attempts"
		results = append(results, over, failing)
	}
	results = append(results, Result{Job: Job{"sethvargo/go-redisstore", "hot", one}, Ended: "not ended in 20s"})
	r.Summarize(results, []Shortcut{
		{What: "a decision under lease", NsPerOp: 100, Decisions: 1000, Here: 1000},
		{What: "a refusal kept in the process", NsPerOp: 50, Decisions: 1000, Here: 999, Calls: 1, AllocsOp: 0.001},
		{What: "a decision under lease", NsPerOp: 302, Decisions: 1000, Here: 1000},
	})
	return r
}

func has(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

func TestSummarize(t *testing.T) {
	r := fixture()
	c := r.cell("weirredis, no shortcuts", "hot", Point{1, 32})
	if c == nil || c.PerSecond.Median != 80_000 || c.PerSecond.Min != 72_000 || c.PerSecond.Max != 88_000 || c.Decided != 200 || c.Refused != 100 {
		t.Errorf("%+v", c)
	}
	if c := r.cell("ulule/limiter", "attack", Point{1, 32}); c.Check.Admitted != 72 {
		t.Errorf("%+v, want the round that was furthest off", c.Check)
	}
	if c := r.cell("sethvargo/go-redisstore", "hot", Point{1, 1}); c != nil {
		t.Errorf("a cell without a round: %+v", c)
	}
	if s := r.Shortcuts; len(s) != 2 || s[0].NsPerOp.Median != 201 || s[0].Decisions != 2000 || s[1].Objects != 0 || s[1].Calls != 1 {
		t.Errorf("%+v", s)
	}
	if len(r.Loads) != 2 {
		t.Errorf("%+v: want those that were run", r.Loads)
	}
}

func TestVersus(t *testing.T) {
	table, lost := fixture().Versus(Peer)
	has(t, table,
		"| hot | 1 | redis_rate | 10.0 k | 1.00 × |  |",
		"| hot | 32 | redis_rate | 20.0 k | 4.00 × |  |",
		"| hot | 20 × 8 | redis_rate | 20.0 k | 3.50 × |  |",
		"| attack | 32 | ulule/limiter (admitted too many) | 50.0 k |  | 10.0 × |")
	if lost != 0 {
		t.Errorf("lost %d, want 0", lost)
	}
	table, lost = fixture().Versus(Peer, OptIn)
	has(t, table, "| hot | 32 | redis_rate, AutoPipeline | 100 k | **lost**: 0.80 × |  |")
	if lost != 1 {
		t.Errorf("lost %d, want 1", lost)
	}
}

func TestClaims(t *testing.T) {
	r := fixture()
	has(t, r.Claims(),
		"| no shortcuts, one key, one caller | at least 1.30 × the best of the others | 1.00 × redis_rate | **missed** |",
		"| no shortcuts, one key, 32 callers | at least 3.00 × the best of the others | 4.00 × redis_rate | held |",
		"| under attack, 32 callers | at least 50.0 × the best of the others | 10.0 × ulule/limiter (admitted too many) | **missed** |",
		"for a refused request | less than 0.01 | 8.00 | **missed** |", // half were refused, and each decision took 4
		"| a decision under lease, one caller | at most 200 ns | 201 ns | **missed** |",
		"| nothing, in 8 runs | held |")
	r.cell("weirredis", "attack", Point{1, 32}).Check.Admitted = 61
	has(t, r.Claims(), "| something, under 1 loads | **missed** |")
}

func TestGlance(t *testing.T) {
	text := fixture().Glance()
	has(t, text,
		"| *PING, rueidis* |  | 900 k |", // the floor is no rival
		"| **100 k** |",                  // of one key with 32 callers, AutoPipeline's
		"| **500 k** |",
		"| hot |  |\n",    // throttled's: failed
		"|  | attack |\n") // ulule's: admitted too many
}

func TestMarkdown(t *testing.T) {
	text := fixture().Markdown()
	has(t, text,
		"commit 0123456789ab", "redis 7.0.15", "A CPU", "go1.26.0", "2026-01-31", "medians of 2 rounds of 500ms each",
		"    go run ./cmd/redis -rounds 2 -for 500ms\n",
		"benchmarks/redis-callers-dark.svg",
		"| attack | one key, refused | 5/1s |",
		"| 32 | weirredis, no shortcuts | 80.0 k (72.0 k–88.0 k) | 1.00 µs | 2.00 µs | 3.00 µs | 4.00 | 1.00 | 5.00 µs | 25 % | 6.00 | 50.0 % | 0 |",
		"| ulule/limiter | attack | 32 | 100 | 72 | 50–60 | **12 too many** |",
		"200 failed: after 10 attempts", "a run not ended in 20s",
		"| a refusal kept in the process | 50.0 (50.0–50.0) ns | 0 | 0 | 1,000 | 999 | 1 |")
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Error("a figure is no number")
	}
}

func TestFaults(t *testing.T) {
	r := fixture()
	if faults := r.Faults(); len(faults) != 1 || !strings.Contains(faults[0], "not ended") {
		t.Errorf("%q, want the run that did not end: others may admit too many", faults)
	}
	r.cell("weirredis", "attack", Point{1, 32}).Check.Admitted = 61
	if faults := r.Faults(); len(faults) != 2 || !strings.Contains(faults[1], "1 more than the quota") {
		t.Errorf("%q, want that weirredis admitted one too many", faults)
	}
	r.cell("weirredis", "attack", Point{1, 32}).FellBack = 1
	if faults := r.Faults(); len(faults) != 1 {
		t.Errorf("%q: one decision was the fallback's", faults)
	}
}

func TestCharts(t *testing.T) {
	r := fixture()
	first, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 2*len(charts) || !maps.EqualFunc(first, second, bytes.Equal) {
		t.Errorf("%d files, or not twice the same", len(first))
	}
	if svg := string(first["redis-callers-light.svg"]); !strings.Contains(svg, "redis_rate") || !strings.Contains(svg, "100 k") {
		t.Error("the chart names no limiter, or no decisions")
	}
	if _, err := new(Report).Charts(); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// What is written can be checked, and what is changed by hand is found.
func TestWriteAndCheck(t *testing.T) {
	docs := t.TempDir()
	r := fixture()
	if err := r.Save(ResultsFile(docs)); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(docs); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadFile(ResultsFile(docs))
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Check(docs); err != nil {
		t.Errorf("what was just written: %v", err)
	}
	for _, file := range []string{"benchmarks-redis.md", "benchmarks/redis-attack-dark.svg"} {
		path := filepath.Join(docs, filepath.FromSlash(file))
		right, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, slices.Concat(right, []byte(" ")), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := loaded.Check(docs); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s was changed: %v", file, err)
		}
		if err := os.WriteFile(path, right, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{perSecond(999), "999"}, {perSecond(36_040), "36.0 k"}, {perSecond(1_230_000), "1.23 M"}, {perSecond(0), "0"},
		{small(0), "0"}, {small(4), "4.00"}, {small(0.1), "0.10"}, {small(0.063), "0.063"}, {small(0.0000057), "0.0000057"},
		{percent(0, 0), "0"}, {percent(1, 3), "33.3 %"}, {percent(99_999, 100_000), "> 99.9 %"}, {percent(3, 3), "100 %"}, {percent(99, 100), "99.0 %"},
		{Point{1, 32}.String(), "32"}, {Point{10, 8}.String(), "10 × 8"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}
