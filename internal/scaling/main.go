// Scaling checks the argument of docs/scaling.md. It measures decisions on one core
// and what a cache line costs that two cores write, predicts from these alone what
// several callers get, and measures that too.
//
//	go run ./internal/scaling          # from the top of the repository; under 3 minutes
//	go run ./internal/scaling -for 1h  # until a busy machine has had enough quiet moments
//	go run ./internal/scaling -quick   # 20 s; prints, and writes nothing
//	go run ./internal/scaling -render  # measures nothing: the tables of the page from the JSON
//	go run ./internal/scaling -check   # fails if the tables are not what the JSON says
//
// Others may use the machine meanwhile: a window in which a caller stood still is
// thrown away, and the page says how many were.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

const (
	pageFile    = "docs/scaling.md"
	resultsFile = "docs/benchmarks/scaling.json"
)

func main() {
	long := flag.Duration("for", 140*time.Second, "how `long` to take rounds")
	quick := flag.Bool("quick", false, "take rounds for 15 s, print the tables and write nothing")
	render := flag.Bool("render", false, "measure nothing: write the tables of "+pageFile+" from "+resultsFile)
	check := flag.Bool("check", false, "measure and write nothing: fail if "+pageFile+" is not what "+resultsFile+" says")
	flag.Parse()
	var err error
	switch {
	case *check:
		err = checkPage(".")
	case *render:
		err = renderPage()
	default:
		if *quick {
			*long = 15 * time.Second
		}
		err = measurePage(*long, *quick)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "scaling:", err)
		os.Exit(1)
	}
}

// checkPage compares the page with the results, in the repository at root.
func checkPage(root string) error {
	r, err := readResults(filepath.Join(root, resultsFile))
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(root, pageFile))
	if err != nil {
		return err
	}
	fresh, err := r.fill(string(page))
	if err == nil && fresh != string(page) {
		err = fmt.Errorf("the tables are not what %s says; go run ./internal/scaling -render", resultsFile)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", pageFile, err)
	}
	return nil
}

func renderPage() error {
	r, err := readResults(resultsFile)
	if err != nil {
		return err
	}
	return r.writePage()
}

func measurePage(long time.Duration, quick bool) error {
	if _, err := os.Stat(pageFile); err != nil { // now, and not in some minutes
		return fmt.Errorf("run it from the top of the repository: %w", err)
	}
	r, err := measure(long)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%s", r.measured(), r.predicted())
	if quick {
		return nil
	}
	if err := r.save(resultsFile); err != nil {
		return err
	}
	return r.writePage()
}

// measure takes rounds for so long and sums them up.
func measure(long time.Duration) (*results, error) {
	cores := runtime.NumCPU()
	if cores < 2 {
		return nil, fmt.Errorf("one core: nothing to contend for")
	}
	callers := []int{1}
	for n := 2; n < cores; n *= 2 {
		callers = append(callers, n)
	}
	callers = append(callers, cores, 2*cores, 4*cores)
	w, err := newWorld(4*cores, cores, manyKeys)
	if err != nil {
		return nil, err
	}
	m := &meter{world: w, callers: callers, cores: cores}
	rounds := m.measure(long)
	if err := w.check(); err != nil {
		return nil, err
	}
	r := &results{
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		CPU: cpu(), Cores: cores, Commit: commit(), Command: strings.Join(append([]string{"go run ./internal/scaling"}, os.Args[1:]...), " "),
		Rounds: len(rounds), Dropped: m.dropped, Windows: m.windows, Thrown: m.thrown,
	}
	r.Caches = [2]float64{cache(2, 1<<20), cache(3, 32<<20)}
	r.summarize(rounds, callers)
	if len(r.Places) == 0 {
		return nil, fmt.Errorf("fewer than %d undisturbed rounds: the machine is too busy; try -for 10m", fewest)
	}
	return r, nil
}

// cache is the size of a cache of that level in bytes, and a guess where the
// system does not tell it in a file.
func cache(level int, guess float64) float64 {
	files, _ := filepath.Glob("/sys/devices/system/cpu/cpu0/cache/index*")
	for _, dir := range files {
		at, _ := os.ReadFile(filepath.Join(dir, "level"))
		size, _ := os.ReadFile(filepath.Join(dir, "size"))
		kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(string(size)), "K"))
		if strings.TrimSpace(string(at)) == strconv.Itoa(level) && err == nil {
			return float64(kib) * 1024
		}
	}
	return guess
}

// cpu is the processor's name where the system tells it in a file.
func cpu() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// commit is the commit of the source, and whether it has been changed since.
func commit() string {
	hash, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	text := strings.TrimSpace(string(hash))
	if changes, err := exec.Command("git", "status", "--porcelain", "--", "*.go").Output(); err != nil || len(changes) > 0 {
		text += " with changes"
	}
	return text
}

// results are what docs/benchmarks/scaling.json keeps. Times are in nanoseconds,
// those of rows between decisions of all callers together.
type results struct {
	Date    string `json:"date"`
	Go      string `json:"go"`
	System  string `json:"system"`
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Commit  string `json:"commit"`
	Command string `json:"command"`

	Rounds  int `json:"rounds"`
	Dropped int `json:"dropped"` // rounds: no two callers had a core each, or they were moved meanwhile
	Windows int `json:"windows"`
	Thrown  int `json:"thrown"` // windows in which a caller stood still

	Caches [2]float64 `json:"caches"` // bytes of the second and third level
	Places []place    `json:"places"` // near before far
}

// A place is where the two cores were, relative to each other, in some rounds.
type place struct {
	Name   string `json:"name"`
	Rounds int    `json:"rounds"`
	distance
	PingPong float64                   `json:"pingPong"`
	Alone    float64                   `json:"alone"`    // one addition to a word
	Hammered float64                   `json:"hammered"` // the same between additions of two callers
	Retry    float64                   `json:"retry"`    // f
	Rows     map[string]map[int]spread `json:"rows"`     // by name and callers
}

// A spread is a median and the quartiles around it.
type spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func readResults(file string) (*results, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(results)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

func (r *results) save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func (r *results) writePage() error {
	old, err := os.ReadFile(pageFile)
	if err != nil {
		return err
	}
	fresh, err := r.fill(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", pageFile, err)
	}
	return os.WriteFile(pageFile, []byte(fresh), 0o644)
}
