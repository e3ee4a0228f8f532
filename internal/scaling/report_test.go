package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// someRounds are as many good rounds of the same kind, but for the first.
func someRounds(n int, handover, own, both float64) []round {
	var all []round
	for i := range n {
		r := round{handover: handover, pingPong: 2 * handover, retry: 25, swept: 0.8, alone: 5, hammered: 7.5, rows: map[string]map[int]float64{}}
		for _, row := range rows {
			r.rows[row.name] = map[int]float64{1: own, 2: both, 4: both}
		}
		if i < fewest-1 {
			r.rows["uniform"][8] = 7
		}
		if i == 0 {
			r.rows["admitted"] = map[int]float64{1: 1000 * own}
		}
		all = append(all, r)
	}
	return all
}

func exemplary() *results {
	r := &results{
		Date: "2026-01-31", Go: "go1.26.0", System: "linux/amd64", CPU: "Some CPU", Cores: 2, Commit: "0123456789ab",
		Command: "go run ./internal/scaling", Rounds: 9, Dropped: 1, Windows: 100, Thrown: 10,
		Caches: [2]float64{1 << 20, 1 << 25},
	}
	r.summarize(append(someRounds(5, 10, 40, 25), someRounds(4, 100, 40, 50)...), []int{1, 2, 4, 8})
	return r
}

func TestSummarize(t *testing.T) {
	r := exemplary()
	if len(r.Places) != 2 || r.Places[0].Name != "near" || r.Places[1].Name != "far" {
		t.Fatalf("%+v", r.Places)
	}
	p := r.Places[1]
	want := distance{Handover: 100, Keep: 45, Private: 1 << 25, Swept: 0.8} // two additions take 15 and not 5, so 10 of a move each
	if p.distance != want || p.Rounds != 4 || p.PingPong != 200 || p.Retry != 25 {
		t.Errorf("%+v", p)
	}
	if got := p.Rows["refused"][2]; got != (spread{50, 50, 50}) {
		t.Errorf("refused, two callers: %+v", got)
	}
	// One outlier, and one figure that is missing, change no median.
	if got := p.Rows["admitted"]; got[1].Median != 40 || got[2].Median != 50 {
		t.Errorf("admitted: %+v", got)
	}
	if got, ok := p.Rows["uniform"][8]; ok {
		t.Errorf("uniform, eight callers, in %d rounds: %+v", fewest-1, got)
	}
	few := new(results)
	few.summarize(someRounds(fewest-1, 10, 40, 25), []int{1, 2})
	if len(few.Places) != 0 {
		t.Errorf("%d rounds make a place: %+v", fewest-1, few.Places)
	}
}

func TestPredictions(t *testing.T) {
	all := exemplary().predictions()
	modelled := 0
	for _, row := range rows {
		if row.model != nil {
			modelled++
		}
	}
	if len(all) != 2*modelled { // two places, two callers; four callers are more than there are cores
		t.Fatalf("%d predictions of %d rows", len(all), modelled)
	}
	for _, p := range all {
		if p.row.name == "apart" && p.place.Name == "near" && (p.says != 20 || !near(p.off(), -0.2, 1e-9)) {
			t.Errorf("says %v, off by %v", p.says, p.off())
		}
	}
}

