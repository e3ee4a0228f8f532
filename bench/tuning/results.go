package tuning

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Results are what was measured, and where.
type Results struct {
	Date    string `json:"date"`
	Go      string `json:"go"`
	System  string `json:"system"`
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Commit  string `json:"commit"`
	Command string `json:"command"` // in bench/

	Profile  []Share  `json:"profile"`
	Assembly Assembly `json:"assembly"`
	Trials   []Tried  `json:"trials"`
}

// A Share is the part of the time that is spent in a function itself.
type Share struct {
	Function string  `json:"function"`
	Percent  float64 `json:"percent"`
}

// Assembly is what allow is compiled to.
type Assembly struct {
	Instructions int      `json:"instructions"`
	Locked       int      `json:"locked"`
	BoundsChecks int      `json:"boundsChecks"`
	Calls        []string `json:"calls"`
}

// Tried is a trial with its figures.
type Tried struct {
	Name string     `json:"name"`
	Rows []Measured `json:"rows"`
}

// Measured is a row of a trial: medians of so many rounds, and how likely it is
// that two samples of the same thing differ as much.
type Measured struct {
	Bench  string  `json:"bench"`
	Unit   string  `json:"unit"`
	Claim  claim   `json:"claim,omitempty"`
	Head   float64 `json:"head"`
	Trial  float64 `json:"trial"`
	P      float64 `json:"p"`
	Rounds int     `json:"rounds"`

	head, trial []float64
}

func (m Measured) String() string {
	return fmt.Sprintf("%s: %s → %s, %s", m.name(), m.value(m.Head), m.value(m.Trial), m.change())
}

// names are how rows are called in the text.
var names = map[string]string{
	admitted.Bench: "hot key, admitted", refused.Bench: "hot key, refused", coarse.Bench: "coarse clock, admitted",
	pair.Bench: "refused, 2 callers", million.Bench: "1 M keys at random", grow.Bench: "growing to 2 M keys",
	perKey.Bench: "memory a key", "Batch/reading=each": "hot key, AllowAt", "Batch/reading=shared": "hot key, AllowAt",
}

func (m Measured) name() string {
	name := names[m.Bench]
	if p, ok := strings.CutSuffix(m.Unit, "-ns"); ok {
		name += ", " + p
	}
	return name
}

func (m Measured) value(v float64) string {
	switch {
	case m.Unit == "B/key":
		return fmt.Sprintf("%.1f B", v)
	case strings.HasPrefix(m.Bench, "Grow") && m.Unit == "ns/op":
		return fmt.Sprintf("%.0f ns", v/2e6) // one op is 2 M decisions
	case v >= 1e6:
		return fmt.Sprintf("%.2f ms", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%.1f µs", v/1e3)
	}
	return fmt.Sprintf("%.1f ns", v)
}

func (m Measured) change() string {
	if m.P >= significant {
		return fmt.Sprintf("no difference shown (p %.2f)", m.P)
	}
	return fmt.Sprintf("**%+.0f %%** (p %.3f)", (m.Trial/m.Head-1)*100, m.P)
}

// Markdown is the section on tuning of docs/benchmarks.md.
func (r *Results) Markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("## Tuning\n\n")
	p("Why the hot path is as it is: each decision undone, or another way tried, in a copy of the code, and both measured in\nturn. Arrows lead from the code as it is to the trial. ")
	p("Measured on %s with %s on %s, %s, %d cores, at commit %s by\n\n    %s\n\n", r.Date, r.Go, r.System, r.CPU, r.Cores, r.Commit, r.Command)
	p("### Where the time goes\n\nA hot key, admitted, by pprof; what is inlined counts to where it is inlined:\n\n| function | of the time |\n| --- | ---: |\n")
	for _, s := range r.Profile {
		p("| `%s` | %.0f %% |\n", strings.TrimPrefix(s.Function, "github.com/weirhq/weir/"), s.Percent)
	}
	a := r.Assembly
	p("\n`(*Limiter).allow` is %d instructions with %d locked ones, %d bounds checks, and calls of %s.\n\n",
		a.Instructions, a.Locked, a.BoundsChecks, calls(a.Calls))
	p("### Trials\n\n")
	for _, tried := range r.Trials {
		t, ok := find(tried.Name)
		if !ok {
			continue
		}
		p("**%s%s.** %s\n\n", strings.ToUpper(t.Title[:1]), t.Title[1:], t.Why)
		for _, m := range tried.Rows {
			p("- %s\n", m)
		}
		p("\n")
	}
	return b.String()
}

// calls lists each function that is called once.
func calls(names []string) string {
	var list []string
	seen := map[string]bool{}
	for _, n := range names {
		n = "`" + strings.TrimPrefix(n, "github.com/weirhq/weir/") + "`"
		if !seen[n] && !strings.Contains(n, "morestack") {
			seen[n] = true
			list = append(list, n)
		}
	}
	return strings.Join(list, ", ")
}

func find(name string) (Trial, bool) {
	for _, t := range Trials {
		if t.Name == name {
			return t, true
		}
	}
	return Trial{}, false
}

// Load reads what Save has written.
func Load(file string) (*Results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Save writes the results as JSON.
func (r *Results) Save(file string) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
