package weirredis

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirredis/redistest"
)

// The scripts decide as weir.Limiter does, which is proven elsewhere: the same
// operations at the same times, on a server whose clock the test sets, and each field of
// each Decision compared. Quotas here have an interval of whole microseconds; what
// becomes of others is tested with the meter.

// steps are operations on one key, in bytes: a fuzzer's, or random ones.
type steps struct{ bytes []byte }

func (s *steps) next() (b byte, ok bool) {
	if len(s.bytes) == 0 {
		return 0, false
	}
	b, s.bytes = s.bytes[0], s.bytes[1:]
	return b, true
}

// number is of up to so many bits, small ones as likely as large ones.
func (s *steps) number(bits int) int64 {
	size, _ := s.next()
	var n uint64
	for range 8 {
		b, _ := s.next()
		n = n<<8 | uint64(b)
	}
	return int64(n >> (64 - int(size)%(bits+1)))
}

// quota has an interval of whole microseconds.
func (s *steps) quota() weir.Quota {
	interval := 1 + s.number(50)
	limit := 1 + s.number(20)
	burst := 1 + s.number(40)
	limit = min(limit, math.MaxInt64/1000/interval)
	burst = min(burst, maxTolerance/interval)
	return weir.Quota{Limit: limit, Period: time.Duration(interval*limit) * time.Microsecond, Burst: max(burst, 1)}
}

// together are the keys of requests made at the same time; the first is that of all others.
var together = [3]string{"key", "another key", "a third key"}

// compare runs the steps on both, and reports the first difference.
func compare(tb testing.TB, server *redistest.Server, prefix string, s *steps) {
	tb.Helper()
	ctx := context.Background()
	q := s.quota()
	start := server.Now()
	model := must(weir.New(q, weir.WithClock(func() time.Duration { return server.Now().Sub(start) })))(tb)
	l := onServer(tb, server, q, WithRefusalCache(0), WithPrefix(prefix))
	defer l.Close(ctx)
	m := l.meter.Load()
	var log []string
	differ := func(what string, got, want any) {
		tb.Helper()
		if got != want {
			tb.Fatalf("quota %+v\n%s\n%s\n got %+v\nwant %+v", q, strings.Join(log, "\n"), what, got, want)
		}
	}
	for op, ok := s.next(); ok; op, ok = s.next() {
		n := s.number(41)
		log = append(log, fmt.Sprintf("%d of %d", op%8, n))
		switch op % 8 {
		case 0, 1:
			n = n%(m.burst+3) - 1
			got := must(l.AllowN(ctx, "key", n))(tb)
			differ(fmt.Sprintf("AllowN(%d)", n), got, model.AllowN("key", n))
		case 2:
			differ("Allow", must(l.Allow(ctx, "key"))(tb), model.Allow("key"))
		case 3:
			n = 1 + n%64
			cost := m.interval * (1 + n%min(m.burst, 7))
			// Together, on one key or on three; each reply is as if they were one by one.
			b := &batch{replies: make([]reply, n)}
			keys := make([]string, n)
			for i := range n {
				keys[i] = together[i*n%3]
				b.requests = append(b.requests, l.request(allowScript, keys[i], m.intervalArg, m.toleranceArg, digits(cost)))
			}
			b.send(ctx, l.server.client, &l.server.apart)
			for i, r := range b.replies {
				d := model.AllowN(keys[i], cost/m.interval)
				want := d.ResetAfter.Microseconds()
				if !d.Allowed {
					want = -1 - want
				}
				differ(fmt.Sprintf("%d. of %d together, of cost %d, on %s: %v", i, n, cost/m.interval, keys[i], r.err), r.n, want)
			}
		case 4:
			n -= 5
			if err := l.Refund(ctx, "key", n); err != nil {
				tb.Fatal(err)
			}
			model.Refund("key", n)
		case 5:
			if op > 200 {
				if err := l.Reset(ctx, "key"); err != nil {
					tb.Fatal(err)
				}
				model.Reset("key")
			}
		default:
			server.Advance(time.Duration(min(n, m.tolerance+1)) * time.Microsecond)
		}
		differ("Peek", must(l.Peek(ctx, "key"))(tb), model.Peek("key"))
	}
	for _, key := range together {
		server.Do("DEL", prefix+key)
	}
}

