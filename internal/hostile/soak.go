package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// soakName is the scenario that runs only when a time is given for it.
const soakName = "soak"

var soakScenarios = []scenario{
	{soakName, "every operation by a dozen goroutines, over hot, warm and single-use keys, round after round, each hours after the one before, " +
		"some a year",
		"at the end of each round: keys that are only asked admit their burst through all changes of quota; keys that give back, their burst " +
			"net; keys with quotas that come and go, their burst; keys reset once when spent, twice their burst; keys that wait spend nothing when " +
			"their wait ends early; rounds beyond the bound leave the spent keys as they are; at the end of all: Stats count every decision, the " +
			"goroutines are gone, the memory is back, and a key paced by Wait on the real clock was admitted MaxIn at most and a quarter of it at least",
		soak},
}

const (
	soakKeys    = 1 << 15 // the bound
	soakBurst   = 100
	soakWorkers = 6
	soakHot     = 8   // keys of each kind
	soakCalls   = 400 // of a worker for each of them, in a round; more than all bursts need
)

// soakQuotas are those that a round's changes go through: multiples of each other,
// and intervals so long that no wait of the soak is ever worth it.
var soakQuotas = [3]weir.Quota{
	{Limit: 1, Period: time.Minute, Burst: soakBurst},
	{Limit: 1, Period: 4 * time.Minute, Burst: soakBurst},
	{Limit: 1, Period: 2 * time.Minute, Burst: soakBurst},
}

// between rounds all debts are over.
const between = 5 * soakBurst * time.Minute

// A marathon is a soak on its way.
type marathon struct {
	*trial
	clock *hand
	l     *weir.Limiter

	round           int
	admitted        atomic.Int64 // all decisions so far, as callers saw them
	refused         atomic.Int64
	changes, waits  atomic.Int64
	surveys, floods atomic.Int64
}

func soak(t *trial) {
	goroutines := runtime.NumGoroutine()
	before := heap()
	clock := newHand()
	m := &marathon{trial: t, clock: clock, l: t.limiter(soakQuotas[0], clock.option(), weir.WithMaxKeys(soakKeys))}
	paced := m.startPace()
	began := time.Now()
	beyond := 0
	for time.Since(began) < t.soak && len(t.problems) == 0 {
		m.oneRound()
		if m.round%4 == 0 {
			m.beyondTheBound()
			beyond++
		}
		m.advance()
		m.round++
	}
	paced()
	m.settle(before, goroutines)
	s := m.wantCounts(m.l, m.admitted.Load(), m.refused.Load())
	if beyond > 0 && s.HorizonRaises == 0 || m.waits.Load() == 0 || m.surveys.Load() == 0 || s.Migrations < m.changes.Load() {
		t.errorf("%+v, %d waits, %d surveys, %d changes of quota: something was left out", s, m.waits.Load(), m.surveys.Load(), m.changes.Load())
	}
	t.figuref("%d rounds, %d of them beyond the bound; %.1f M decisions, %d changes of quota, %d waits, %d migrations, %d horizon raises",
		m.round, beyond, float64(s.Admitted+s.Refused)/1e6, m.changes.Load(), m.waits.Load(), s.Migrations, s.HorizonRaises)
}

// advance goes on to the next round, sometimes a year ahead while years are left:
// a clock has 146 of them.
func (m *marathon) advance() {
	m.clock.advance(between)
	if m.round%50 == 1 && m.l.Now() < 100*year {
		m.clock.advance(year)
	}
}

// note counts a decision.
func (m *marathon) note(allowed bool) bool {
	if allowed {
		m.admitted.Add(1)
	} else {
		m.refused.Add(1)
	}
	return allowed
}

// A lot is the keys of a round that something is done to, and what they admitted.
type lot struct {
	names [soakHot]string
	spent [soakHot]atomic.Int64 // net of what was given back
}

