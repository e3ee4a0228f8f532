package weirfile

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

func TestOpenApplies(t *testing.T) {
	limiter := newLimiter(t, stopped)
	f, _ := newFile(t, limiter, good)
	for _, test := range []struct {
		part weir.Partition
		key  string
		want int
	}{
		{weir.Business, "42", 500}, {weir.Business, "43", 600}, {weir.Business, "44", 300},
		{weir.BusinessIntake, "42", 20}, {weir.User, "42", 7},
		{weir.IP, "203.0.113.7/32", 30}, {weir.IP, "2001:db8::/64", 31}, {weir.IP, "unknown", 32}, {weir.IP, "203.0.113.8/32", 1},
	} {
		if n := burstOf(limiter.Limiter(test.part), test.key); n != test.want {
			t.Errorf("%v %s admits %d, want %d", test.part, test.key, n, test.want)
		}
	}
	if q := f.Config().Quota(weir.User); q != weir.PerSecond(7) {
		t.Errorf("Config has %v for users", q)
	}
}

func TestApply(t *testing.T) {
	config, err := Parse([]byte(quotaFile("9/1m",
		`"user": {"a": "20/1m", "over": {"quota": "20/1m", "until": "2001-01-01T00:00:00Z"}, "to come": {"quota": "20/1m", "until": "9001-01-01T00:00:00Z"}}`)))
	if err != nil {
		t.Fatal(err)
	}
	limiter := newLimiter(t, stopped)
	users := limiter.Limiter(weir.User)
	if err := users.SetKeyQuota("mine", weir.PerMinute(3)); err != nil {
		t.Fatal(err)
	}
	if err := config.Apply(limiter); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]int{"a": 20, "over": 9, "to come": 20, "mine": 3, "other": 9} {
		if n := burstOf(users, key); n != want {
			t.Errorf("%s admits %d, want %d", key, n, want)
		}
	}
}

func TestReloadAppliesDifferences(t *testing.T) {
	limiter := newLimiter(t, stopped)
	users := limiter.Limiter(weir.User)
	set := func(key string, n int64) {
		t.Helper()
		if err := users.SetKeyQuota(key, weir.PerMinute(n)); err != nil {
			t.Fatal(err)
		}
	}
	set("mine", 101)    // never in the file
	set("adopted", 102) // will be
	f, _ := newFile(t, limiter, quotaFile("9/1m", `"user": {"same": "20/1m", "changed": "20/1m", "gone": "20/1m", "void": "20/1m"}`))
	set("same", 103)    // the file will not say otherwise
	set("changed", 104) // the file will
	reload(t, f, quotaFile("9/1m", `"user": {"same": "20/1m", "changed": "30/1m", "adopted": "40/1m", "new": "50/1m",
		"void": {"quota": "60/1m", "until": "2001-01-01T00:00:00Z"}}`))
	for key, want := range map[string]int64{
		"mine": 101, "same": 103, "changed": 30, "adopted": 40, "new": 50, "gone": 9, "void": 9, "other": 9,
	} {
		if d := users.Peek(key); d.Limit != want {
			t.Errorf("%s is limited to %d, want %d", key, d.Limit, want)
		}
	}
	// The quota of a partition is the file's after each Reload, whoever changed it.
	if err := users.SetQuota(weir.PerMinute(77)); err != nil {
		t.Fatal(err)
	}
	reload(t, f, quotaFile("9/1m", ""))
	for key, want := range map[string]int64{"mine": 101, "same": 9, "changed": 9, "adopted": 9, "new": 9, "other": 9} {
		if d := users.Peek(key); d.Limit != want {
			t.Errorf("with no overrides %s is limited to %d, want %d", key, d.Limit, want)
		}
	}
}

// What a key has consumed is kept, whatever its quotas are in between.
func TestReloadForgivesNothing(t *testing.T) {
	limiter := newLimiter(t, stopped)
	f, _ := newFile(t, limiter, quotaFile("1200/1m", `"user": {"was": "2400/1m", "is": "2400/1m"}`))
	users := limiter.Limiter(weir.User)
	left := map[string]int64{"none": 1200, "was": 2400, "is": 2400, "will": 1200}
	for key, burst := range left {
		if d := users.AllowN(key, 1000); !d.Allowed || d.Remaining != burst-1000 {
			t.Fatalf("%s: %+v", key, d)
		}
	}
	for _, quota := range []string{"600/1m", "60/1m burst 2", "1200/1m", "12000/1m", "1/1s burst 1"} {
		reload(t, f, quotaFile(quota, `"user": {"is": "300/1m", "will": "150/1m burst 1"}`))
		if d := users.Peek("none"); d.Allowed != (d.Limit > 1000) {
			t.Errorf("under %s: %+v", quota, d)
		}
	}
	reload(t, f, quotaFile("1200/1m", `"user": {"is": "2400/1m", "will": "2400/1m"}`))
	for key, want := range map[string]int{"none": 200, "was": 200, "is": 1400, "will": 1400} {
		if n := burstOf(users, key); n != want {
			t.Errorf("%s has %d left, want %d", key, n, want)
		}
	}
}

