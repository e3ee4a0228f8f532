package weir

import (
	"testing"
	"time"
)

// A reading is renewed if it is older than the birth, and only once, and only if
// it is of the limiter's clock.
func TestRenew(t *testing.T) {
	l, clock := newTest(t, PerSecond(10))
	clock.advance(1000)
	old := reading{now: 500, asked: 400, renewable: true}
	fixed := reading{now: 500, asked: 400}
	for _, c := range []struct {
		r, want reading
		born    int64
		renewed bool
	}{
		{old, old, 499, false}, {old, old, 500, false}, {old, reading{now: 1001, asked: 1001}, 501, true},
		{fixed, fixed, 499, false}, {fixed, fixed, 500, false}, {fixed, fixed, 501, false},
	} {
		r := c.r
		if got := l.renew(&r, c.born); got != c.renewed || r != c.want {
			t.Errorf("%+v before a birth at %d: %t, %+v", c.r, c.born, got, r)
		}
	}
}

// A peekTest is a shard with the chain cur → next → last, where last has a slower
// quota, and one key, which is nowhere yet.
type peekTest struct {
	*Limiter
	sh              *shard
	id              uint64
	cur, next, last *table
}

func newPeekTest(t *testing.T) *peekTest {
	t.Helper()
	l, clock, sh, cur := newShardTest(t, 1)
	clock.advance(time.Second) // to 1,000,000,001
	next, last := newTable(1, cur.gcra, 0, 0), newTable(1, newGCRA(PerSecond(1)), 0, 0)
	next.settle(1, 2_000_000_001, 2_000_000_006) // as of Lenient
	last.settle(1, 1, 1)
	cur.next.Store(next)
	next.next.Store(last)
	_, id := l.locate("k")
	return &peekTest{l, sh, id, cur, next, last}
}

func (p *peekTest) stand(t *table, tat int64) { t.claim(nil, p.id).tat.Store(tat) }

func (p *peekTest) shut(tables ...*table) {
	for _, t := range tables {
		t.seal(p.id, nil)
	}
}

// Peek goes along the chain to where the key is at this instant, changes nothing
// on its way, and answers by what it finds there.
func TestPeekAlongTheChain(t *testing.T) {
	const now = 1_000_000_001
	live, horizon := int64(now+300), int64(2_000_000_001)
	for name, c := range map[string]struct {
		build       func(p *peekTest)
		limit, want int64 // where it stands
	}{
		"nowhere":               {func(p *peekTest) {}, 10, now},
		"in cur":                {func(p *peekTest) { p.stand(p.cur, live) }, 10, live},
		"in cur, unwritten":     {func(p *peekTest) { p.stand(p.cur, unwritten) }, 10, now},
		"frozen in cur":         {func(p *peekTest) { p.stand(p.cur, horizon+6|frozen) }, 10, horizon + 6},
		"frozen at the floor":   {func(p *peekTest) { p.stand(p.cur, horizon+5|frozen) }, 10, horizon},
		"frozen below it":       {func(p *peekTest) { p.stand(p.cur, horizon+4|frozen) }, 10, horizon},
		"frozen, and unwritten": {func(p *peekTest) { p.stand(p.cur, unwritten|frozen); p.stand(p.next, horizon+9) }, 10, horizon + 9},
		"copied":                {func(p *peekTest) { p.stand(p.cur, horizon+7|frozen); p.stand(p.next, horizon+9) }, 10, horizon + 9},
		"being copied":          {func(p *peekTest) { p.stand(p.cur, horizon+7|frozen); p.stand(p.next, unwritten) }, 10, horizon + 7},
		"sealed":                {func(p *peekTest) { p.shut(p.cur) }, 10, horizon},
		"sealed, then live":     {func(p *peekTest) { p.shut(p.cur); p.stand(p.next, horizon+9) }, 10, horizon + 9},
		"sealed twice":          {func(p *peekTest) { p.shut(p.cur, p.next) }, 1, now},
		"sealed twice, in last": {func(p *peekTest) { p.shut(p.cur, p.next); p.stand(p.last, live) }, 1, live},
		"frozen twice": {func(p *peekTest) {
			p.stand(p.cur, horizon+7|frozen)
			p.stand(p.next, horizon+9|frozen)
			p.stand(p.last, unwritten)
		}, 1, 1 + (horizon+8)*10},
		"frozen, sealed after": {func(p *peekTest) { p.stand(p.cur, horizon+7|frozen); p.shut(p.next) }, 1, 1 + (horizon+6)*10},
	} {
		p := newPeekTest(t)
		c.build(p)
		got := p.peek(p.sh, p.id, reading{now: now, asked: now, renewable: true})
		if got.limit != c.limit || got.resetAfter != c.want-now {
			t.Errorf("%s: stands at now%+d of %d, want now%+d of %d", name, got.resetAfter, got.limit, c.want-now, c.limit)
		}
		if p.sh.cur.Load() != p.cur || p.cur.hand.Load() != 0 || p.cur.used.Load() != 0 {
			t.Errorf("%s: it has changed something", name)
		}
	}
}

