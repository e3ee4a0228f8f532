package redisbench

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/weirhq/weir/bench/figures"
)

// A Report is one run of everything.
type Report struct {
	Date    string        `json:"date"` // 2026-01-31
	Go      string        `json:"go"`
	System  string        `json:"system"`
	CPU     string        `json:"cpu"`
	Cores   int           `json:"cores"`
	Server  string        `json:"server"`
	Commit  string        `json:"commit"`
	Command string        `json:"command"` // in bench/
	Quick   bool          `json:"quick"`
	Rounds  int           `json:"rounds"`
	For     time.Duration `json:"forNs"` // a round measured a job
	Keys    int           `json:"keys"`  // that were drawn from

	Subjects  []Described     `json:"subjects"`
	Loads     []DescribedLoad `json:"loads"`
	Cells     []Cell          `json:"cells"`
	Shortcuts []ShortcutCell  `json:"shortcuts"`
}

// A Described subject is who was measured.
type Described struct {
	Name    string `json:"name"`
	Module  string `json:"module"`
	Version string `json:"version"`
	Client  string `json:"client"`
	Counts  string `json:"counts"`
	Kind    Kind   `json:"kind"`
}

// A DescribedLoad is what they were measured under.
type DescribedLoad struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	Quota string `json:"quota"`
}

// cell is what was measured of a subject, nil if nothing was.
func (r *Report) cell(subject, load string, at Point) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Subject == subject && c.Load == load && c.At == at && c.Rounds > 0 {
			return c
		}
	}
	return nil
}

// Faults is what must not be in any run, however quick: weirredis admitted more than
// the quota, or a run failed.
func (r *Report) Faults() []string {
	var faults []string
	for _, c := range r.Cells {
		where := fmt.Sprintf("%s, %s, %v: ", c.Subject, c.Load, c.At)
		if c.Ended != "" {
			faults = append(faults, where+c.Ended)
		}
		// Who did not hear from the server in time decided by its fallback, which
		// promises less.
		if fault := c.Check.Fault(); fault != "" && r.kind(c.Subject) == Ours && c.FellBack == 0 {
			faults = append(faults, where+fault)
		}
	}
	return faults
}

func (r *Report) kind(subject string) Kind {
	for _, s := range r.Subjects {
		if s.Name == subject {
			return s.Kind
		}
	}
	return ""
}

func (p Point) String() string {
	if p.Processes == 1 {
		return fmt.Sprintf("%d", p.Callers)
	}
	return fmt.Sprintf("%d × %d", p.Processes, p.Callers)
}

// ResultsFile is where the report's JSON lies, in the directory of the docs.
func ResultsFile(docs string) string { return filepath.Join(docs, "benchmarks", "redis.json") }

// LoadFile reads a report from the file that [Report.Save] has written.
func LoadFile(file string) (*Report, error) { return figures.Load[Report](file) }

// Save writes the report as JSON, always the same for the same report, and makes the
// directory if it is not there.
func (r *Report) Save(file string) error { return figures.Save(file, r) }
