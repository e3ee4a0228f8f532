package weirredis

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// multis counts the batches that a client is given, and the commands in them.
type multis struct {
	rueidis.Client
	batches, commands *int
}

func (m multis) DoMulti(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	*m.batches++
	*m.commands += len(commands)
	return m.Client.DoMulti(ctx, commands...)
}

// batchOf is a batch of requests of cost 1 for each key.
func batchOf(l *Limiter, keys ...string) *batch {
	m := l.meter.Load()
	b := &batch{replies: make([]reply, len(keys))}
	for _, key := range keys {
		b.requests = append(b.requests, l.request(allowScript, key, m.intervalArg, m.toleranceArg, digits(m.interval)))
	}
	return b
}

func numbered(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprint("key ", i))
	}
	return keys
}

// Scripts that the server does not know are sent whole together, not one after the other.
func TestManyOfUnknownScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	for _, keysApart := range []bool{false, true} {
		server := redistest.Start(t, redistest.Options{Clock: true})
		l := onServer(t, server, weir.PerHour(10))
		b := batchOf(l, numbered(100)...)
		var apart atomic.Bool
		apart.Store(keysApart)
		want := 1
		if keysApart {
			want = 100
		}
		batches, commands := 0, 0
		calls := b.send(context.Background(), multis{l.server.client, &batches, &commands}, &apart)
		if calls != want || batches != 2 || commands != 2*want {
			t.Errorf("apart %t: %d calls, %d commands in %d batches", keysApart, calls, commands, batches)
		}
		for i, r := range b.replies {
			if r.n != l.meter.Load().interval || r.err != nil {
				t.Errorf("apart %t: request %d: %+v", keysApart, i, r)
			}
		}
	}
}

// What is wrong with one key of a call is told to those who asked for it, and to nobody
// else; and nothing that cannot be weir's is written over.
func TestManyTellsEachItsOwnError(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(10))
	server.Do("RPUSH", l.prefix+"key 1", "a", "b")
	server.Do("HSET", l.prefix+"key 3", "a", "b")
	server.Do("SET", l.prefix+"key 5", "not weir's")
	server.Do("SET", l.prefix+"key 6", strings.Repeat("\xff", 24)) // three times not a number
	b := batchOf(l, append(numbered(8), "key 1", "key 2", "key 5")...)
	if calls := b.send(context.Background(), l.server.client, &l.server.apart); calls != 1 {
		t.Fatalf("%d calls", calls)
	}
	wrong := map[int]string{1: "WRONGTYPE", 3: "WRONGTYPE", 5: "WEIR a value of 10 bytes", 6: "that are no debt", 8: "WRONGTYPE", 10: "WEIR a value of 10 bytes"}
	for i, r := range b.replies {
		want := l.meter.Load().interval
		if i == 9 {
			want *= 2
		}
		switch text, bad := wrong[i]; {
		case bad && (r.err == nil || !strings.Contains(r.err.Error(), text) || blames(r.err)):
			t.Errorf("request %d: %v, want %q, and that the server is not blamed", i, r.err, text)
		case !bad && (r.err != nil || r.n != want):
			t.Errorf("request %d: %+v, want %d", i, r, want)
		}
	}
	for _, kind := range []struct{ key, want string }{{"key 1", "list"}, {"key 3", "hash"}, {"key 5", "string"}, {"key 6", "string"}} {
		if got := fmt.Sprint(server.Do("TYPE", l.prefix+kind.key)); got != kind.want {
			t.Errorf("%s is a %s now", kind.key, got)
		}
	}
}

// instead sends the same command in place of all.
type instead struct {
	rueidis.Client
	command func() rueidis.Completed
}

func (c instead) DoMulti(ctx context.Context, commands ...rueidis.Completed) []rueidis.RedisResult {
	for i := range commands {
		commands[i] = c.command()
	}
	return c.Client.DoMulti(ctx, commands...)
}

// What a server should never say, to a script that was sent whole too, is an error for all
// who asked, and no decision.
func TestManyOfStrangeReplies(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(10))
	client := l.server.client
	eval := func(script string) func() rueidis.Completed {
		return func() rueidis.Completed { return client.B().Eval().Script(script).Numkeys(0).Build() }
	}
	for name, command := range map[string]func() rueidis.Completed{
		"no script": func() rueidis.Completed {
			return client.B().Evalsha().Sha1(strings.Repeat("0", 40)).Numkeys(0).Build()
		},
		"a number":    eval("return 1"),
		"nothing":     eval("return false"),
		"too few":     eval("return {1}"),
		"too many":    eval("return {1, 1, 1, 1}"),
		"no numbers":  eval("return {'a', 'b', 'c'}"),
		"short lists": eval("return {{1}, {1}, {1}}"),
	} {
		b := batchOf(l, "a", "b", "c", "c")
		b.send(context.Background(), instead{client, command}, &l.server.apart)
		for i, r := range b.replies {
			if r.err == nil {
				t.Errorf("%s: request %d: %+v", name, i, r)
			}
		}
	}
}

// A value of the right length may still be none: it is not written over either.
func TestValuesThatAreNoDebt(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerHour(10))
	now := float64(server.Now().UnixMicro())
	for name, numbers := range map[string][3]float64{
		"less than nothing": {now, -1, 1},
		"beyond all":        {now, 1<<52 + 1, 1},
		"infinite":          {now, math.Inf(1), 1},
		"without a price":   {now, 1, 0},
		"at no price":       {now, 1, math.NaN()},
	} {
		var value []byte
		for _, x := range numbers {
			value = binary.LittleEndian.AppendUint64(value, math.Float64bits(x))
		}
		server.Do("SET", l.prefix+name, string(value))
		if _, err := l.Allow(context.Background(), name); err == nil || !strings.Contains(err.Error(), "that are no debt") {
			t.Errorf("%s: %v", name, err)
		}
		if got := server.Do("GET", l.prefix+name); fmt.Sprint(got) != string(value) {
			t.Errorf("%s: %q now", name, got)
		}
	}
}

