package subject_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/bench/subject"
)

func TestConfig(t *testing.T) {
	c := subject.Config{Limit: 300, Period: time.Minute}
	if got := c.Interval(); got != 200*time.Millisecond {
		t.Errorf("interval %v", got)
	}
	if got := c.PerSecond(); got != 5 {
		t.Errorf("%v a second", got)
	}
	if got := c.MaxIn(time.Minute); got != 600 {
		t.Errorf("%d in a minute, want the burst and as many again", got)
	}
	// An interval that is not whole is rounded up: never more than the quota.
	if got := (subject.Config{Limit: 3, Period: 10}).Interval(); got != 4 {
		t.Errorf("interval %v, want 4 ns", got)
	}
}

func TestEvery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		stop := subject.Every(time.Second, func() { n.Add(1) })
		time.Sleep(3500 * time.Millisecond)
		stop()
		synctest.Wait()
		time.Sleep(time.Minute)
		if n.Load() != 3 {
			t.Errorf("called %d times in 3.5 s", n.Load())
		}
	})
}

func TestKeepsText(t *testing.T) {
	for k := subject.Text; k <= subject.Nothing; k++ {
		if k.String() == "" {
			t.Errorf("no text for %d", int(k))
		}
	}
	if !(subject.Subject{Keeps: subject.Nothing}).Reference() {
		t.Error("who limits nobody is a reference")
	}
}
