package weir

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// secondAndMinute are 10 a second and 30 a minute.
var secondAndMinute = []Quota{{Limit: 10, Period: time.Second}, {Limit: 30, Period: time.Minute}}

func newTestMulti(t testing.TB, clock *fakeClock, quotas ...Quota) *Multi {
	t.Helper()
	m, err := NewMulti(quotas, WithClock(clock.now))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMultiAllOrNothing(t *testing.T) {
	clock := newFakeClock()
	m := newTestMulti(t, clock, secondAndMinute...)
	const key = "k"

	d, speaks := m.AllowN(key, 10)
	wantDecision(t, "ten at once", d, Decision{Allowed: true, Limit: 10, Remaining: 0, ResetAfter: time.Second})
	if speaks != 0 {
		t.Errorf("quota %d has the say, which has more left", speaks)
	}
	d, speaks = m.Allow(key)
	wantDecision(t, "the eleventh", d, Decision{Limit: 10, RetryAfter: 100 * time.Millisecond, ResetAfter: time.Second})
	if speaks != 0 {
		t.Errorf("quota %d refused", speaks)
	}
	if d := m.Limiter(1).Peek(key); d.Remaining != 20 {
		t.Errorf("a refusal was spent on the second quota: %+v", d)
	}

	for range 2 {
		clock.advance(time.Second)
		if d, _ := m.AllowN(key, 10); !d.Allowed {
			t.Fatalf("%+v", d)
		}
	}
	clock.advance(time.Second)
	// Earned of the minute's: 3 s / 2 s a request. The second's is fresh.
	d, speaks = m.AllowN(key, 10)
	wantDecision(t, "31 to 40", d, Decision{Limit: 30, Remaining: 1, RetryAfter: 17 * time.Second, ResetAfter: 57 * time.Second})
	if speaks != 1 {
		t.Errorf("quota %d refused", speaks)
	}
	if d := m.Limiter(0).Peek(key); d.Remaining != 10 {
		t.Errorf("a refusal was spent on the first quota: %+v", d)
	}
	clock.advance(17*time.Second - 1)
	if d, _ := m.AllowN(key, 10); d.Allowed || d.RetryAfter != 1 {
		t.Errorf("a nanosecond early: %+v", d)
	}
	clock.advance(1)
	if d, _ := m.AllowN(key, 10); !d.Allowed {
		t.Errorf("at RetryAfter: %+v", d)
	}
	// Each quota counts what it admitted; a refusal counts where it was refused.
	if a, b := m.Limiter(0).Stats(), m.Limiter(1).Stats(); a.Admitted != 4 || b.Admitted != 4 || a.Refused != 1 || b.Refused != 2 {
		t.Errorf("counts %+v, %+v", a, b)
	}
}

func TestMultiEdges(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	fresh := Decision{Allowed: true, Limit: 10, Remaining: 10}
	for _, c := range []struct {
		what   string
		decide func() (Decision, int)
		want   Decision
		speaks int
	}{
		{"cost 0", func() (Decision, int) { return m.AllowN("a", 0) }, fresh, 0},
		{"cost -1", func() (Decision, int) { return m.AllowN("a", -1) }, Decision{Limit: 10, Remaining: 10, RetryAfter: Never}, 0},
		{"above the first burst", func() (Decision, int) { return m.AllowN("a", 11) }, Decision{Limit: 10, Remaining: 10, RetryAfter: Never}, 0},
		{"no keys", func() (Decision, int) { return m.AllowEach(1) }, Decision{RetryAfter: Never}, -1},
		{"too many keys", func() (Decision, int) { return m.AllowEach(1, "a", "b", "c") }, Decision{RetryAfter: Never}, -1},
		{"still fresh", func() (Decision, int) { return m.AllowN("a", 0) }, fresh, 0},
	} {
		d, speaks := c.decide()
		wantDecision(t, c.what, d, c.want)
		if speaks != c.speaks {
			t.Errorf("%s: quota %d has the say, not %d", c.what, speaks, c.speaks)
		}
	}
	if m.Limiter(-1) != nil || m.Limiter(2) != nil || m.Limiter(1) == nil {
		t.Error("Limiter of a quota that is none, or none of one that is")
	}
	if s := m.Limiter(0).Stats(); s.Keys != 0 || s.Admitted != 0 || s.Refused != 2 || m.limiters[0].counters.keys() != 0 {
		t.Errorf("refusals left a trace: %+v", s)
	}
	m.AllowN("a", 10)
	m.Refund("a", 0)
	m.Refund("a", -5)
	d, _ := m.AllowN("a", 0)
	wantDecision(t, "refunds of nothing", d, Decision{Limit: 10, RetryAfter: 100 * time.Millisecond, ResetAfter: time.Second})
	if s := m.Limiter(0).Stats(); s.Refused != 2 {
		t.Errorf("a look counts: %+v", s)
	}
	m.Limiter(1).AllowN("b", 30)
	d, speaks := m.AllowN("b", 0)
	wantDecision(t, "a look where the second has none", d, Decision{Limit: 30, RetryAfter: 2 * time.Second, ResetAfter: time.Minute})
	if speaks != 1 {
		t.Errorf("quota %d has the say", speaks)
	}
}

// Keys of different quotas are independent, and only as many quotas are asked as
// there are keys.
func TestMultiAllowEach(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), Quota{Limit: 2, Period: time.Hour}, Quota{Limit: 3, Period: time.Hour})
	for i, c := range []struct {
		keys    []string
		allowed bool
		speaks  int
	}{
		{[]string{"host 1", "net"}, true, 0},
		{[]string{"host 1", "net"}, true, 0},
		{[]string{"host 1", "net"}, false, 0},
		{[]string{"host 2", "net"}, true, 1}, // the net has none left, the host one
		{[]string{"host 2", "net"}, false, 1},
		{[]string{"host 2"}, true, 0}, // not asked: the net
		{[]string{"host 2"}, false, 0},
		{[]string{"net", "host 2"}, true, 0}, // other budgets: quotas share no keys
	} {
		d, speaks := m.AllowEach(1, c.keys...)
		if d.Allowed != c.allowed || speaks != c.speaks {
			t.Errorf("%d: %v: %+v by %d", i, c.keys, d, speaks)
		}
	}
}

