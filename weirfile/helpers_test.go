package weirfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
)

// newLimiter returns a limiter of 7 a minute for each partition, unless opts say
// otherwise, with the clock given by now.
func newLimiter(t testing.TB, now func() time.Duration, opts ...weir.ResolverOption) *weir.PartitionLimiter {
	t.Helper()
	resolver, err := weir.NewResolver(func(context.Context, string) (weir.Source, error) {
		return weir.Source{}, weir.ErrNoSource
	}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	quotas := map[weir.Partition]weir.Quota{}
	for _, part := range partitions {
		quotas[part] = weir.PerMinute(7)
	}
	limiter, err := weir.NewPartitionLimiter(resolver, quotas, weir.WithClock(now))
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// stopped is a clock that stands still: then a key admits its burst, and no more.
func stopped() time.Duration { return time.Hour }

// quotaFile is the content of a file with one quota for all partitions and the
// given overrides, which may be "".
func quotaFile(quota, overrides string) string {
	content := `{
  "quotas": {"ip": "Q", "user": "Q", "business": "Q", "business-intake": "Q"},
  "overrides": {` + overrides + `}
}`
	return strings.ReplaceAll(content, `"Q"`, `"`+quota+`"`)
}

// replace puts a file with that content in place of the one at path, as deploying
// tools do.
func replace(t testing.TB, path, content string) {
	t.Helper()
	beside, err := os.CreateTemp(filepath.Dir(path), "new-*")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := beside.WriteString(content); err != nil {
		t.Fatal(err)
	}
	if err := beside.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside.Name(), path); err != nil {
		t.Fatal(err)
	}
}

// newFile returns a file with that content, and its name.
func newFile(t testing.TB, limiter *weir.PartitionLimiter, content string) (*File, string) {
	t.Helper()
	path := write(t, content)
	f, err := Open(path, limiter)
	if err != nil {
		t.Fatal(err)
	}
	return f, path
}

// reload replaces a file and reloads it.
func reload(t testing.TB, f *File, content string) {
	t.Helper()
	replace(t, f.path, content)
	if err := f.Reload(); err != nil {
		t.Fatal(err)
	}
}

// burstOf returns how many requests a key may make at one instant, under a
// stopped clock, by making them.
func burstOf(limiter *weir.Limiter, key string) (n int) {
	for limiter.Allow(key).Allowed {
		n++
	}
	return n
}

// write returns the name of a new file with that content.
func write(t testing.TB, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "quotas.json")
	replace(t, path, content)
	return path
}
