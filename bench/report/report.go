// Package report turns results into what people read: docs/benchmarks.md, its
// charts, and the table in the README. All of it comes from one file of JSON,
// so that it can be made again and checked.
package report

import (
	"github.com/weirhq/weir/bench/figures"
	"github.com/weirhq/weir/bench/subject"
	"github.com/weirhq/weir/bench/workload"
)

// A Report is one run of everything.
type Report struct {
	Date    string         `json:"date"` // 2026-01-31
	Go      string         `json:"go"`   // go1.26.0
	System  string         `json:"system"`
	CPU     string         `json:"cpu"`
	Cores   int            `json:"cores"`
	Commit  string         `json:"commit"`
	Command string         `json:"command"` // in bench/
	Quick   bool           `json:"quick"`
	Rounds  int            `json:"rounds"`
	Setup   workload.Setup `json:"setup"`

	Subjects  []Subject `json:"subjects"`
	Workloads []Load    `json:"workloads"`
	Cells     []Cell    `json:"cells"`
}

// A Subject is who was measured.
type Subject struct {
	Name      string `json:"name"`
	Module    string `json:"module"`
	Version   string `json:"version"`
	Keeps     string `json:"keeps"`
	Apart     bool   `json:"apart"` // keeps keys apart, whoever chooses them
	Cleans    string `json:"cleans"`
	Exact     string `json:"exact"`
	Reference bool   `json:"reference"`
}

// A Load is what it was measured under.
type Load struct {
	Name    string `json:"name"`
	What    string `json:"what"`
	Callers int    `json:"callers"`
}

// Describe notes subjects and workloads as the report needs them.
func (r *Report) Describe(subjects []subject.Subject, workloads []workload.Workload) {
	for _, s := range subjects {
		r.Subjects = append(r.Subjects, Subject{
			Name: s.Name, Module: s.Module, Version: s.Version(), Keeps: s.Keeps.String(),
			Apart:  s.Keeps == subject.Text || s.Keeps == subject.KeyedHash,
			Cleans: s.Cleans, Exact: s.Exact, Reference: s.Reference(),
		})
	}
	for _, w := range workloads {
		r.Workloads = append(r.Workloads, Load{Name: w.Name, What: w.What, Callers: w.Callers()})
	}
}

// ours reports whether the subject is this repository's limiter.
func (s Subject) ours() bool { return s.Module == "github.com/weirhq/weir" }

// cell is what was measured of a subject under a workload, nil if nothing.
func (r *Report) cell(subject, load string) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Subject == subject && c.Workload == load {
			return c
		}
	}
	return nil
}

// has reports whether the workload was run.
func (r *Report) has(load string) bool {
	for _, w := range r.Workloads {
		if w.Name == load {
			return true
		}
	}
	return false
}

// LoadFile reads a report from the file that [Report.Save] has written.
func LoadFile(file string) (*Report, error) { return figures.Load[Report](file) }

// Save writes the report as JSON, always the same for the same report, and makes
// the directory if it is not there.
func (r *Report) Save(file string) error { return figures.Save(file, r) }