// A slow model: one map a quota.
type multiModel struct {
	quotas []Quota
	tats   []map[string]int64
}

func (m *multiModel) room(i int, key string, now int64) int64 {
	return intervalOf(m.quotas[i])*burstOf(m.quotas[i]) + now - max(m.tats[i][key], now)
}

func (m *multiModel) allow(key string, now, n int64) (d Decision, speaks int) {
	d = Decision{Allowed: true, Remaining: 1 << 62}
	for i, q := range m.quotas {
		if missing := n*intervalOf(q) - m.room(i, key, now); missing > 0 {
			d.Allowed = false
			wait := time.Duration(missing)
			if n > burstOf(q) {
				wait = Never
			}
			if wait > d.RetryAfter {
				d.RetryAfter, speaks = wait, i
			}
		}
	}
	for i, q := range m.quotas {
		if d.Allowed {
			m.tats[i][key] = max(m.tats[i][key], now) + n*intervalOf(q)
		}
		if left := max(m.room(i, key, now), 0) / intervalOf(q); left < d.Remaining {
			d.Remaining = left
			if d.Allowed {
				speaks = i
			}
		}
	}
	d.ResetAfter = time.Duration(max(m.tats[speaks][key], now) - now)
	d.Limit = m.quotas[speaks].Limit
	return d, speaks
}

func TestMultiAgainstModel(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		model := &multiModel{}
		for range 1 + r.IntN(4) {
			q := Quota{Limit: 1 + r.Int64N(20), Period: time.Duration(1 + r.Int64N(1000)), Burst: r.Int64N(20)}
			model.quotas = append(model.quotas, q)
			model.tats = append(model.tats, map[string]int64{})
		}
		clock := newFakeClock()
		m := newTestMulti(t, clock, model.quotas...)
		now := int64(1)
		for op := range 300 {
			step := r.Int64N(200)
			clock.advance(time.Duration(step))
			now += step
			key := fmt.Sprint(r.IntN(3))
			n := 1 + r.Int64N(6)
			switch r.IntN(8) {
			case 0:
				m.Refund(key, n)
				for i, q := range model.quotas {
					// An unseen key stands at the making of its table, the first instant here.
					if tat, seen := model.tats[i][key]; seen {
						model.tats[i][key] = max(tat-n*intervalOf(q), 1)
					}
				}
			case 1:
				m.Reset(key)
				for i := range model.quotas {
					delete(model.tats[i], key)
				}
			default:
				d, speaks := m.AllowN(key, n)
				want, wantSpeaks := model.allow(key, now, n)
				if d != want || speaks != wantSpeaks {
					t.Fatalf("seed %d, op %d: cost %d under %v:\ngot  %+v by %d\nwant %+v by %d", seed, op, n, model.quotas, d, speaks, want, wantSpeaks)
				}
			}
		}
	}
}

