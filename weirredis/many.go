package weirredis

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/redis/rueidis"
)

// A call is one script sent for one request of a batch, or for several that one script
// can decide: what a call costs the server by itself, more than half of it with a single
// key, is then shared.
type call struct {
	script *script
	args   [4]string
	keys   []callKey
}

// A callKey is a key of a call, and the places in the batch of those who asked for it.
type callKey struct {
	name   string
	places []int
}

// calls puts requests of a batch together that ask for the same at the same cost, unless
// keys are to be kept apart: then only those for the same key.
func (b *batch) calls(apart bool) []call {
	type member struct {
		kind int // of request: the number of its args
		name string
	}
	type place struct{ call, key int }
	calls := make([]call, 0, len(b.requests))
	places := make([]int, len(b.requests))          // of which those of single requests are slices
	same := make(map[member]place, len(b.requests)) // where a key of that kind is
	kinds := make(map[[4]string]int)                // numbers, from 1
	first := make([]int, 1, 4)                      // call of that kind, if keys are not apart
	kind := 0                                       // of the request before, which mostly is alike
	for i, r := range b.requests {
		places[i] = i
		key := callKey{r.name, places[i : i+1 : i+1]}
		if r.script != allowScript {
			calls = append(calls, call{r.script, r.args, []callKey{key}})
			continue
		}
		if kind == 0 || calls[first[kind]].args != r.args {
			if kind = kinds[r.args]; kind == 0 {
				kind = len(first)
				kinds[r.args] = kind
				first = append(first, -1)
			}
		}
		at, ok := same[member{kind, r.name}]
		switch {
		case ok:
			k := &calls[at.call].keys[at.key]
			k.places = append(k.places, i)
			calls[at.call].script = manyScript
			continue
		case first[kind] >= 0 && !apart:
			at = place{first[kind], len(calls[first[kind]].keys)}
			calls[at.call].script = manyScript
			calls[at.call].keys = append(calls[at.call].keys, key)
		default:
			at = place{len(calls), 0}
			calls = append(calls, call{r.script, r.args, []callKey{key}})
			first[kind] = at.call
		}
		same[member{kind, r.name}] = at
	}
	return calls
}

// apart is the call as calls of one key each.
func (c *call) apart() []call {
	calls := make([]call, len(c.keys))
	for i := range c.keys {
		calls[i] = call{allowScript, c.args, c.keys[i : i+1]}
		if len(c.keys[i].places) > 1 {
			calls[i].script = manyScript
		}
	}
	return calls
}

func (c *call) command(client rueidis.Client, whole bool) rueidis.Completed {
	names := make([]string, len(c.keys))
	args := append(make([]string, 0, c.script.args+len(c.keys)), c.args[:c.script.args]...)
	counts := false
	for i, k := range c.keys {
		names[i] = k.name
		counts = counts || len(k.places) > 1
	}
	if counts {
		for _, k := range c.keys {
			args = append(args, digits(int64(len(k.places))))
		}
	}
	return c.script.command(client, whole, args, names...)
}

// send runs the requests of a batch. It returns the number of calls.
func (b *batch) send(ctx context.Context, client rueidis.Client, apart *atomic.Bool) (sent int) {
	if len(b.requests) == 1 {
		b.replies[0] = b.requests[0].run(ctx, client)
		return 1
	}
	return b.run(ctx, client, b.calls(apart.Load()), apart)
}

// run makes the calls, and those of several keys that the server refuses as such again,
// each key apart.
func (b *batch) run(ctx context.Context, client rueidis.Client, calls []call, apart *atomic.Bool) (sent int) {
	strange, refused := b.try(ctx, client, calls, false, apart)
	if len(strange) > 0 {
		_, more := b.try(ctx, client, strange, true, apart)
		refused = append(refused, more...)
	}
	if len(refused) == 0 {
		return len(calls)
	}
	var single []call
	for i := range refused {
		single = append(single, refused[i].apart()...)
	}
	return len(calls) + b.run(ctx, client, single, apart)
}

// try sends the calls together, with their scripts' names or whole, and tells the members
// of the batch the replies. It returns the calls of which the server did not know the
// script, and those that it has refused for their several keys.
func (b *batch) try(ctx context.Context, client rueidis.Client, calls []call, whole bool, apart *atomic.Bool) (strange, refused []call) {
	commands := make(rueidis.Commands, len(calls))
	for i := range calls {
		commands[i] = calls[i].command(client, whole)
	}
	for i, result := range client.DoMulti(ctx, commands...) {
		switch err, _ := rueidis.IsRedisErr(result.Error()); {
		case err != nil && err.IsNoScript() && !whole:
			strange = append(strange, calls[i])
		case err != nil && len(calls[i].keys) > 1 && refusesSeveral(err, apart):
			refused = append(refused, calls[i])
		default:
			b.tell(&calls[i], result)
		}
	}
	return strange, refused
}

// refusesSeveral reports whether a server has refused a call that it might take for each
// of its keys apart, and has run nothing of it: what it says to the script as a whole, it
// says before, and what to MGET, before the script writes. It has keys kept apart from
// then on where that is not a matter of single keys.
func refusesSeveral(err *rueidis.RedisError, apart *atomic.Bool) bool {
	text := err.Error()
	switch {
	case strings.HasPrefix(text, "CROSSSLOT"), // a node of a cluster, which the client does not know for one
		strings.Contains(text, "can't run this command"): // a user who may GET, and not MGET
		apart.Store(true)
		return true
	case strings.HasPrefix(text, "TRYAGAIN"), // the keys' slot is on its way to another node
		strings.HasPrefix(text, "NOPERM"): // a user who may not touch all of the keys
		return true
	}
	return false
}

// tell gives the members of a call their replies.
func (b *batch) tell(c *call, result rueidis.RedisResult) {
	if c.script != manyScript {
		b.replies[c.keys[0].places[0]] = parse(result)
		return
	}
	cost := number(c.args[2])
	each, err := result.ToArray()
	if err == nil && len(each) != len(c.keys) {
		err = errReply
	}
	for i, k := range c.keys {
		r := reply{err: err}
		if err == nil {
			r = parseMessage(&each[i])
		}
		b.tellAlike(k.places, cost, r)
	}
}

// tellAlike gives those who asked for the same their replies. Those who came first are
// admitted, as if they had been decided one after the other.
func (b *batch) tellAlike(places []int, cost int64, r reply) {
	admitted, debt := int64(len(places)), r.n // all of them
	switch {
	case r.err != nil:
		for _, place := range places {
			b.replies[place] = reply{err: r.err}
		}
		return
	case r.more != nil:
		admitted, debt = r.more[0], r.more[1]
	case r.n < 0:
		admitted, debt = 0, -1-r.n
	}
	for i, place := range places {
		if behind := admitted - int64(i); behind > 0 { // and 1
			b.replies[place] = reply{n: debt - (behind-1)*cost}
		} else {
			b.replies[place] = reply{n: -1 - debt}
		}
	}
}
