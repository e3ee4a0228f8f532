package weir

import (
	"testing"
	"time"
)

// The clock has stepped back when a key's own quota changes: its debt is not
// taken for one that reaches far into the future, and cut down.
func TestKeyQuotaChangesWhileTheClockIsBack(t *testing.T) {
	slow, fast := Quota{Limit: 1, Period: time.Second, Burst: 10}, Quota{Limit: 10, Period: time.Second, Burst: 10}
	for name, change := range map[string]func(l *Limiter){
		"another": func(l *Limiter) { _ = l.SetKeyQuota("k", fast) },
		"cleared": func(l *Limiter) { l.ClearKeyQuota("k") },
	} {
		t.Run(name, func(t *testing.T) {
			l, clock := newTest(t, fast)
			clock.advance(100 * time.Second)
			_ = l.SetKeyQuota("k", slow)
			l.AllowN("k", 10)
			clock.advance(-99 * time.Second)
			change(l)
			clock.advance(99 * time.Second)
			if d := l.Peek("k"); d.Allowed {
				t.Fatalf("10 are spent at this instant: %+v", d)
			}
		})
	}
}

// Peek across a migration that has frozen a key's marker and sleeps.
func TestPeekOfAFrozenMarker(t *testing.T) {
	l, _ := newTest(t, PerSecond(300), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(10)); err != nil {
		t.Fatal(err)
	}
	sh, id := l.locate("k")
	old := sh.cur.Load()
	l.succeed(sh, old, nil)
	s, _ := old.probe(id, true)
	if marker, _ := s.tat.freeze(); marker < firstAway {
		t.Fatalf("no marker: %d", marker)
	}
	want := Decision{Allowed: true, Limit: 10, Remaining: 10}
	if d := l.Peek("k"); d != want {
		t.Fatalf("%+v", d)
	}
	// The same while it is on its way back to the table.
	e, _ := l.own.Load(ownKey{sh, id})
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	if d := l.Peek("k"); d != (Decision{Allowed: true, Limit: 300, Remaining: 300}) {
		t.Fatalf("leaving: %+v", d)
	}
	if d := l.Allow("k"); d.Remaining != 299 {
		t.Fatalf("left: %+v", d)
	}
}

// A key's own quota is on its way out, and Peek has found its marker in a table of
// before a change of quota: what the key returns to is not that table's quota.
func TestPeekOfAStaleMarker(t *testing.T) {
	l, _ := newTest(t, PerSecond(300), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(10)); err != nil {
		t.Fatal(err)
	}
	sh, id := l.locate("k")
	stale, own := sh.cur.Load(), ownKey{sh, id}
	if err := l.SetQuota(PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	e, _ := l.own.Load(own)
	now := l.clock.reading()
	var leaving *keyQuota
	if answer, ok := l.peekOwn(own, stale, e.marker, reading{now: now, asked: now}, &leaving); !ok || answer.limit != 10 {
		t.Fatalf("before it leaves: %+v", answer)
	}
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	if answer, ok := l.peekOwn(own, stale, e.marker, reading{now: now, asked: now}, &leaving); ok || leaving != e {
		t.Fatalf("answered by the quota of a table that is gone: %+v", answer)
	}
	if d := l.Peek("k"); d.Limit != 20 || d.Remaining != 20 {
		t.Fatalf("%+v", d)
	}
}

func TestKeyQuotaIsTold(t *testing.T) {
	l, _ := newTest(t, PerSecond(1))
	want := func(key string, q Quota, own bool) {
		t.Helper()
		if got, gotOwn := l.KeyQuota(key); got != q || gotOwn != own {
			t.Errorf("%s: %v, %v", key, got, gotOwn)
		}
	}
	want("a", PerSecond(1), false)
	for _, q := range []Quota{PerMinute(5), PerHour(7)} {
		if err := l.SetKeyQuota("a", q); err != nil {
			t.Fatal(err)
		}
		want("a", q, true)
		want("b", PerSecond(1), false)
	}
	if err := l.SetQuota(PerSecond(3)); err != nil {
		t.Fatal(err)
	}
	want("a", PerHour(7), true)
	want("b", PerSecond(3), false)
	l.ClearKeyQuota("a")
	want("a", PerSecond(3), false)
}
