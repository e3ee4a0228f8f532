package main

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir"
)

// beyondTheBound sends twice as many keys as the bound keeps, beside the keys that
// the round has spent, which stay as they are to the nanosecond.
func (m *marathon) beyondTheBound() {
	m.floods.Add(1)
	var spent []string
	for _, kind := range []string{"asked", "refunded", "reset"} {
		g := m.lot(kind)
		spent = append(spent, g.names[:]...)
	}
	before := make([]weir.Decision, len(spent))
	for i, name := range spent {
		before[i] = m.l.Peek(name)
		if before[i].Allowed || before[i].ResetAfter%time.Minute != 0 {
			m.errorf("round %d: %s is not spent: %+v", m.round, name, before[i])
		}
	}
	raises := m.l.Stats().HorizonRaises
	together(4, func(w int) {
		for i := range soakKeys / 2 {
			m.note(m.l.Allow(fmt.Sprint("flood ", m.round, " ", w, " ", i)).Allowed)
		}
		m.survey()
	})
	for i, name := range spent {
		if after := m.l.Peek(name); after != before[i] {
			m.errorf("round %d: %s was %+v, and after the flood is %+v", m.round, name, before[i], after)
		}
	}
	if m.l.Stats().HorizonRaises == raises {
		m.errorf("round %d: the flood did not reach the bound", m.round)
	}
}

// startPace lets goroutines wait for their turns on one key, by the real clock,
// until the returned function is called, which checks how many had one.
func (m *marathon) startPace() (stop func()) {
	q := weir.Quota{Limit: 200, Period: time.Second, Burst: 10}
	l := m.limiter(q)
	ctx, cancel := context.WithCancel(context.Background())
	var waiting sync.WaitGroup
	var passed, ended atomic.Int64
	from := l.Now()
	for range 16 {
		waiting.Go(func() {
			for l.Wait(ctx, "paced", 1) == nil {
				passed.Add(1)
			}
			ended.Add(1)
		})
	}
	return func() {
		most := q.MaxIn(l.Now() - from)
		n := passed.Load()
		cancel()
		waiting.Wait()
		// Those who passed between the two readings count for the upper bound only.
		if n < most/4 || passed.Load() > q.MaxIn(l.Now()-from) {
			m.errorf("%d paced by Wait, MaxIn is %d", n, most)
		}
		s := l.Stats()
		if s.Admitted != passed.Load() || s.Admitted+s.Refused > passed.Load()+ended.Load() {
			m.errorf("paced: %+v, %d passed, %d ended", s, passed.Load(), ended.Load())
		}
		m.waits.Add(passed.Load())
		m.figuref("%d paced by Wait, of at most %d", passed.Load(), most)
	}
}

// settle checks that nothing is left behind: no goroutine, and no more memory than
// the bound allows. Tables are given back when new keys come.
func (m *marathon) settle(before int64, goroutines int) {
	m.clock.advance(between)
	if keys := m.l.Stats().Keys; keys != 0 {
		m.errorf("%d keys live at the end", keys)
	}
	for i := range soakKeys / 2 {
		if d := m.l.Allow(fmt.Sprint("last ", i)); !m.note(d.Allowed) || d.Remaining != soakBurst-1 {
			m.errorf("a key after all rounds: %+v", d)
		}
	}
	grown := heap() - before
	if grown > bytesPerKey*soakKeys+256<<10 {
		m.errorf("the heap grew by %d bytes", grown)
	}
	for wait := 0; runtime.NumGoroutine() > goroutines; wait++ {
		if wait == 100 {
			m.errorf("%d goroutines, %d at the start", runtime.NumGoroutine(), goroutines)
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.figuref("%.1f bytes a key of the bound at the end", float64(grown)/soakKeys)
}
