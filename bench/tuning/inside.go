package tuning

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// profile tells where the time of a decision on a hot key goes, by pprof.
func (r *Runner) profile() (shares []Share, err error) {
	file := filepath.Join(r.dir, "cpu.prof")
	run := exec.Command(r.head, "-test.run", "^$", "-test.bench", "^BenchmarkAllow$/^clock=exact$/^outcome=admitted$",
		"-test.benchtime", "3s", "-test.cpuprofile", file)
	run.Dir = r.dir
	if text, err := run.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("profile: %w\n%s", err, text)
	}
	text, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=12", r.head, file).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	// flat flat% sum% cum cum% name
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 6 || !strings.HasSuffix(f[1], "%") || !strings.HasSuffix(f[4], "%") {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimSuffix(f[1], "%"), 64)
		if err != nil || percent < 1 {
			continue
		}
		shares = append(shares, Share{Function: f[5], Percent: percent})
	}
	if len(shares) == 0 {
		return nil, fmt.Errorf("go tool pprof: nothing in it:\n%s", text)
	}
	return shares, nil
}

var (
	call   = regexp.MustCompile(`\sCALL\s+([^\s(]+(?:\([^)]*\))?[^\s(]*)`)
	locked = regexp.MustCompile(`\s(LOCK|XCHG[LQ]|LDADDAL|CASALD|LDADDALD)\b`)
	bounds = regexp.MustCompile(`\sCALL\s+runtime\.panic(Index|Slice|Bounds)`)
)

// assembly counts what allow is made of, by go tool objdump.
func assembly(binary string) (Assembly, error) {
	text, err := exec.Command("go", "tool", "objdump", "-s", `^github\.com/weirhq/weir\.\(\*Limiter\)\.allow$`, binary).Output()
	if err != nil {
		return Assembly{}, fmt.Errorf("go tool objdump: %w", err)
	}
	var a Assembly
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "0x") {
			continue
		}
		a.Instructions++
		switch {
		case bounds.MatchString(line):
			a.BoundsChecks++
		case locked.MatchString(line):
			a.Locked++
		case call.MatchString(line):
			a.Calls = append(a.Calls, call.FindStringSubmatch(line)[1])
		}
	}
	if a.Instructions == 0 {
		return a, fmt.Errorf("go tool objdump: no (*Limiter).allow in it")
	}
	return a, nil
}
