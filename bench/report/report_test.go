package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/bench/figures"
	"github.com/weirhq/weir/bench/workload"
)

// small is a report of three rounds, in which the other limiter is faster on a
// hot key, slower with many, and admits too many under a flood.
func small() *Report {
	r := &Report{
		Date: "2026-01-31", Go: "go1.26.0", System: "linux/amd64", CPU: "A CPU", Cores: 2,
		Commit: "0123456789ab", Command: "go run ./cmd/report -rounds 3", Rounds: 3, Setup: workload.Full(),
		Subjects: []Subject{
			{Name: "floor", Module: "bench", Keeps: "nothing", Reference: true},
			{Name: "array", Module: "bench", Keeps: "nothing", Reference: true},
			{Name: "weir", Module: "github.com/weirhq/weir", Version: "this commit", Keeps: "a keyed hash", Apart: true},
			{Name: "other", Module: "example.com/other", Version: "v1.2.3", Keeps: "the key", Apart: true},
			{Name: "hash", Module: "example.com/hash", Version: "v0.1.0", Keeps: "an unkeyed hash"},
		},
		Workloads: []Load{{Name: "hot-refused-1", What: "one key"}, {Name: "uniform"}, {Name: "flood"}, {Name: "grow-1M"}, {Name: "flood-memory"}},
	}
	var results []workload.Result
	add := func(subject, load string, floors float64, more func(*workload.Result)) {
		for round, factor := range []float64{1.1, 1, 0.9} {
			result := workload.Result{
				Subject: subject, Workload: load, Round: round, Ops: 1000,
				NsPerOp: 30 * floors * factor, FloorNsPerOp: 30, Floors: floors * factor,
			}
			if more != nil {
				more(&result)
			}
			results = append(results, result)
		}
	}
	add("array", "uniform", 3, nil)
	add("weir", "hot-refused-1", 2, nil)
	add("other", "hot-refused-1", 1.5, nil)
	add("hash", "hot-refused-1", 1.2, nil)
	add("weir", "uniform", 4, nil)
	add("other", "uniform", 8, nil)
	add("weir", "flood", 5, nil)
	add("other", "flood", 4, func(r *workload.Result) {
		r.Checks = []workload.Check{{What: "spenders", Asked: 3000, Admitted: 2000 + int64(r.Round), Min: 0, Max: 100}}
	})
	add("weir", "grow-1M", 6, func(r *workload.Result) {
		r.Latency = &workload.Latency{P50: 100, P90: 200, P99: 300, P999: 1000, P9999: 20_000, P99999: 50_000, Max: 1_100_000}
		r.Keys, r.BytesPerKey = 1_000_000, 31
	})
	for round := range 3 {
		results = append(results, workload.Result{Subject: "other", Workload: "grow-1M", Round: round, Ended: "not ended in 2m0s"})
	}
	add("weir", "flood-memory", 0, func(r *workload.Result) {
		r.Memory = []workload.Sample{{Ms: 0, Bytes: 1 << 20}, {Ms: 100, Bytes: 3<<20 + int64(r.Round)}, {Ms: 200, Bytes: 2 << 20}}
	})
	r.Summarize(results)
	return r
}

func TestSummarize(t *testing.T) {
	r := small()
	c := r.cell("weir", "uniform")
	if want := (figures.Spread{Median: 4, Min: 3.6, Max: 4.4}); c == nil || c.Floors != want || c.Rounds != 3 {
		t.Errorf("%+v, want floors %v of 3 rounds", c, want)
	}
	if c := r.cell("other", "grow-1M"); c.Rounds != 0 || c.Ended != "not ended in 2m0s" {
		t.Errorf("a cell whose rounds all failed: %+v", c)
	}
	if c := r.cell("other", "flood"); len(c.Checks) != 1 || c.Checks[0].Admitted != 2002 || !c.overAdmits() {
		t.Errorf("the check that is furthest off: %+v", c.Checks)
	}
	if c := r.cell("weir", "flood-memory"); c.Peak != 3<<20+1 || c.After != 2<<20 {
		t.Errorf("memory of the round in the middle: %+v", c)
	}
}