func (m *marathon) lot(kind string) *lot {
	g := new(lot)
	for k := range g.names {
		g.names[k] = fmt.Sprint(kind, " ", m.round%3, " ", k) // names come back, but not their debts
	}
	return g
}

// drain asks until refused, and checks what was admitted in all.
func (m *marathon) drain(kind string, g *lot, want int64) {
	for k, name := range g.names {
		for m.note(m.l.Allow(name).Allowed) {
			g.spent[k].Add(1)
		}
		if n := g.spent[k].Load(); n != want {
			m.errorf("round %d, key %d of those that are %s: %d admitted, want %d", m.round, k, kind, n, want)
		}
	}
}

// oneRound does everything at once while the clock stands, then counts.
func (m *marathon) oneRound() {
	asked, refunded, owned, reset := m.lot("asked"), m.lot("refunded"), m.lot("owned"), m.lot("reset")
	var done atomic.Int64
	together(soakWorkers+4, func(w int) {
		switch w {
		case soakWorkers:
			for !m.over(&done) {
				m.change(owned)
			}
		case soakWorkers + 1:
			m.resetOnce(reset, &done)
		case soakWorkers + 2:
			m.wait(&done)
		case soakWorkers + 3:
			m.singles()
		default:
			r := rand.New(rand.NewPCG(uint64(m.round), uint64(w)))
			for i := range soakCalls * soakHot {
				k := r.IntN(soakHot)
				m.ask(r, asked, k)
				m.askAndRefund(r, refunded, k)
				m.ask(r, owned, k)
				if m.note(m.l.Allow(reset.names[k]).Allowed) {
					reset.spent[k].Add(1)
				}
				if i%batch == 0 {
					runtime.Gosched()
				}
			}
			done.Add(1)
		}
	})
	m.drain("only asked", asked, soakBurst)
	m.drain("given back to", refunded, soakBurst)
	m.drain("under quotas of their own", owned, soakBurst)
	m.drain("reset once", reset, 2*soakBurst)
	for _, name := range owned.names {
		m.l.ClearKeyQuota(name)
	}
}

// over reports whether all workers of a round are done.
func (m *marathon) over(done *atomic.Int64) bool { return done.Load() == soakWorkers }

// ask spends in one of the ways to ask.
func (m *marathon) ask(r *rand.Rand, g *lot, k int) {
	cost := int64(1)
	var d weir.Decision
	switch r.IntN(4) {
	case 0:
		d = m.l.Allow(g.names[k])
	case 1:
		cost = 1 + r.Int64N(3)
		d = m.l.AllowN(g.names[k], cost)
	case 2:
		d = m.l.AllowAt(m.l.Now(), g.names[k], cost)
	case 3:
		if d := m.l.Peek(g.names[k]); d.Remaining > soakBurst || d.Allowed != (d.Remaining > 0) {
			m.errorf("Peek: %+v", d)
		}
		return
	}
	if m.note(d.Allowed) {
		g.spent[k].Add(cost)
	}
}

// askAndRefund gives back half of what it gets.
func (m *marathon) askAndRefund(r *rand.Rand, g *lot, k int) {
	cost := 1 + r.Int64N(4)
	if !m.note(m.l.AllowN(g.names[k], cost).Allowed) {
		return
	}
	g.spent[k].Add(cost)
	if r.IntN(2) == 0 {
		m.l.Refund(g.names[k], cost)
		g.spent[k].Add(-cost)
	}
}

// change sets the quota of all, and that of a key of its own, and takes stock.
func (m *marathon) change(owned *lot) {
	i := int(m.changes.Add(1))
	q := soakQuotas[i%3]
	if err := m.l.SetQuota(q); err != nil {
		m.errorf("SetQuota: %v", err)
	}
	if d := m.l.Peek("never seen"); d.Remaining != soakBurst || m.l.Quota() != q {
		m.errorf("round %d, after SetQuota(%v): %+v, %v", m.round, q, d, m.l.Quota())
	}
	key := owned.names[i%soakHot]
	if i/soakHot%3 == 2 {
		m.l.ClearKeyQuota(key)
	} else if err := m.l.SetKeyQuota(key, soakQuotas[1+i/soakHot%3]); err != nil {
		m.errorf("SetKeyQuota: %v", err)
	}
	if i%16 == 0 {
		m.survey()
	}
	time.Sleep(time.Millisecond)
}