func TestTables(t *testing.T) {
	r := exemplary()
	measured, predicted := r.measured(), r.predicted()
	for _, want := range []string{
		"on linux/amd64, Some CPU, 2 cores, at commit 0123456789ab: medians of 9 rounds of\n\n    go run ./internal/scaling\n",
		"Of 100 windows 10 were thrown away because a caller stood still in them, and 1 rounds",
		"\n| measured apart from all rows | near (5 rounds) | far (4 rounds) |\n| --- | ---: | ---: |\n| *h*: one line moves, and nobody else wants it | 10.0 ns | 100 ns |\n",
		"\n| *k*: how long a core keeps a line that is asked for, from these three | 0.00 ns | 45.0 ns |\n",
		"\n| cache that the two cores do not share | 1 MiB | 32 MiB |\n",
		"\n**Near.** One line moves in 10.0 ns;",
		"\n| nothing shared: a Limiter for each caller, refused | 40.0 ns | 2 | 20.0 ns | 25.0 ns (25.0–25.0) | -20 % | 1.60 |\n",
		// 40 + 2 · 100 / (1 + 45/40), of two callers
		"\n| one hot key, admitted | 40.0 ns | 2 | 67.1 ns | 50.0 ns (50.0–50.0) | +34 % | 0.80 |\n",
		"\n**More callers than cores.** GOMAXPROCS is the number of callers, 2 cores.\n",
		"| load | 2 callers, near | 4 callers, near | 8 callers, near | 2 callers, far |",
		"| one hot key, admitted | 25.0 ns (25.0–25.0) | 25.0 ns (25.0–25.0) | not measured |",
	} {
		if !strings.Contains(measured, want) {
			t.Errorf("no %q in\n%s", want, measured)
		}
	}
	for _, want := range []string{
		"**Predicted, not measured**",
		"| load | 1 core, measured | 8, near | 16, near | 8, far | 16, far | 64, far | 64, other socket |\n",
		"\n| one hot key, admitted | 25.0 | 50.0 (2.00) | 50.0 (2.00) | 5.00 (0.20) | 5.00 (0.20) | 5.00 (0.20) | 2.50 (0.10) |\n",
		"\n| nothing shared: a Limiter for each caller, refused | 25.0 | 200 (8.00) | 400 (16.0) |",
	} {
		if !strings.Contains(predicted, want) {
			t.Errorf("no %q in\n%s", want, predicted)
		}
	}
	if strings.Contains(predicted, "sync.Mutex") {
		t.Errorf("a row without a model is predicted:\n%s", predicted)
	}
}

// A run on a machine that stayed in one place says what it knows, and takes the
// other distance from what was published.
func TestOnePlace(t *testing.T) {
	for i, want := range []string{
		"A line moves in 10.0 ns *near*, in 107 ns *far*, and in 200 ns to the *other socket*.",
		"A line moves in 23.0 ns *near*, in 100 ns *far*, and in 200 ns to the *other socket*.",
	} {
		r := exemplary()
		r.Places = r.Places[i : i+1]
		if text := r.measured() + r.predicted(); !strings.Contains(text, want) || strings.Count(text, "One line moves in") != 1 || strings.Contains(text, "NaN") {
			t.Errorf("no %q, or more, in\n%s", want, text)
		}
		if near, far, _ := r.distances(); near.Private != 1<<20 || far.Private != 1<<25 {
			t.Errorf("caches: %+v, %+v", near, far)
		}
	}
}

