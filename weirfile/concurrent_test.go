package weirfile

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/weirhq/weir"
)

// Eight callers spend on every key while the file is reloaded a hundred times.
// The clock stands still and all intervals are multiples of each other, so what
// a key is admitted is exact: the largest burst that it ever had, however often
// it went up and down.
func TestReloadWhileServing(t *testing.T) {
	limiter := newLimiter(t, stopped)
	users := limiter.Limiter(weir.User)
	contents := [2]string{
		quotaFile("200/1m", `"user": {"override": "400/1m", "comes and goes": "800/1m"}`),
		quotaFile("100/1m", `"user": {"override": "50/1m", "always": "25/1m"}`),
	}
	f, _ := newFile(t, limiter, contents[0])

	keys := []string{"none", "override", "comes and goes", "always"}
	allowed := [][]int64{{200, 100}, {400, 50}, {800, 100}, {200, 25}} // Limits, by key
	admitted, seen := make([]atomic.Int64, len(keys)), make([][2]atomic.Int64, len(keys))
	var stop atomic.Bool
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for !stop.Load() {
				for i, key := range keys {
					d := users.Allow(key)
					switch d.Limit {
					case allowed[i][0]:
						seen[i][0].Add(1)
					case allowed[i][1]:
						seen[i][1].Add(1)
					default:
						t.Errorf("%s is limited to %d", key, d.Limit)
						stop.Store(true)
					}
					if d.Allowed {
						admitted[i].Add(1)
					}
				}
				runtime.Gosched()
			}
		})
	}
	for round := range 100 {
		reload(t, f, contents[(round+1)%2])
		for i, key := range keys { // what begins after Reload is by the new file
			if d := users.Peek(key); d.Limit != allowed[i][(round+1)%2] {
				t.Fatalf("round %d: %s is limited to %d", round, key, d.Limit)
			}
		}
	}
	stop.Store(true)
	callers.Wait()

	for i, key := range keys {
		n := admitted[i].Load() + int64(burstOf(users, key)) // under contents[0] again
		if want := allowed[i][0]; n != want {
			t.Errorf("%s was admitted %d times, want %d", key, n, want)
		}
		if seen[i][0].Load() == 0 || seen[i][1].Load() == 0 {
			t.Errorf("the callers saw %s under its two quotas %d and %d times", key, seen[i][0].Load(), seen[i][1].Load())
		}
	}
}

// Reload calls run one after the other, each reads the file after the one before,
// so when all have returned, what is in force is what is in the file.
func TestConcurrentReloads(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be replaced here")
	}
	limiter := newLimiter(t, stopped)
	f, path := newFile(t, limiter, quotaFile("1000/1m", ""))
	var calls sync.WaitGroup
	for g := range 4 {
		calls.Go(func() {
			for i := range 25 {
				n := 100*g + i + 1
				replace(t, path, quotaFile(fmt.Sprintf("%d/1m", n), fmt.Sprintf(`"user": {"key": "%d/1m"}`, 1000+n)))
				if err := f.Reload(); err != nil {
					t.Error(err)
				}
				c := f.Config()
				if q := c.Quota(weir.User); c.Quota(weir.IP) != q {
					t.Errorf("a config of two files: %v and %v", q, c.Quota(weir.IP))
				}
			}
		})
	}
	calls.Wait()
	data, err := read(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range partitions {
		if q := limiter.Limiter(part).Quota(); q != want.Quota(part) {
			t.Errorf("%v has %v, and the file %v", part, q, want.Quota(part))
		}
	}
	for o := range want.Overrides() {
		if d := limiter.Limiter(weir.User).Peek(o.Key); d.Limit != o.Quota.Limit {
			t.Errorf("%s has %d, and the file %d", o.Key, d.Limit, o.Quota.Limit)
		}
	}
}