// A file with any error changes nothing at all, and says why.
func TestBadFileChangesNothing(t *testing.T) {
	limiter := newLimiter(t, stopped)
	f, path := newFile(t, limiter, good)
	limiter.Limiter(weir.Business).AllowN("42", 77)
	limiter.Limiter(weir.Business).AllowN("44", 44)
	first := stateOf(limiter)
	changed := strings.ReplaceAll(strings.ReplaceAll(good, "/1m", "/7m"), `"43"`, `"44"`)
	if reload(t, f, changed); maps.Equal(stateOf(limiter), first) {
		t.Fatal("a good file would not be seen")
	}
	reload(t, f, good)
	config, before := f.Config(), stateOf(limiter)

	bad := map[string]string{
		"empty":                     "",
		"nothing is given":          "{}",
		"one of many is wrong":      strings.Replace(changed, `"32/7m"`, `"32/0m"`, 1),
		"only the limiter knows":    strings.Replace(changed, `db8::/64`, `db8::/63`, 1),
		"second document":           changed + "{}",
		"two quotas for one key":    strings.Replace(changed, `"44"`, `"42"`, 1),
		"no quota for a partition":  strings.Replace(changed, `"ip": "1/1h"`, `"note": ""`, 1),
		"a NUL where a number ends": strings.Replace(changed, `600/7m"`, "600/7m\x00\"", 1),
	}
	for _, n := range []int{1, 50, len(changed) / 2, len(changed) - 1} {
		bad[fmt.Sprint("half-written: ", n)] = changed[:n]
	}
	for name, content := range bad {
		replace(t, path, content)
		err := f.Reload()
		var errs Errors
		if !errors.As(err, &errs) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, e := range errs {
			if e.Path != path || e.Line < 1 || e.Column < 1 || !strings.HasPrefix(e.Error(), fmt.Sprintf("%s:%d:%d: ", path, e.Line, e.Column)) {
				t.Errorf("%s: no position: %v", name, e)
			}
		}
		if f.Config() != config || !maps.Equal(stateOf(limiter), before) {
			t.Fatalf("%s: a refused file changed something", name)
		}
	}
	if len(bad) != 12 {
		t.Errorf("%d bad files", len(bad))
	}
}

// stateOf is what a limiter's quotas are, and what it would decide, for each key
// of good and some others.
func stateOf(limiter *weir.PartitionLimiter) map[string]string {
	state := map[string]string{}
	for _, part := range partitions {
		l := limiter.Limiter(part)
		state[part.String()] = l.Quota().String()
		for _, key := range []string{"42", "43", "44", "203.0.113.7/32", "2001:db8::/64", "unknown"} {
			state[part.String()+" "+key] = fmt.Sprint(l.Peek(key))
		}
	}
	return state
}

func TestFilesThatCannotBeRead(t *testing.T) {
	limiter := newLimiter(t, stopped)
	f, path := newFile(t, limiter, good)
	config, before := f.Config(), stateOf(limiter)
	dir := filepath.Dir(path)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := f.Reload(); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "weirfile: ") || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is gone: %v", err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err, want := f.Reload(), path+": the file is a directory; it must be a regular file"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, MaxBytes+1); err != nil { // a hole, where the file system has them
		t.Fatal(err)
	}
	if err, want := f.Reload(), path+": the file is of more than 67108864 bytes; it must be no longer"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if f.Config() != config || !maps.Equal(stateOf(limiter), before) {
		t.Error("something changed")
	}
	if again, err := Open(dir, limiter); again != nil || err == nil {
		t.Errorf("Open of a directory: %v, %v", again, err)
	}
	reload := func() error { replace(t, path, good); return f.Reload() }
	if err := reload(); err != nil {
		t.Errorf("after all that a good file: %v", err)
	}
}

// In the middle of a Reload each key is under its old quota or its new one, and
// never under another: not a key with a new override under the partition's new
// quota, nor one that lost it under the old one. The setters read the clock, and
// this clock looks at the keys.
func TestKeysGoStraightFromOldToNew(t *testing.T) {
	var look func()
	looking := false
	limiter := newLimiter(t, func() time.Duration {
		if look != nil && !looking {
			looking = true
			look()
			looking = false
		}
		return stopped()
	})
	users := limiter.Limiter(weir.User)
	f, path := newFile(t, limiter, quotaFile("300/1m", `"user": {"loses": "3000/1m", "keeps": "2/1m", "changes": "3/1m"}`))
	users.Allow("has none") // a table to move, so that SetQuota reads the clock

	seen := map[string][]int64{}
	look = func() {
		for _, key := range []string{"gets", "loses", "keeps", "changes", "has none"} {
			if limit := users.Peek(key).Limit; !slices.Contains(seen[key], limit) {
				seen[key] = append(seen[key], limit)
			}
		}
	}
	replace(t, path, quotaFile("30/1m", `"user": {"gets": "4000/1m", "keeps": "2/1m", "changes": "4/1m"}`))
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
	look()
	look = nil
	for key, want := range map[string][]int64{
		"gets": {300, 4000}, "loses": {3000, 30}, "keeps": {2}, "changes": {3, 4}, "has none": {300, 30},
	} {
		if !slices.Equal(seen[key], want) {
			t.Errorf("%s was limited to %v, one after the other; want %v", key, seen[key], want)
		}
	}
}

func TestNilArguments(t *testing.T) {
	f, _ := newFile(t, newLimiter(t, stopped), good)
	for name, call := range map[string]func(){
		"Open":  func() { _, _ = Open("quotas.json", nil) },
		"Watch": func() { f.Watch(t.Context(), nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s does not panic", name)
				}
			}()
			call()
		}()
	}
}
