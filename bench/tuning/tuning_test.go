package tuning

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every trial must still find the code that it changes, and what it makes of it must
// compile. (Its tests are compiled where it is measured: that takes five times as long.)
func TestTrialsApply(t *testing.T) {
	r := &Runner{Root: filepath.Join("..", ".."), dir: t.TempDir()}
	seen := map[string]bool{}
	for _, trial := range Trials {
		if seen[trial.Name] {
			t.Errorf("two trials are called %s", trial.Name)
		}
		seen[trial.Name] = true
		for _, row := range trial.Rows {
			if names[row.Bench] == "" {
				t.Errorf("trial %s: %s has no name in the text", trial.Name, row.Bench)
			}
		}
		t.Run(trial.Name, func(t *testing.T) {
			t.Parallel()
			src, err := r.copy(trial)
			if err == nil {
				err = compile(src, "build", ".")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// An edit whose text is not there, or is there twice, is an error.
func TestEditMustMatchOnce(t *testing.T) {
	for _, text := range []string{"", "a b a"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := Trial{Name: "x", Edits: []Edit{{"x.go", "a", "b"}}}.apply(dir)
		if err == nil || !strings.Contains(err.Error(), "x.go") {
			t.Errorf("in %q: %v", text, err)
		}
	}
}

func TestCompare(t *testing.T) {
	const n = 10
	for _, c := range []struct {
		factor float64
		claim  claim
		holds  bool
		says   string
	}{
		{1.10, worse, true, "**+10 %**"},
		{1.10, better, false, "**+10 %**"},
		{0.90, better, true, "**-10 %**"},
		{0.90, worse, false, "**-10 %**"},
		{1, worse, false, "no difference shown"},
		{1, open, true, "no difference shown"},
	} {
		m := Measured{Bench: admitted.Bench, Unit: "ns/op", Claim: c.claim}
		for i := range n {
			noise := 1 + 0.001*float64(i)
			if err := m.add(map[string]float64{"ns/op": 40 * noise}, false); err != nil {
				t.Fatal(err)
			}
			if err := m.add(map[string]float64{"ns/op": 40 * noise * c.factor}, true); err != nil {
				t.Fatal(err)
			}
		}
		m.compare()
		if got := m.String(); !strings.Contains(got, c.says) || !strings.HasPrefix(got, "hot key, admitted: 40.2 ns → ") {
			t.Errorf("× %v: %s", c.factor, got)
		}
		if err := m.holds(); (err == nil) != c.holds {
			t.Errorf("× %v, claimed %q: %v", c.factor, c.claim, err)
		}
	}
}

func TestMissingMetric(t *testing.T) {
	m := Measured{Bench: grow.Bench, Unit: "p99.9-ns"}
	if err := m.add(map[string]float64{"ns/op": 1}, true); err == nil {
		t.Error("a benchmark without the metric was taken")
	}
}