// A key that is not in a table without a free slot and without a successor is not
// there at all.
func TestPeekInAFullTable(t *testing.T) {
	l, _, sh, tb := newShardTest(t, 1)
	for i := range tb.chunks() {
		put(tb, i, linesPerStep*slotsPerLine, 5_000_000_000)
	}
	_, id := l.locate("k")
	if _, found := tb.probe(id, true); found != foundEnd {
		t.Fatalf("found %d in a full table", found)
	}
	if v := l.peek(sh, id, reading{now: 7, asked: 7}); v.resetAfter != 0 || tb.next.Load() != nil {
		t.Errorf("%+v", v)
	}
}

// Peek and all others look at the clock once more when the table, or the key's
// own quota, was born after they had read it; or else they decide at its birth.
func TestOlderThanTheTable(t *testing.T) {
	const born, now = 2_000_000_001, 3_000_000_001
	for name, c := range map[string]struct {
		r       reading
		at      int64 // the instant of the decision
		counted int64 // the instant that durations count from
	}{
		"renewed":     {reading{now: 5, asked: 5, renewable: true}, now, now},
		"not renewed": {reading{now: 5, asked: 3}, born, 3},
		"not older":   {reading{now: born, asked: born, renewable: true}, born, born},
	} {
		for _, own := range []bool{false, true} {
			l, clock, sh, tb := newShardTest(t, 1)
			_, id := l.locate("k")
			tb.claim(nil, id).tat.Store(4_000_000_001)
			if own {
				clock.advance(born - 1)
				if err := l.SetKeyQuota("k", PerSecond(10)); err != nil {
					t.Fatal(err)
				}
				clock.advance(now - born)
			} else {
				tb.settle(born, born, born)
				clock.advance(now - 1)
			}
			if !own { // a Peek of an own quota answers with what it has read
				if v := l.peek(sh, id, c.r); v.resetAfter != 4_000_000_001-c.counted {
					t.Errorf("%s: Peek: stands for another %d, want %d", name, v.resetAfter, 4_000_000_001-c.counted)
				}
			}
			var got standing
			l.apply(sh, id, c.r, func(k standing) (int64, bool) { got = k; return 0, false })
			if got.now != c.at || got.asked != c.counted {
				t.Errorf("%s, own quota: %t: decided at %d, counted from %d; want %d and %d", name, own, got.now, got.asked, c.at, c.counted)
			}
		}
	}
}