// restart keeps the clock of a server below 2^52 µs, whatever a test does to it.
func restart(server *redistest.Server) {
	if server.Now().UnixMicro() > 1<<52-1<<51 {
		server.SetTime(time.UnixMicro(1_700_000_000_000_000))
	}
}

// The number of operations is set by WEIR_SCRIPT_OPS, and WEIR_SCRIPT_SEED draws others.
func TestScriptsDecideAsLimiter(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ops, seed := 20_000, rand.Uint64()
	if text := os.Getenv("WEIR_SCRIPT_OPS"); text != "" {
		ops, _ = strconv.Atoi(text)
	}
	if text := os.Getenv("WEIR_SCRIPT_SEED"); text != "" {
		seed, _ = strconv.ParseUint(text, 10, 64)
	}
	t.Logf("WEIR_SCRIPT_SEED=%d", seed)
	random := rand.NewChaCha8([32]byte(append(binary.BigEndian.AppendUint64(nil, seed), make([]byte, 24)...)))
	server := redistest.Start(t, redistest.Options{Clock: true})
	const perKey, bytesPerOp = 50, 10
	for range ops / perKey {
		restart(server)
		b := make([]byte, 27+perKey*bytesPerOp)
		random.Read(b)
		compare(t, server, "random:", &steps{b})
	}
}

func FuzzScripts(f *testing.F) {
	if testing.Short() {
		f.Skip("asks a server")
	}
	f.Add([]byte("0"))
	random := rand.NewChaCha8([32]byte{1})
	for range 4 {
		b := make([]byte, 200)
		random.Read(b)
		f.Add(b)
	}
	server := redistest.Start(inTarget{f}, redistest.Options{Clock: true})
	f.Fuzz(func(t *testing.T, b []byte) {
		restart(server)
		compare(t, server, "fuzz:", &steps{b[:min(len(b), 1000)]})
	})
}

// inTarget is a testing.F that a server may use inside the fuzz target, where the F
// itself must not be.
type inTarget struct{ *testing.F }

func (inTarget) Helper()                           {}
func (inTarget) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (inTarget) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// A debt at another price is that of as many requests, rounded up: exactly while Lua's
// numbers are, and never too little beyond.
func TestScriptsRescale(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.PerSecond(1), WithRefusalCache(0))
	random := rand.New(rand.NewPCG(rand.Uint64(), 7))
	upTo := func(bits int) int64 { return 1 + random.Int64()>>(62-random.IntN(bits)) }
	inexact := 0
	for range 5_000 {
		debt, from, to := upTo(52), upTo(51), upTo(51)
		server.Do("SET", "weir:k", pack(server.Now().UnixMicro(), debt, from))
		r := ask(l, peekScript, "weir:k", digits(to))
		if r.err != nil {
			t.Fatal(r.err)
		}
		exact, rest := new(big.Int).DivMod(new(big.Int).Mul(big.NewInt(debt), big.NewInt(to)), big.NewInt(from), new(big.Int))
		if rest.Sign() > 0 {
			exact.Add(exact, big.NewInt(1))
		}
		want := int64(longestDebt)
		if exact.IsInt64() {
			want = min(want, exact.Int64())
		}
		slack := int64(0)
		if product := new(big.Int).Mul(big.NewInt(debt%from), big.NewInt(to)); product.BitLen() > 53 {
			slack = 6
			inexact++
		}
		if r.n < want || r.n > want+slack {
			t.Fatalf("a debt of %d at %d is %d at %d; want %d, or up to %d more", debt, from, r.n, to, want, slack)
		}
	}
	if inexact < 100 {
		t.Errorf("only %d beyond 2^53", inexact)
	}
}

// pack is a key's value, as lua/read.lua has it.
func pack(numbers ...int64) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(n)))
	}
	return string(b)
}