func TestTable(t *testing.T) {
	table := small().Table()
	for _, want := range []string{
		"| *array* |",
		"**1.20 ×**", // the best of a column is bold, whoever it is
		"**4.00 ×**",
		"**5.00 ×**",  // of those that admitted no more than the quota
		"| flood |\n", // other's last column
		"31.0 B",
		"1.10 ms",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if strings.Contains(table, "**3.00 ×**") {
		t.Errorf("a reference is bold in\n%s", table)
	}
}

// Losses are printed like wins, and who does not keep keys apart is no rival.
func TestWins(t *testing.T) {
	table, lost := small().Wins()
	for _, want := range []string{
		"| hot-refused-1 | 2.00 × | other: 1.50 × | 1.33 of its time | **lost** |",
		"| uniform | 4.00 × | other: 8.00 × | 0.50 of its time | won |",
		"| flood | 5.00 × | other (admitted too many): 4.00 × | 1.25 of its time | **lost** |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no %q in\n%s", want, table)
		}
	}
	if lost != 2 {
		t.Errorf("lost %d, want 2", lost)
	}
}

func TestMarkdown(t *testing.T) {
	text := small().Markdown()
	for _, want := range []string{
		"commit 0123456789ab", "medians of 3 rounds", "go run ./cmd/report -rounds 3", "A CPU",
		"120 ns, 4.00 (3.60–4.40) ×",
		"**1,902 too many**", "not ended in 2m0s", "benchmarks/memory-dark.svg", "v1.2.3",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// Charts are well-formed, the same each time, and not the same in both themes.
func TestCharts(t *testing.T) {
	r := small()
	first, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Charts()
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 2*len(charts) {
		t.Errorf("%d files, want two for each of %d charts", len(first), len(charts))
	}
	for name, svg := range first {
		if !bytes.Equal(svg, second[name]) {
			t.Errorf("%s differs from one time to the next", name)
		}
		if light, ok := strings.CutSuffix(name, "-dark.svg"); ok && bytes.Equal(svg, first[light+"-light.svg"]) {
			t.Errorf("%s is not dark", name)
		}
		if !bytes.Contains(svg, []byte("weir")) {
			t.Errorf("%s does not show weir", name)
		}
		d := xml.NewDecoder(bytes.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// A report of nothing that a chart shows makes empty charts and no error.
func TestChartsOfLittle(t *testing.T) {
	r := &Report{Workloads: []Load{{Name: "zipf"}}, Subjects: []Subject{{Name: "weir"}}}
	if _, err := r.Charts(); err != nil {
		t.Error(err)
	}
}

// What is written can be checked, and what is changed by hand is found.
func TestWriteAndCheck(t *testing.T) {
	docs := t.TempDir()
	readme := filepath.Join(docs, "README.md")
	if err := os.WriteFile(readme, []byte("before\n"+begin+"\nlast year's\n"+end+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := small()
	if err := r.Save(ResultsFile(docs)); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(docs, readme); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadFile(ResultsFile(docs))
	if err != nil {
		t.Fatal(err)
	}
	if err := loaded.Check(docs, readme); err != nil {
		t.Errorf("what was just written: %v", err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(text); !strings.HasPrefix(s, "before\n"+begin) || !strings.HasSuffix(s, end+"\nafter\n") || strings.Contains(s, "last year") {
		t.Errorf("README:\n%s", s)
	}
	for _, file := range []string{readme, filepath.Join(docs, "benchmarks.md"), filepath.Join(docs, "benchmarks", "speed-dark.svg")} {
		right, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		wrong := bytes.Replace(right, []byte("weir"), []byte("Weir"), -1)
		if err := os.WriteFile(file, wrong, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := loaded.Check(docs, readme); file != readme && (err == nil || !strings.Contains(err.Error(), file)) {
			t.Errorf("%s was changed: %v", file, err)
		} else if file == readme && err == nil {
			t.Errorf("the README's table was changed and nobody noticed")
		}
		if err := os.WriteFile(file, right, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadmeWithoutMarks(t *testing.T) {
	for _, text := range []string{"", begin, end, end + begin} {
		if _, err := small().Replace(text); err == nil || !strings.Contains(err.Error(), begin) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
