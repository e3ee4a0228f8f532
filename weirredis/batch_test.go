package weirredis

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// Requests that are alike are one call; each gets the reply it would have got by itself.
func TestBatchMergesWhatIsAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(10))
	m := l.meter.Load()
	allow := func(key string, n int64) request {
		return request{allowScript, "weir:" + key, [4]string{m.intervalArg, m.toleranceArg, digits(n * m.interval)}}
	}
	b := &batch{requests: []request{
		allow("a", 3), allow("b", 1), allow("a", 3), allow("a", 1), allow("a", 3), allow("a", 3), allow("b", 1),
		{peekScript, "weir:c", [4]string{m.intervalArg}}, {peekScript, "weir:c", [4]string{m.intervalArg}},
	}}
	b.replies = make([]reply, len(b.requests))
	ctx := context.Background()
	if calls := b.send(ctx, l.server.client, &l.server.apart); calls != 4 { // cost 3, cost 1, and two peeks
		t.Errorf("%d calls", calls)
	}
	// a: three of cost 3, then nine are spent and one of cost 1 fits; the last of cost 3
	// does not.
	for i, want := range []int64{3, 1, 6, 10, 9, -1 - 9, 2, 0, 0} {
		if want > 0 {
			want *= m.interval
		} else if want < 0 {
			want = -1 - 9*m.interval
		}
		if b.replies[i].n != want || b.replies[i].err != nil {
			t.Errorf("request %d: %+v, want %d", i, b.replies[i], want)
		}
	}
}

// Many callers at once, on few keys and on many, while batches fill and are merged:
// every key admits exactly its burst, and each reply is one that its caller could have
// got alone: so many remain as were left by those before.
func TestBatchesDecideExactly(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	const burst, keys, callers = 500, 5, 64
	l := onServer(t, server, weir.Quota{Limit: burst, Period: time.Hour}, WithRefusalCache(0))
	var remaining [keys][burst]atomic.Int64
	var admitted [keys]atomic.Int64
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range 100 {
				key := (c + i) % keys
				d, err := l.Allow(context.Background(), fmt.Sprint("key ", key))
				if err != nil {
					t.Error(err)
					return
				}
				if d.Allowed {
					admitted[key].Add(1)
					remaining[key][d.Remaining].Add(1)
				} else if d.Remaining != 0 {
					t.Errorf("%+v", d)
				}
			}
		})
	}
	wg.Wait()
	for key := range keys {
		if n := admitted[key].Load(); n != burst {
			t.Errorf("key %d: %d admitted of %d", key, n, burst)
		}
		for left := range burst {
			if n := remaining[key][left].Load(); n != 1 {
				t.Errorf("key %d: %d were told that %d remain", key, n, left)
			}
		}
	}
	if s := l.Stats(); s.Calls >= s.Admitted+s.Refused {
		t.Errorf("%d calls for %d decisions: nothing was merged", s.Calls, s.Admitted+s.Refused)
	}
}

// A caller that cannot wait does not take the others of its batch along.
func TestBatchOutlivesItsFirst(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{})
	proxy := redistest.StartProxy(t, server.Addr())
	l, err := New(connect(t, proxy.Addr()), weir.PerHour(100), WithTimeout(10*time.Second), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	must(l.Allow(context.Background(), "k"))(t) // connected
	proxy.SetDelay(300 * time.Millisecond)
	// All batches that may be under way, and a hasty one to lead the next.
	var wg sync.WaitGroup
	for i := range maxUnderWay {
		wg.Go(func() { l.Allow(context.Background(), fmt.Sprint("other ", i)) })
		for l.server.batches[0].waiting() || len(l.server.batches[0].slots) <= i {
			time.Sleep(time.Millisecond)
		}
	}
	hasty, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	wg.Go(func() {
		if _, err := l.Allow(hasty, "k"); err == nil {
			t.Error("it waited")
		}
	})
	for !l.server.batches[0].waiting() {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	if d, err := l.Allow(context.Background(), "k"); err != nil || !d.Allowed {
		t.Errorf("%+v, %v", d, err)
	}
	if time.Since(start) < 100*time.Millisecond {
		t.Error("there was nobody to wait behind")
	}
	wg.Wait()
}

// A batch that has no turn is given up when the last one who waits for it does, not the
// first.
func TestBatchWaitsAsLongAsItsLast(t *testing.T) {
	bs := newBatches()
	for range maxUnderWay {
		bs.slots <- struct{}{}
	}
	first, cancel := context.WithCancel(context.Background())
	b, _ := bs.join(request{}, &deadline{Context: first})
	go bs.leadInTurn(b, nil)
	time.Sleep(20 * time.Millisecond) // it waits
	last, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if same, place := bs.join(request{}, &deadline{Context: last}); same != b || place != 1 {
		t.Fatal("it was not open to join")
	}
	cancel()
	<-b.done
	if err := b.replies[1].err; err != context.DeadlineExceeded {
		t.Errorf("it was given up with %v, want the error of the last", err)
	}
	if bs.waiting() {
		t.Error("it is still open")
	}
}

// waiting reports whether there is a batch to join.
func (bs *batches) waiting() bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.open != nil
}