// Two callers want the last room of a network, each with the same host; only one
// can have it, and the other is refused. A third one, of the same host and another
// network, always has room: what the refused one would have taken of the host is
// not seen by anybody, at any moment.
func TestMultiRefusalsShowNowhere(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), Quota{Limit: 2, Period: time.Hour}, Quota{Limit: 1, Period: time.Hour})
	for round := range scale(20_000) {
		host, net, other := fmt.Sprint("host ", round), fmt.Sprint("net ", round), fmt.Sprint("other net ", round)
		var rivals, third atomic.Int64
		together(3, func(worker int) {
			if worker == 0 {
				if d, _ := m.AllowEach(1, host, other); d.Allowed {
					third.Add(1)
				}
			} else if d, _ := m.AllowEach(1, host, net); d.Allowed {
				rivals.Add(1)
			}
		})
		if rivals.Load() != 1 || third.Load() != 1 {
			t.Fatalf("round %d: %d of the rivals admitted, and %d of the third", round, rivals.Load(), third.Load())
		}
	}
}

// Crossing keys take the same locks from both sides; nobody may wait in a circle.
func TestMultiCrossingKeys(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), Quota{Limit: 1 << 40, Period: time.Hour, Burst: 1 << 40}, Quota{Limit: 1 << 40, Period: time.Hour, Burst: 1 << 40})
	n := scale(20_000)
	together(4, func(worker int) {
		for i := range n {
			a, b := fmt.Sprint(i%7), fmt.Sprint((i+worker)%7)
			if d, _ := m.AllowEach(1, a, b); !d.Allowed {
				t.Error(d)
			}
		}
	})
	if s := m.Limiter(1).Stats(); s.Admitted != int64(4*n) || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
}

// Whoever spends on a limiter directly may take the room between look and spend:
// then what was spent on the others is given back, and counted nowhere.
func TestMultiGivesBack(t *testing.T) {
	clock := newFakeClock()
	m := newTestMulti(t, clock, Quota{Limit: 10, Period: time.Hour}, Quota{Limit: 1, Period: time.Hour}, Quota{Limit: 10, Period: time.Hour})
	m.Limiter(0).AllowN("k", 4)
	m.Limiter(1).Allow("k")
	var all [MostQuotas]spot
	spots := m.spots("k", &all)
	locks := m.locks(spots)
	m.lock(&locks)
	d, speaks := m.spend(spots, &locks, spots[0].clock.reading(), 1)
	m.unlock(&locks)
	if d.Allowed || d.RetryAfter != time.Hour || speaks != 1 {
		t.Errorf("%+v by %d", d, speaks)
	}
	if a, c := m.Limiter(0).Peek("k"), m.Limiter(2).Peek("k"); a.Remaining != 6 || c.Remaining != 10 {
		t.Errorf("not given back: %d left of 6, %d of 10", a.Remaining, c.Remaining)
	}
	if s := m.Limiter(0).Stats(); s.Admitted != 1 || s.Refused != 0 {
		t.Errorf("counted: %+v", s)
	}
	if _, quiet := m.version(&locks); !quiet {
		t.Error("the version is odd, so that nobody will refuse without the lock again")
	}
}

func TestMultiErrors(t *testing.T) {
	if m, err := NewMulti(make8(PerSecond(1))); err != nil || m.Limiter(7) == nil {
		t.Errorf("8 quotas: %v", err)
	}
	nine := make([]Quota, MostQuotas+1)
	for i := range nine {
		nine[i] = PerMinute(300)
	}
	for _, c := range []struct {
		quotas []Quota
		opts   []Option
		want   string
	}{
		{nil, nil, "weir: number of quotas is 0; it must be 1 to 8"},
		{nine, nil, "weir: number of quotas is 9; it must be 1 to 8"},
		{[]Quota{PerSecond(1), {}}, nil, "weir: quota 2 of 2: weir: Quota.Limit is 0; it must be above 0"},
		{secondAndMinute, []Option{WithMaxKeys(0)}, "weir: WithMaxKeys is 0; it must be above 0"},
		{secondAndMinute, []Option{WithIPv6Tier(48, PerSecond(1))}, "weir: WithIPv6Tier is given to NewMulti; it must be an option of NewPartitionLimiter"},
	} {
		m, err := NewMulti(c.quotas, c.opts...)
		if m != nil || err == nil || err.Error() != c.want {
			t.Errorf("%v:\ngot  %v\nwant %s", c.quotas, err, c.want)
		}
	}
}

func make8(q Quota) []Quota { return []Quota{q, q, q, q, q, q, q, q} }

func TestMultiDoesNotAllocate(t *testing.T) {
	m := newTestMulti(t, newFakeClock(), secondAndMinute...)
	m.AllowN("k", 5)
	for what, f := range map[string]func(){
		"Allow":     func() { m.Allow("k") },
		"AllowEach": func() { m.AllowEach(1, "k", "k") },
		"Refund":    func() { m.Refund("k", 1) },
		"Reset":     func() { m.Reset("k") },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 && !raceEnabled {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}