// A client that takes one node of a cluster for all: the node wants each call for keys of
// one slot. It is asked so from then on, and nothing is decided twice.
func TestManyOnANodeOfACluster(t *testing.T) {
	if testing.Short() {
		t.Skip("asks servers")
	}
	cluster := redistest.StartCluster(t, 3, 0, redistest.Options{})
	node := cluster.Master(8000)
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{node.Addr()}, ForceSingleClient: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l, err := New(client, weir.PerHour(10), WithTimeout(10*time.Second), WithFallback(Closed()))
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for i := 0; len(keys) < 20; i++ {
		if key := fmt.Sprint("key ", i); cluster.Master(redistest.Slot(l.prefix+key)) == node {
			keys = append(keys, key, key)
		}
	}
	if l.server.apart.Load() {
		t.Fatal("the client knows that it is a cluster")
	}
	for round, want := range []int{1 + 20/2, 20 / 2} {
		b := batchOf(l, keys...)
		batches, commands := 0, 0
		calls := b.send(context.Background(), multis{client, &batches, &commands}, &l.server.apart)
		if calls != want {
			t.Errorf("round %d: %d calls, want %d", round, calls, want)
		}
		for i, r := range b.replies {
			spent := int64(2*round + 1 + i%2)
			if r.err != nil || (r.n+l.meter.Load().interval-1)/l.meter.Load().interval != spent { // time goes on
				t.Errorf("round %d, %s: %+v, want %d spent", round, keys[i], r, spent)
			}
		}
		if !l.server.apart.Load() {
			t.Fatal("the node took keys of several slots")
		}
	}
}

// While a slot is on its way, a node that has some of its keys takes none of them in one
// call, but each that it has.
func TestManyOfASlotOnItsWay(t *testing.T) {
	if testing.Short() {
		t.Skip("asks servers")
	}
	cluster := redistest.StartCluster(t, 3, 0, redistest.Options{})
	const prefix = "weir:{tag}:"
	slot := redistest.Slot(prefix)
	node := cluster.Master(slot)
	client := must(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{node.Addr()}, ForceSingleClient: true}))(t)
	defer client.Close()
	l := must(New(client, weir.PerHour(10), WithPrefix(prefix), WithTimeout(10*time.Second), WithFallback(Closed())))(t)
	must(l.Allow(context.Background(), "here"))(t)
	cluster.Migrate(slot, node, cluster.Master((slot+redistest.Slots/2)%redistest.Slots))
	b := batchOf(l, "here", "gone")
	if calls := b.send(context.Background(), client, &l.server.apart); calls != 3 || l.server.apart.Load() {
		t.Errorf("%d calls, and apart from now on: %t", calls, l.server.apart.Load())
	}
	if r := b.replies[0]; r.err != nil {
		t.Errorf("what is here: %v", r.err)
	}
	if r := b.replies[1]; r.err == nil || !strings.HasPrefix(r.err.Error(), "ASK") {
		t.Errorf("what is gone: %+v", r)
	}
}

// A user of the server who may not do all of it: keys that he may not touch fail, and no
// others; and if he may not MGET, each is asked for apart.
func TestManyByAUserOfFewRights(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	for _, user := range []struct {
		name   string
		rights []string
	}{
		{"get", []string{"~*", "+@all", "-mget"}}, // first, while the server does not know the script
		{"keys", []string{"~weir:a*", "+@all"}},
	} {
		name := user.name
		server.Do(append([]string{"ACL", "SETUSER", name, "on", ">" + name}, user.rights...)...)
		client := must(rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{server.Addr()}, Username: name, Password: name, DisableCache: true}))(t)
		defer client.Close()
		l := must(New(client, weir.PerHour(10), WithTimeout(10*time.Second), WithFallback(Closed())))(t)
		for round := range 2 {
			b := batchOf(l, "a1 "+name, "b1 "+name, "a2 "+name, "a2 "+name)
			calls := b.send(context.Background(), client, &l.server.apart)
			if want := map[string][]int{"keys": {4, 4}, "get": {4, 3}}[name][round]; calls != want {
				t.Errorf("%s, round %d: %d calls, want %d", name, round, calls, want)
			}
			for i, r := range b.replies {
				want := l.meter.Load().interval * int64(round+1)
				if i >= 2 {
					want = l.meter.Load().interval * int64(2*round+i-1)
				}
				switch bad := name == "keys" && i == 1; {
				case bad && (r.err == nil || !strings.HasPrefix(r.err.Error(), "NOPERM")):
					t.Errorf("%s, request %d: %+v", name, i, r)
				case !bad && (r.err != nil || r.n != want):
					t.Errorf("%s, round %d, request %d: %+v, want %d", name, round, i, r, want)
				}
			}
		}
	}
}

func TestKeysApart(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	for _, opts := range [][]Option{nil, {WithKeysApart()}} {
		l := onServer(t, server, weir.PerHour(10), opts...)
		b := batchOf(l, numbered(50)...)
		want := 1
		if opts != nil {
			want = 50
		}
		if calls := b.send(context.Background(), l.server.client, &l.server.apart); calls != want {
			t.Errorf("%d calls, want %d", calls, want)
		}
	}
}
