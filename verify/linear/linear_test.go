package linear

import (
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

var (
	histories = flag.Int("histories", number("WEIR_VERIFY_HISTORIES", 0), "how many histories to check; 0: 20,000, or 2,000 with -short")
	budget    = flag.Duration("budget", 0, "stop early, without complaint, after so long; 0: never")
	seed      = flag.Uint64("seed", uint64(number("WEIR_VERIFY_SEED", 1)), "of the first history; each further one has the next")
)

func number(name string, otherwise int) int {
	if text := os.Getenv(name); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			panic(name + ": " + err.Error())
		}
		return n
	}
	return otherwise
}

// A tally tells whether the histories have been what they should be.
type tally struct {
	histories, ops, overlaps, overlapping int
	migrating, migrations                 int64
	modes                                 [3]int
	recording, checking                   time.Duration
}

func (y *tally) count(h *History) {
	y.histories++
	y.modes[h.Mode]++
	y.ops += len(h.Ops)
	n := h.Overlaps()
	y.overlaps += n
	y.overlapping += min(n, 1)
	y.migrations += h.Migrations
	y.migrating += min(h.Migrations, 1)
}

// TestLinearizable records histories of the real limiter and checks them.
func TestLinearizable(t *testing.T) {
	n := *histories
	if n == 0 {
		n = 20_000
		if testing.Short() {
			n = 2_000
		}
	}
	var y tally
	const batch = 100 // recorded alone, so that its callers have the processors; then checked
	start := time.Now()
	for first := 0; first < n && !t.Failed() && (*budget == 0 || time.Since(start) < *budget); first += batch {
		restore := crowd(first / batch)
		began := time.Now()
		list := make([]*History, min(batch, n-first))
		for i := range list {
			list[i] = Record(*seed + uint64(first+i))
			if list[i].Raises != 0 {
				t.Fatalf("seed %d: the memory bound was reached, which is not modeled", list[i].Seed)
			}
		}
		restore()
		y.recording += time.Since(began)
		began = time.Now()
		check(t, list)
		y.checking += time.Since(began)
		for _, h := range list {
			y.count(h)
		}
	}
	t.Logf("%d histories (clock stopped %d, forward %d, astray %d): %d operations, %d pairs of them overlapping, in %d histories; %d migrations, in %d histories; recorded in %v, checked in %v",
		y.histories, y.modes[Stopped], y.modes[Forward], y.modes[Astray], y.ops, y.overlaps, y.overlapping, y.migrations, y.migrating,
		y.recording.Round(time.Millisecond), y.checking.Round(time.Millisecond))
	if t.Failed() || y.histories < 1000 {
		return
	}
	if y.overlapping < y.histories/2 {
		t.Errorf("operations overlapped in only %d of %d histories: the callers did not meet", y.overlapping, y.histories)
	}
	if tiny && y.migrating < int64(y.histories)*3/4 {
		t.Errorf("tables were replaced in only %d of %d histories", y.migrating, y.histories)
	}
}

// crowd has every second batch recorded by more threads than there are processors. Then the system stops some of them between
// any two instructions, for so long that others do many operations; goroutines alone give way at calls only.
func crowd(batch int) (restore func()) {
	if batch%2 == 0 {
		return func() {}
	}
	before := runtime.GOMAXPROCS(4 * runtime.NumCPU())
	return func() { runtime.GOMAXPROCS(before) }
}

// check checks the histories on all processors and reports those that are not linearizable.
func check(t *testing.T, list []*History) {
	var wg sync.WaitGroup
	next := make(chan *History)
	for range 2 {
		wg.Go(func() {
			for h := range next {
				if result := h.Check(); result != porcupine.Ok {
					report(t, h, result)
				}
			}
		})
	}
	for _, h := range list {
		next <- h
	}
	close(next)
	wg.Wait()
}

func report(t *testing.T, h *History, result porcupine.CheckResult) {
	dir := os.Getenv("WEIR_VERIFY_OUT")
	if dir == "" {
		dir = os.TempDir()
	}
	file := filepath.Join(dir, "weir-history-"+strconv.FormatUint(h.Seed, 10)+".html")
	if err := h.Draw(file); err != nil {
		file = err.Error()
	}
	what := "is not linearizable"
	if result == porcupine.Unknown {
		what = "could not be checked in a minute"
	}
	t.Errorf("the history %s; picture: %s\n%v\nAgain: go test -tags weirtiny -run '^TestLinearizable$' ./linear -seed %d -histories 1, many times: scheduling is not in the seed",
		what, file, h, h.Seed)
}
