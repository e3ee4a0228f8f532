package report

import (
	"os"
	"os/exec"
	"strings"
)

// CPU is the processor's name where the system tells it in a file.
func CPU() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Commit is the commit of the source, and whether it has been changed since: what is
// measured always, or one of the paths given.
func Commit(also ...string) string {
	hash, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	text := strings.TrimSpace(string(hash))
	paths := append([]string{"status", "--porcelain", "--", ".", "../*.go", "../internal"}, also...)
	if changes, err := exec.Command("git", paths...).Output(); err != nil || len(changes) > 0 {
		text += " with changes"
	}
	return text
}