// An operation that has made a successor, or a segment, has done its share; every
// other sweeps a chunk, if there is something to sweep.
func TestShareOfAnOperation(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(l *Limiter, tb, next *table)
		swept int64
	}{
		"a refusal":           {func(l *Limiter, _, _ *table) { l.AllowN("k", 11) }, 1},
		"a key that is there": {func(l *Limiter, _, _ *table) { l.AllowN("here", 1) }, 1},
		"a new key":           {func(l *Limiter, _, _ *table) { l.Allow("k") }, 1},
		"a new key and a segment": {func(l *Limiter, _, next *table) {
			_, id := l.locate("k")
			home, _ := mulhi(id, len(next.segments))
			next.segments[home].Store(nil)
			l.Allow("k")
		}, 0},
		"a new key, and it is full": {func(l *Limiter, _, next *table) {
			next.used.Store(next.fill - 1)
			next.makers.Store(0)
			l.Allow("k")
		}, 0},
		"a new key, and it is full for another": {func(l *Limiter, _, next *table) {
			next.used.Store(next.fill - 1)
			next.makers.Store(1)
			l.Allow("k")
		}, 6 + 1}, // it is late as well
	} {
		l, _, tb, next := newSweepTest(t, true)
		_, id := l.locate("here")
		next.claim(nil, id).tat.Store(1)
		c.do(l, tb, next)
		if got := tb.done.Load(); got != c.swept {
			t.Errorf("%s: %d chunks swept, want %d", name, got, c.swept)
		}
	}
}

// More than was spent is given back as what was spent, under an own quota as well;
// and what is written then is no unwritten slot.
func TestRefundToTheFloor(t *testing.T) {
	l, _ := newTest(t, PerSecond(10))
	if err := l.SetKeyQuota("k", PerSecond(5)); err != nil {
		t.Fatal(err)
	}
	l.AllowN("k", 2)
	l.Refund("k", 5)
	sh, id := l.locate("k")
	e, _ := l.own.Load(ownKey{sh, id})
	if v := e.tat.Load(); v != resetTAT {
		t.Errorf("the TAT is %d, want %d", v, resetTAT)
	}
	if d := l.Peek("k"); d.Remaining != 5 {
		t.Errorf("%+v", d)
	}
}

// Who comes with a marker that is not the key's any more is sent back to look
// again, and has decided nothing.
func TestStaleMarker(t *testing.T) {
	l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(5)); err != nil {
		t.Fatal(err)
	}
	sh, id := l.locate("k")
	own := ownKey{sh, id}
	tb, s, _ := l.find(sh, id)
	marker := s.tat.Load()
	l.Allow("k")
	e, _ := l.own.Load(own)
	spent := e.tat.Load()
	decided := false
	step := func(standing) (int64, bool) { decided = true; return 0, false }
	var leaving *keyQuota
	for name, c := range map[string]struct {
		own    ownKey
		marker int64
		ok     bool
	}{
		"its own":          {own, marker, true},
		"of before":        {own, marker - 1, false},
		"of nobody":        {ownKey{sh, id + 1}, marker, false},
		"of another shard": {ownKey{nil, id}, marker, false},
	} {
		decided = false
		if ok := l.applyOwn(c.own, tb, s, c.marker, reading{now: 1, asked: 1}, step); ok != c.ok || decided != c.ok {
			t.Errorf("%s: %t, decided: %t", name, ok, decided)
		}
		if e.tat.Load() != spent {
			t.Errorf("%s: a step that writes nothing has written %d", name, e.tat.Load())
		}
		if _, ok := l.peekOwn(c.own, tb, c.marker, reading{now: 1, asked: 1}, &leaving); ok != c.ok {
			t.Errorf("%s: Peek: %t", name, ok)
		}
	}
}

// Whoever meets a key on its way out of its own quota puts its debt, in the
// table's interval, back into the slot.
func TestPutBack(t *testing.T) {
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(5)); err != nil {
		t.Fatal(err)
	}
	l.AllowN("k", 3) // 600 ms
	clock.advance(100 * time.Millisecond)
	sh, id := l.locate("k")
	own := ownKey{sh, id}
	tb, s, _ := l.find(sh, id)
	marker, now := s.tat.Load(), l.clock.reading()
	e, _ := l.own.Load(own)
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	var leaving *keyQuota
	r := reading{now: now, asked: now}
	if _, ok := l.peekOwn(own, tb, marker, r, &leaving); ok || leaving != e {
		t.Error("Peek has not noted that it leaves")
	}
	if v, ok := l.peekOwn(own, tb, marker, r, &leaving); !ok || v.limit != 10 || v.resetAfter != int64(250*time.Millisecond) {
		t.Errorf("Peek: %+v, %t; want 250 ms", v, ok)
	}
	if s.tat.Load() != marker {
		t.Error("Peek has changed the slot")
	}
	tb.horizon.Store(now + int64(300*time.Millisecond))
	if v, ok := l.peekOwn(own, tb, marker, r, &leaving); !ok || v.resetAfter != int64(300*time.Millisecond) {
		t.Errorf("Peek below the horizon: %+v, %t; want 300 ms", v, ok)
	}
	tb.horizon.Store(1)
	if l.applyOwn(own, tb, s, marker, r, func(standing) (int64, bool) { t.Error("decided"); return 0, false }) {
		t.Error("applied to a key that leaves")
	}
	if got := s.tat.Load(); got != now+int64(250*time.Millisecond) {
		t.Errorf("put back at now%+d, want 250 ms", got-now)
	}
}

