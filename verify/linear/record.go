package linear

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/weirhq/weir"
)

// A recording is a plan being carried out.
type recording struct {
	*plan
	limiter *weir.Limiter
	history *History
	names   []string
	shown   atomic.Int64 // index into the plan's clock
	reads   atomic.Uint64
	order   atomic.Int64 // numbers calls and returns
	running atomic.Bool  // the callers are at it
	records [][]porcupine.Operation
}

// Record carries out the plan of a seed.
func Record(seed uint64) *History {
	p := newPlan(seed)
	r := &recording{plan: p, records: make([][]porcupine.Operation, len(p.callers))}
	r.history = &History{Seed: seed, Mode: p.mode, Quota: p.quota, Keys: p.keys, Clock: p.clock}
	// Few enough keys for one shard.
	limiter, err := weir.New(p.quota, weir.WithClock(r.now), weir.WithMaxKeys(5))
	if err != nil {
		panic(err)
	}
	r.limiter = limiter
	for key := range p.keys {
		r.names = append(r.names, "key"+strconv.Itoa(key))
	}
	// The first table, which has no predecessor, and what an idle limiter has instead of it, are not modeled with a moving
	// clock. A stopped one sees them.
	if p.mode != Stopped || seed%2 == 0 {
		r.fill("first")
	}
	before := limiter.Stats()
	r.run()
	after := limiter.Stats()
	r.history.Migrations = after.Migrations - before.Migrations
	r.history.Raises = after.HorizonRaises
	for _, ops := range r.records {
		r.history.Ops = append(r.history.Ops, ops...)
	}
	r.history.void()
	return r.history
}

// now is the limiter's clock. It is read in the midst of migrations too, between two steps of the protocol. There
// it often lets others go first, before it is read or after.
func (r *recording) now() time.Duration {
	if !r.running.Load() {
		return time.Duration(r.clock[r.shown.Load()])
	}
	n := r.reads.Add(1)
	if r.yields>>(n%64)&1 != 0 {
		runtime.Gosched()
	}
	now := r.clock[r.shown.Load()]
	if r.yields>>((n+32)%64)&1 != 0 {
		runtime.Gosched()
	}
	return time.Duration(now)
}

// run lets all callers loose at the same time.
func (r *recording) run() {
	var ready atomic.Int64
	var done sync.WaitGroup
	r.running.Store(true)
	for c, actions := range r.callers {
		r.records[c] = make([]porcupine.Operation, 0, 2*len(actions))
		done.Go(func() {
			ready.Add(1)
			for spins := 0; ready.Load() < int64(len(r.callers)); spins++ {
				if spins > 100 {
					runtime.Gosched()
				}
			}
			for i := range actions {
				r.act(c, i, &actions[i])
			}
		})
	}
	done.Wait()
	r.running.Store(false)
}

func (r *recording) act(c, i int, a *action) {
	switch a.chore {
	case none:
		r.operate(c, a)
	case filler:
		r.fill("filler" + strconv.Itoa(c*1000+i))
	case lasting:
		r.limiter.Allow("lasting" + strconv.Itoa(c*1000+i))
	case tick:
		r.shown.Add(1)
	case look:
		r.limiter.Stats()
	case giveWay:
		runtime.Gosched()
	}
}

func (r *recording) fill(name string) {
	r.limiter.Allow(name)
	r.limiter.Reset(name)
}

// operate calls the limiter and notes what it was told.
func (r *recording) operate(c int, a *action) {
	in := a.Input
	in.in = r.history
	op := porcupine.Operation{ClientId: c, Input: &in, Call: r.order.Add(1)}
	in.First = int(r.shown.Load())
	var out Output
	switch name := r.names[in.Key]; in.Kind {
	case Allow:
		if in.N == 1 {
			out.Decision = r.limiter.Allow(name)
		} else {
			out.Decision = r.limiter.AllowN(name, in.N)
		}
	case AllowAt:
		out.Decision = r.limiter.AllowAt(time.Duration(in.At), name, in.N)
	case Peek:
		out.Decision = r.limiter.Peek(name)
	case Refund:
		r.limiter.Refund(name, in.N)
	case Reset:
		r.limiter.Reset(name)
	case Place:
		op, out.Wait = r.wait(c, name, op)
	case SetQuota:
		must(r.limiter.SetQuota(in.Quota))
	case SetKeyQuota:
		must(r.limiter.SetKeyQuota(name, in.Quota))
	case ClearKeyQuota:
		r.limiter.ClearKeyQuota(name)
	}
	now := op.Input.(*Input)
	now.Last = int(r.shown.Load())
	op.Output, op.Return = out, r.order.Add(1)
	r.records[c] = append(r.records[c], op)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// wait calls Wait with a context that ends when Wait goes to sleep. If it did, wait records the taking of the place, and
// returns the giving back as what is left of the operation.
func (r *recording) wait(c int, name string, op porcupine.Operation) (porcupine.Operation, Outcome) {
	in := op.Input.(*Input)
	var back int64
	ctx := &impatient{Context: context.Background(), asleep: func() {
		if op.Return == 0 {
			in.Last = int(r.shown.Load())
			op.Return, back = r.order.Add(1), r.order.Add(1)
		}
	}}
	err := r.limiter.Wait(ctx, name, in.N)
	var cost *weir.CostError
	switch {
	case err == nil:
		op.Return = 0
		return op, Passed
	case errors.As(err, &cost):
		return op, Refused
	case !errors.Is(err, context.Canceled):
		panic(err)
	}
	op.Output = Output{Wait: Slept}
	r.records[c] = append(r.records[c], op)
	rest := *in
	rest.Kind, rest.First = GiveBack, in.Last
	return porcupine.Operation{ClientId: c, Input: &rest, Call: back}, Passed
}

// impatient is a context that ends when it is first waited for.
type impatient struct {
	context.Context
	asleep func()
	ended  bool
}

var over = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (c *impatient) Done() <-chan struct{} {
	c.asleep()
	c.ended = true
	return over
}

func (c *impatient) Err() error {
	if c.ended {
		return context.Canceled
	}
	return nil
}
