// Package weirfile keeps the quotas of a [weir.PartitionLimiter] in a JSON file,
// and changes them while it serves.
//
//	{
//	  "quotas": {
//	    "business": "300/1m", "business-intake": "300/1m", "user": "300/1m", "ip": "300/1m"
//	  },
//	  "overrides": {
//	    "business": {
//	      "42": {"quota": "3000/1m burst 500", "note": "launch", "until": "2027-01-31T00:00:00Z"},
//	      "43": "600/1m"
//	    },
//	    "ip": {"203.0.113.7": "30/1m"}
//	  }
//	}
//
// [Open] reads the file and applies it. [File.Reload] reads it again, and
// [File.Watch] does so at each SIGHUP. [Parse] alone checks a file, for instance
// before it is merged.
//
// # The file
//
// A quota is a text as [weir.ParseQuota] reads it. "quotas" has one for each of
// the four partitions, under the names of [weir.Partition]; none may be missing.
// "overrides" may be left out. It has quotas of single keys, by partition and
// then by [weir.PartitionKey.Key]: the id of a business or a user, or an address.
// One IPv4 address may be written without its /32. IPv6 is written as the prefix
// that it is counted by, in its canonical form; see [weir.WithIPv6Prefix].
//
// An override is a quota, or an object: its "quota"; a "note", which is for
// people; and "until", a time of RFC 3339 from which on the override is void, as
// if it were not in the file. Nothing else is allowed. JSON has no comments.
//
// # All or nothing
//
// A file is checked whole before any of it is applied. What is wrong with it is
// reported as [Errors], each with its line, column and field; a file that cannot
// be parsed is read up to there. Beyond the grammar of JSON these are errors:
// unknown and repeated names, of which encoding/json ignores the one and takes
// the last of the other; a second document; bad UTF-8, half a surrogate pair and
// NUL in texts; files above [MaxBytes]. A file with errors changes nothing.
//
// A file without errors is applied as a whole: nothing that could fail is left
// to do. That is not one instant for all keys. Each key goes from the old file's
// quota to the new one's at an instant of its own, and is never under a third.
// When Open or Reload returns, all keys are under the new one. What keys have
// consumed is kept, counted in requests, so lowering a quota and raising it again
// forgives nothing.
//
// # Who owns what
//
// A File owns the quotas of the four partitions and the own quotas of the keys
// that its file names, or has named. Reload sets the former to what the file
// says, whatever they are. Of the latter it touches only those whose quota in the
// file is another than what the File set last: it does not see what other code
// did to them meanwhile. A key whose override is gone from the file, or void, is
// cleared. A key that was never in the file is left alone. So let there be one
// File for a limiter, and set no quotas by hand for what it names.
//
// All of this is about the limiters of [weir.PartitionLimiter.Limiter]. If a
// partition has further quotas, the file neither knows nor changes them, and they
// hold for keys with an override too.
//
// # Replacing the file
//
// Write a new file beside it and rename it over the old one, as most tools that
// deploy files do. Who writes into the file in place risks that Reload reads it
// half-written. That is refused, because half a JSON object is none, unless what
// is there already and the rest of what was there before make up a whole one.
package weirfile

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// MaxBytes is the most bytes that a file may have: 64 MiB, room for some 700,000
// overrides with notes. A bound is there so that a wrong path cannot take all
// memory.
const MaxBytes = 64 << 20

// A File is a quota file whose content is in force on a limiter. It is safe for
// concurrent use. It has no goroutine, holds no file open, and needs no Close;
// what [File.Watch] starts ends with its context.
type File struct {
	path   string
	config atomic.Pointer[Config]
	wake   chan struct{} // tells Watch that there is another config; of capacity 1

	mu     sync.Mutex // one Reload, or end of overrides, at a time
	ledger ledger
}

// Open reads and checks the file of that name and applies it to the limiter,
// which must not be nil. Overrides whose time is over are not applied; that is no
// error.
//
// The error is [Errors] for a file that can be read but not used, and otherwise
// wraps that of package os. Then the limiter is as it was.
//
// The name should not be relative if the program changes its directory: Reload
// opens it anew.
//
// It takes some 30 ns a byte to read, and then about 1 µs an override and 50 ns
// a live key of each partition whose quota changes (see
// [weir.Limiter.SetQuota]). It blocks for that long, and on the file system;
// decisions go on meanwhile. It allocates some 20 times the size of the file
// while it reads. What stays is some 250 bytes an override and its texts, besides
// the 200 that it takes in the limiter.
func Open(path string, limiter *weir.PartitionLimiter) (*File, error) {
	if limiter == nil {
		panic("weirfile: Open: nil limiter")
	}
	f := &File{path: path, wake: make(chan struct{}, 1), ledger: ledger{limiter: limiter}}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the file again, and checks and applies it as [Open] does. If it
// returns an error, which is as that of Open, nothing has changed. If it returns
// nil, every decision that begins afterwards is made by the new content.
//
// Only differences to what was applied before are applied; the package comment
// says what that means for quotas that other code has set. Calls are serialised,
// so the last one to return has read the file last. Reload blocks as Open does,
// and while another Reload runs.
func (f *File) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	config, err := load(f.path, f.ledger.limiter)
	if err != nil {
		return err
	}
	f.ledger.put(config, time.Now())
	f.config.Store(config)
	select {
	case f.wake <- struct{}{}:
	default: // Watch will look anyway
	}
	return nil
}

// Config returns what was read by the last Open or Reload that succeeded. It
// neither blocks nor allocates.
func (f *File) Config() *Config { return f.config.Load() }

// load reads a file and checks all of it, against the limiter too. The limiter
// is only looked at.
func load(path string, limiter *weir.PartitionLimiter) (*Config, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	config, errs := parse(data)
	if len(errs) <= maxErrors { // otherwise parse has given up
		errs = config.check(limiter.Resolver(), errs)
	}
	if len(errs) == 0 {
		return config, nil
	}
	slices.SortStableFunc(errs, (*Error).compare)
	for _, e := range errs {
		e.Path = path
	}
	return nil, errs
}

// read reads a whole file, but no more than one byte above MaxBytes of it: that
// is for parse to refuse. Opening a pipe would wait for a writer, and reading a
// device may never end, so only regular files are opened.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("weirfile: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() {
		kind := "a device, pipe or socket"
		if mode.IsDir() {
			kind = "a directory"
		}
		return nil, Errors{{Path: path, Field: ".", Value: kind, Allowed: "a regular file"}}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("weirfile: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("weirfile: %w", err)
	}
	return data, nil
}