// It is put back to the nanosecond, and Peek decides not before the hand-over, nor
// before its table.
func TestPutBackExactly(t *testing.T) {
	const ms = int64(time.Millisecond)
	l, clock := newTest(t, PerSecond(10), WithMaxKeys(1))
	if err := l.SetKeyQuota("k", PerSecond(20)); err != nil {
		t.Fatal(err)
	}
	l.AllowN("k", 3) // until 150 ms
	clock.advance(50 * time.Millisecond)
	sh, id := l.locate("k")
	own := ownKey{sh, id}
	tb, s, _ := l.find(sh, id)
	marker := s.tat.Load()
	e, _ := l.own.Load(own)
	e.next.Store(&keyQuota{leaving: true})
	e.tat.freeze()
	leaving := e
	for _, c := range []struct{ born, remaining int64 }{
		{1, 8},                // 200 ms of debt at the hand-over, of a second
		{100*ms + 1, 8},       // 150 ms
		{1 + 50*ms + 200, 8},  // a little after the hand-over
		{1 + 250*ms + 1, 10},  // past the debt
		{1 + 150*ms + 1, 9},   // 100 ms, less a nanosecond
		{1 + 150*ms, 9},       // 100 ms
		{1 + 150*ms - 1, 8},   // and a nanosecond more
		{1 + 250*ms, 10},      // none
		{1 + 250*ms - 1, 9},   // a nanosecond
		{1 + 50*ms - 1000, 8}, // before the hand-over, which counts then
	} {
		tb.born.Store(c.born)
		v, ok := l.peekOwn(own, tb, marker, reading{now: 5, asked: 5}, &leaving)
		if stands := max(1+250*ms, c.born); !ok || v.resetAfter != 0 && v.resetAfter != stands-5 || v.remaining != c.remaining {
			t.Errorf("a table born at %d: %+v, want %d left", c.born, v, c.remaining)
		}
	}
	tb.born.Store(1)
	if v, ok := l.peekOwn(own, tb, marker, reading{now: 5, asked: 5}, &leaving); !ok || v.resetAfter != 1+250*ms-5 {
		t.Errorf("%+v, want what is left of %d ns", v, 1+250*ms)
	}
	l.applyOwn(own, tb, s, marker, reading{now: 5, asked: 5}, nil)
	if got := s.tat.Load(); got != 1+250*ms {
		t.Errorf("put back at %d, want %d", got, 1+250*ms)
	}
}

// A key never seen under a raised horizon that gets a quota of its own stands as
// if it had spent its burst, and no better.
func TestKeyQuotaUnderARaisedHorizon(t *testing.T) {
	for _, c := range []struct {
		horizon time.Duration
		want    time.Duration
	}{{10 * time.Second, time.Second}, {300 * time.Millisecond, 600 * time.Millisecond}} {
		l, _ := newTest(t, PerSecond(10), WithMaxKeys(1))
		l.Allow("opens the table")
		tb := l.shards[0].cur.Load()
		tb.settle(1, 1+int64(c.horizon), 1+int64(c.horizon))
		if err := l.SetKeyQuota("k", PerSecond(5)); err != nil {
			t.Fatal(err)
		}
		if d := l.Peek("k"); d.ResetAfter != c.want {
			t.Errorf("a horizon in %v: %+v, want %v", c.horizon, d, c.want)
		}
	}
}