func (m *marathon) survey() {
	m.surveys.Add(1)
	if s := m.l.Stats(); s.Bytes > bytesPerKey*soakKeys+1<<16 || s.Keys > 3*soakKeys/2 {
		m.errorf("round %d: %+v", m.round, s)
	}
}

// resetOnce waits until each key is spent, and forgets that, once.
func (m *marathon) resetOnce(g *lot, done *atomic.Int64) {
	for k, name := range g.names {
		for !m.over(done) && m.note(m.l.Allow(name).Allowed) {
			g.spent[k].Add(1)
		}
		for m.note(m.l.Allow(name).Allowed) { // the workers came to their end first
			g.spent[k].Add(1)
		}
		m.l.Reset(name)
	}
}

// wait calls Wait on a key of its own: it takes the burst at once, then every wait
// ends early, in each of the ways, and leaves the key as it was. The key has a
// quota of its own, so that no SetQuota moves it meanwhile.
func (m *marathon) wait(done *atomic.Int64) {
	name := fmt.Sprint("waits ", m.round%3)
	if err := m.l.SetKeyQuota(name, soakQuotas[0]); err != nil {
		m.errorf("SetKeyQuota: %v", err)
	}
	defer m.l.ClearKeyQuota(name)
	for range soakBurst {
		if err := m.l.Wait(context.Background(), name, 1); !m.note(err == nil) {
			m.errorf("Wait within the burst: %v", err)
		}
	}
	spent := m.l.Peek(name)
	if spent.Allowed || spent.ResetAfter != soakBurst*time.Minute {
		m.errorf("round %d: after %d waits: %+v", m.round, soakBurst, spent)
	}
	for first := true; first || !m.over(done); first = false {
		m.tooLong(name)
		m.calledOff(name, spent)
		if after := m.l.Peek(name); after != spent {
			m.errorf("round %d: waits that ended early left %+v of %+v", m.round, after, spent)
		}
		m.waits.Add(4)
		time.Sleep(time.Millisecond)
	}
}

// tooLong asks Wait for what it refuses at once.
func (m *marathon) tooLong(name string) {
	soon, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	var deadline *weir.DeadlineError
	if err := m.l.Wait(soon, name, 1); !errors.As(err, &deadline) || deadline.Wait != time.Minute {
		m.errorf("Wait beyond a deadline: %v", err)
	}
	m.note(false)
	cancel()
	var cost *weir.CostError
	if err := m.l.Wait(context.Background(), name, soakBurst+1); !errors.As(err, &cost) {
		m.errorf("Wait for more than the burst: %v", err)
	}
	m.note(false)
	if err := m.l.Wait(soon, name, 1); !errors.Is(err, context.Canceled) {
		m.errorf("Wait when canceled: %v", err) // not counted: nothing was decided
	}
}

// calledOff waits for a place that is a minute away, until it has been taken.
func (m *marathon) calledOff(name string, spent weir.Decision) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error)
	go func() { ended <- m.l.Wait(ctx, name, 1) }()
	for m.l.Peek(name).ResetAfter == spent.ResetAfter {
		time.Sleep(10 * time.Microsecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		m.errorf("Wait, called off: %v", err)
	}
	m.note(false)
}

// singles asks for keys that come once, as many as the bound leaves room for.
func (m *marathon) singles() {
	for i := range soakKeys / 2 {
		if d := m.l.Allow(fmt.Sprint("single ", m.round, " ", i)); !m.note(d.Allowed) || d.Remaining != soakBurst-1 {
			m.errorf("round %d, a single-use key: %+v", m.round, d)
		}
		if i%batch == 0 {
			runtime.Gosched()
		}
	}
}
