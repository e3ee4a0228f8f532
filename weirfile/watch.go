package weirfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// maxDoze is how long Watch sleeps at most while an override is still to end.
// Timers follow a clock that nobody sets and that may stand still while the
// machine is suspended; ends are times of the one on the wall.
const maxDoze = time.Minute

// Watch calls [File.Reload] at each SIGHUP, and ends overrides when their time is
// over, until ctx is done. It returns at once. From then on SIGHUP is caught. The
// channel it returns is closed when ctx is done and the goroutine that watched
// has ended.
//
// Report is called with what each Reload returned, nil included, by that
// goroutine, so never by two at once. It must not be nil. Signals that come while
// a Reload runs lead to one more, together.
//
// An override ends at its time, or within a minute if the clock was set or the
// machine was suspended meanwhile. That is not reported. It stays ended until the
// next Reload, should the clock be set back. Without Watch it ends at the first
// Reload after its time. Watch wakes once a minute while any
// override has an end to come, and otherwise not at all.
//
// Where there is no SIGHUP, as on Windows, Watch calls report once, before it
// returns, with an error that wraps [errors.ErrUnsupported], and then does the
// rest. Call Reload there, from a handler that only administrators reach, say.
//
// SIGHUP does nothing else while Watch runs: closing the terminal, too, then
// reloads. After ctx is done it does again what it did before; unless somebody
// else has asked for it, it ends the process.
func (f *File) Watch(ctx context.Context, report func(error)) (done <-chan struct{}) {
	if report == nil {
		panic("weirfile: Watch: nil report")
	}
	return f.watchFor(ctx, reloadSignals, report)
}

// watchFor is Watch for the signals that the platform has.
func (f *File) watchFor(ctx context.Context, wanted []os.Signal, report func(error)) <-chan struct{} {
	signals := make(chan os.Signal, 1) // one: what comes while one waits, that one stands for
	if len(wanted) > 0 {               // for none, Notify would send all there are
		signal.Notify(signals, wanted...)
	} else {
		report(fmt.Errorf("weirfile: SIGHUP on %s: %w; call Reload instead", runtime.GOOS, errors.ErrUnsupported))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(signals)
		f.watch(ctx, signals, report)
	}()
	return ended
}

func (f *File) watch(ctx context.Context, signals <-chan os.Signal, report func(error)) {
	for ctx.Err() == nil {
		now := time.Now()
		f.endOverrides(now) // one may have ended since it was applied
		var end <-chan time.Time
		if d, ok := f.Config().doze(now); ok {
			end = time.After(d)
		}
		select {
		case <-ctx.Done():
		case <-signals:
			report(f.Reload())
		case <-f.wake: // there is another config: look at its ends
		case <-end:
		}
	}
}

// doze returns how long Watch may sleep for all it knows at that time, if there
// is an end to come.
func (c *Config) doze(now time.Time) (d time.Duration, ok bool) {
	d = maxDoze
	for i := range c.overrides {
		if until := c.overrides[i].Until; until.After(now) {
			d, ok = min(d, until.Sub(now)), true
		}
	}
	return d, ok
}

// endOverrides voids the overrides whose time is over.
func (f *File) endOverrides(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ledger.end(f.Config(), now)
}