func TestFill(t *testing.T) {
	r := exemplary()
	page := "above\n<!-- measured: generated by go run ./internal/scaling -->\nold\n<!-- end of measured -->\nbetween\n" +
		"<!-- predicted: generated by go run ./internal/scaling -->\n<!-- end of predicted -->\nbelow\n"
	got, err := r.fill(page)
	if err != nil || !strings.HasPrefix(got, "above\n<!-- measured") || !strings.HasSuffix(got, "<!-- end of predicted -->\nbelow\n") ||
		strings.Contains(got, "\nold\n") || !strings.Contains(got, "\nbetween\n") {
		t.Errorf("%v\n%s", err, got)
	}
	if again, err := r.fill(got); again != got || err != nil {
		t.Errorf("a second time: %v\n%s", err, again)
	}
	for _, bad := range []string{
		"", page + page, page[strings.Index(page, "between"):], strings.Replace(page, "<!-- end of measured -->\n", "", 1),
		"<!-- measured: generated by go run ./internal/scaling -->\n" + page, page + "<!-- end of predicted -->\n",
	} {
		if got, err := r.fill(bad); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

// The page says what the results say.
func TestPage(t *testing.T) {
	if err := checkPage("../.."); err != nil {
		t.Error(err)
	}
}

func TestResultsKeepEverything(t *testing.T) {
	text, err := json.Marshal(exemplary())
	if err != nil {
		t.Fatal(err)
	}
	got := new(results)
	if err := json.Unmarshal(text, got); err != nil || !reflect.DeepEqual(got, exemplary()) {
		t.Errorf("%v\n%+v", err, got)
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{9, 1, 5, 3, 7}
	for p, want := range map[float64]float64{0: 1, 0.25: 3, 0.5: 5, 0.625: 6, 1: 9} {
		if got := quantile(values, p); got != want {
			t.Errorf("%v: %v, want %v", p, got, want)
		}
	}
	if values[0] != 9 {
		t.Error("the values have been sorted in place")
	}
}

// A window in which a caller stands still says so; a window counts no decision
// that was begun before it or ended after it.
func TestTogether(t *testing.T) {
	spin := func(d time.Duration) {
		for start := time.Now(); time.Since(start) < d; {
		}
	}
	const window = time.Millisecond
	if _, ok := together([]load{func(int) { spin(window / 5) }}, 1, window); ok {
		t.Error("a caller that stands still for a fifth of the window is not noticed")
	}
	if _, ok := together([]load{idle, func(int) { spin(window / 5) }}, 2, window); ok {
		t.Error("the second caller is not looked at")
	}
	// The first begins before the window, and the second ends after it. If the system
	// is late to begin at all, already the first ends after it.
	if nanos, _ := together([]load{func(int) { spin(window * 11 / 10) }}, 1, window); nanos != float64(window) {
		t.Errorf("decisions at the edges of the window were counted: %v ns each", nanos)
	}
	// Only what callers decide counts.
	if nanos, _ := together([]load{func(int) { spin(window * 11 / 10) }}, 2, window); nanos != float64(window) {
		t.Errorf("what an idle core does was counted: %v ns each", nanos)
	}
}

// Each row does what it is called, and a row that does not is found out.
func TestWorld(t *testing.T) {
	w, err := newWorld(2, 2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.check(); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for caller := range 2 {
			row.load(w, caller)(300)
		}
		if err := w.check(); err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
	}
	if s := w.refuses.Stats(); s.Refused != 1800 || s.Admitted != 1 { // three rows, two callers
		t.Errorf("refused: %+v", s)
	}
	if s := w.million.Stats(); s.Admitted != 1+2*1000+4*300 || s.Keys != 1001 { // hotKey among them
		t.Errorf("many keys: %+v", s)
	}
	bounded := w.bounded
	for _, c := range []struct { // each is looked at before those above it
		want  string
		spoil func()
	}{
		{"flood: it never reached the memory bound", func() { w.bounded = w.admits }},
		{"1 M keys: 1 tables were replaced", func() { w.migrations-- }},
		{"refused: 2 requests were admitted", func() { w.refuses.Reset(hotKey); w.refuses.Allow(hotKey) }},
		{"flood: 1 requests were refused", func() { w.bounded = bounded; w.bounded.AllowN(hotKey, -1) }},
		{"admitted, coarse: 1 requests were refused", func() { w.admitsCoarse.AllowN(hotKey, -1) }},
	} {
		c.spoil()
		if err := w.check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

// The number of shards is told by what a change of quota replaces.
func TestSwept(t *testing.T) {
	w, err := newWorld(2, 2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	replaced := int64(0)
	for _, minutes := range []time.Duration{1, 2} {
		before := w.bounded.Stats().Migrations
		if err := w.bounded.SetQuota(weir.Quota{Limit: 1, Period: minutes * time.Minute, Burst: 7e6}); err != nil {
			t.Fatal(err)
		}
		replaced = w.bounded.Stats().Migrations - before
	}
	if float64(replaced) != w.shards {
		t.Errorf("%v shards, but %d tables were replaced", w.shards, replaced)
	}
	w.shards = 4 // of 10 chunks each
	before := weir.Stats{Bytes: 9 * 4 * 256, Migrations: 5, Admitted: 100}
	after := weir.Stats{Bytes: 11 * 4 * 256, Migrations: 11, Admitted: 220}
	if got := w.swept(before, after); got != 0.5 {
		t.Errorf("6 tables of 10 chunks in 120 keys: %v a key", got)
	}
}