// The extremes of lua/read.lua: every sum stays whole.
func TestScriptsAtTheBounds(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	server.SetTime(time.UnixMicro(1<<52 - 1))
	q := weir.Quota{Limit: 1, Period: time.Duration(maxTolerance/3) * time.Microsecond, Burst: 3}
	l := onServer(t, server, q, WithRefusalCache(0))
	m := l.meter.Load()
	for i := range int64(3) {
		d := must(l.Allow(ctx, "k"))(t)
		if want := (weir.Decision{Allowed: true, Limit: 1, Remaining: 2 - i, ResetAfter: micros((i + 1) * m.interval)}); d != want {
			t.Fatalf("%+v, want %+v", d, want)
		}
	}
	if d := must(l.Allow(ctx, "k"))(t); d.RetryAfter != micros(m.interval) {
		t.Errorf("%+v", d)
	}
	// One more place, which ends beyond the tolerance, and those beyond longest.
	if r := ask(l, reserveScript, "weir:k", m.intervalArg, m.toleranceArg, digits(m.interval), digits(longestDebt)); r.more[0] != 1 || r.more[1] != 4*m.interval || r.more[2] != 1<<52-1 {
		t.Errorf("%+v", r)
	}
	for taken := int64(4); ; taken++ {
		r := ask(l, reserveScript, "weir:k", m.intervalArg, m.toleranceArg, digits(m.interval), digits(longestDebt))
		if fits := (taken+1)*m.interval <= longestDebt; (r.more[0] == 1) != fits {
			t.Errorf("place %d: %+v", taken+1, r)
		} else if !fits {
			break
		}
	}
	if r := ask(l, chargeScript, "weir:k", m.intervalArg, digits(maxTolerance)); r.err != nil {
		t.Error(r.err)
	}
	if d := must(l.Peek(ctx, "k"))(t); d.ResetAfter != micros(longestDebt) {
		t.Errorf("%+v", d)
	}
	if ms := server.Do("PEXPIRETIME", "weir:k").(int64); ms != (1<<53-1)/1000+1 {
		t.Errorf("expires at %d", ms)
	}
	if err := l.Refund(ctx, "k", math.MaxInt64); err != nil {
		t.Fatal(err)
	}
	if n := server.Do("EXISTS", "weir:k"); n != int64(0) {
		t.Errorf("still there")
	}
}

// A key is there as long as it owes something, and no longer than a millisecond more.
func TestKeysVanishByThemselves(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{Clock: true})
	l := onServer(t, server, weir.Quota{Limit: 3, Period: time.Second})
	d := must(l.AllowN(ctx, "k", 2))(t)
	server.Advance(d.ResetAfter - time.Microsecond)
	if got := must(l.Peek(ctx, "k"))(t); got.ResetAfter != time.Microsecond || got.Remaining != 2 {
		t.Errorf("%+v", got)
	}
	if n := server.Do("EXISTS", "weir:k"); n != int64(1) {
		t.Error("gone too early")
	}
	server.Advance(2*time.Millisecond + time.Microsecond)
	if n := server.Do("EXISTS", "weir:k"); n != int64(0) {
		t.Error("still there")
	}
}

// What is not ours is no debt, and no reason to give up the server.
func TestForeignValue(t *testing.T) {
	if testing.Short() {
		t.Skip("asks a server")
	}
	ctx := context.Background()
	server := redistest.Start(t, redistest.Options{})
	l := onServer(t, server, weir.PerSecond(1), WithBreaker(1, time.Hour))
	server.Do("SET", "weir:text", "hello")
	server.Do("LPUSH", "weir:list", "hello")
	for _, key := range []string{"text", "list"} {
		d, err := l.Allow(ctx, key)
		if err == nil || d.Allowed {
			t.Errorf("%s: %+v, %v", key, d, err)
		}
	}
	if d, err := l.Allow(ctx, "fine"); err != nil || !d.Allowed {
		t.Errorf("%+v, %v", d, err)
	}
	if s := l.Stats(); !s.Up() || s.Failures != 2 {
		t.Errorf("%+v", s)
	}
}
