package weir_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/weirhq/weir"
)

func Example() {
	limiter, err := weir.New(weir.PerMinute(5)) // each key: 5 at once, then one every 12 s
	if err != nil {
		log.Fatal(err)
	}
	for range 6 {
		d := limiter.Allow("ada")
		fmt.Println(d.Allowed, d.Remaining, d.RetryAfterSeconds())
	}
	d := limiter.Allow("bob") // another key, another budget
	fmt.Println(d.Allowed, d.Remaining)
	// Output:
	// true 4 0
	// true 3 0
	// true 2 0
	// true 1 0
	// true 0 0
	// false 0 12
	// true 4
}

// What cannot be enforced is an error of New, which names what to mend.
func ExampleNew() {
	_, err := weir.New(weir.Quota{Limit: 300})
	fmt.Println(err)
	_, err = weir.New(weir.PerMinute(300), weir.WithMaxKeys(0))
	fmt.Println(err)

	limiter, err := weir.New(weir.PerMinute(300))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(limiter.Allow("ada").Remaining)
	// Output:
	// weir: Quota.Period is 0s; it must be above 0
	// weir: WithMaxKeys is 0; it must be above 0
	// 299
}

func ExampleLimiter_Allow() {
	now := time.Duration(0) // a stopped clock makes the figures below exact
	limiter, err := weir.New(weir.PerMinute(300), weir.WithClock(func() time.Duration { return now }))
	if err != nil {
		log.Fatal(err)
	}
	for range 299 {
		limiter.Allow("ada")
	}
	fmt.Printf("%+v\n", limiter.Allow("ada"))
	fmt.Printf("%+v\n", limiter.Allow("ada"))
	now += 200 * time.Millisecond // as RetryAfter said
	fmt.Printf("%+v\n", limiter.Allow("ada"))
	// Output:
	// {Allowed:true Limit:300 Remaining:0 RetryAfter:0s ResetAfter:1m0s}
	// {Allowed:false Limit:300 Remaining:0 RetryAfter:200ms ResetAfter:1m0s}
	// {Allowed:true Limit:300 Remaining:0 RetryAfter:0s ResetAfter:1m0s}
}

// A request may cost more than one: a batch, or an expensive call. It passes as
// a whole or not at all.
func ExampleLimiter_AllowN() {
	limiter, err := weir.New(weir.PerMinute(10))
	if err != nil {
		log.Fatal(err)
	}
	for _, cost := range []int64{7, 7, 3, 11} {
		d := limiter.AllowN("ada", cost)
		fmt.Println(cost, d.Allowed, d.Remaining, d.RetryAfter == weir.Never)
	}
	// Output:
	// 7 true 3 false
	// 7 false 3 false
	// 3 true 0 false
	// 11 false 0 true
}

// RetryAfter is exact to the nanosecond.
func ExampleLimiter_AllowAt() {
	limiter, err := weir.New(weir.PerHour(1), weir.WithClock(func() time.Duration { return 0 }))
	if err != nil {
		log.Fatal(err)
	}
	now := limiter.Now()
	fmt.Println(limiter.AllowAt(now, "ada", 1).Allowed)
	d := limiter.AllowAt(now+20*time.Minute, "ada", 1)
	fmt.Println(d.Allowed, d.RetryAfter)
	fmt.Println(limiter.AllowAt(now+20*time.Minute+d.RetryAfter-1, "ada", 1).Allowed)
	fmt.Println(limiter.AllowAt(now+20*time.Minute+d.RetryAfter, "ada", 1).Allowed)
	// Output:
	// true
	// false 40m0s
	// false
	// true
}

// One reading of the clock serves several decisions.
func ExampleLimiter_Now() {
	limiter, err := weir.New(weir.PerMinute(60))
	if err != nil {
		log.Fatal(err)
	}
	now := limiter.Now()
	for _, key := range []string{"user:7", "team:3"} {
		fmt.Println(key, limiter.AllowAt(now, key, 1).Allowed)
	}
	// Output:
	// user:7 true
	// team:3 true
}

func ExampleLimiter_Quota() {
	limiter, err := weir.New(weir.Quota{Limit: 300, Period: time.Minute, Burst: 50})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(limiter.Quota())
	// Output: 300/1m burst 50
}

// Peek asks without spending.
func ExampleLimiter_Peek() {
	limiter, err := weir.New(weir.PerHour(2))
	if err != nil {
		log.Fatal(err)
	}
	limiter.Allow("ada")
	fmt.Println(limiter.Peek("ada").Remaining, limiter.Peek("ada").Remaining)
	// Output: 1 1
}

// Work that was not done after all is given back.
func ExampleLimiter_Refund() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(limiter.AllowN("ada", 8).Remaining)
	limiter.Refund("ada", 5)
	fmt.Println(limiter.Peek("ada").Remaining)
	limiter.Refund("ada", 1000) // never beyond a full burst
	fmt.Println(limiter.Peek("ada").Remaining)
	// Output:
	// 2
	// 7
	// 10
}

func ExampleLimiter_Reset() {
	limiter, err := weir.New(weir.PerHour(3))
	if err != nil {
		log.Fatal(err)
	}
	limiter.AllowN("ada", 3)
	fmt.Println(limiter.Allow("ada").Allowed)
	limiter.Reset("ada")
	fmt.Println(limiter.Allow("ada").Allowed)
	// Output:
	// false
	// true
}

// What a key has consumed is kept, counted in requests: here 8 of 10, then 8 of
// 20.
func ExampleLimiter_SetQuota() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	limiter.AllowN("ada", 8)
	if err := limiter.SetQuota(weir.PerHour(20)); err != nil {
		log.Fatal(err)
	}
	d := limiter.Peek("ada")
	fmt.Println(d.Remaining, "of", d.Limit)
	// Output: 12 of 20
}

// One customer has bought more.
func ExampleLimiter_SetKeyQuota() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	if err := limiter.SetKeyQuota("ada", weir.PerHour(5000)); err != nil {
		log.Fatal(err)
	}
	for _, key := range []string{"ada", "bob"} {
		d := limiter.Allow(key)
		fmt.Println(key, d.Remaining, "of", d.Limit)
	}
	// Output:
	// ada 4999 of 5000
	// bob 9 of 10
}

func ExampleLimiter_ClearKeyQuota() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	if err := limiter.SetKeyQuota("ada", weir.PerHour(5000)); err != nil {
		log.Fatal(err)
	}
	limiter.AllowN("ada", 4)
	limiter.ClearKeyQuota("ada")
	d := limiter.Peek("ada")
	fmt.Println(d.Remaining, "of", d.Limit)
	// Output: 6 of 10
}

func ExampleLimiter_KeyQuota() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	if err := limiter.SetKeyQuota("ada", weir.PerHour(5000)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(limiter.KeyQuota("ada"))
	fmt.Println(limiter.KeyQuota("bob"))
	// Output:
	// 5000/1h true
	// 10/1h false
}

func ExampleLimiter_Stats() {
	limiter, err := weir.New(weir.PerHour(2))
	if err != nil {
		log.Fatal(err)
	}
	for range 5 {
		limiter.Allow("ada")
	}
	limiter.Allow("bob")
	s := limiter.Stats()
	fmt.Println(s.Admitted, "admitted,", s.Refused, "refused,", s.Keys, "keys")
	// Output: 3 admitted, 3 refused, 2 keys
}

// RetryAfterSeconds is what the HTTP field Retry-After wants.
func ExampleDecision_RetryAfterSeconds() {
	for _, d := range []weir.Decision{
		{Allowed: true},
		{RetryAfter: 1},
		{RetryAfter: 17 * time.Second},
		{RetryAfter: 17*time.Second + 1},
	} {
		fmt.Println(d.RetryAfter, d.RetryAfterSeconds())
	}
	// Output:
	// 0s 0
	// 1ns 1
	// 17s 17
	// 17.000000001s 18
}

// Wait sleeps until the request may pass.
func ExampleLimiter_Wait() {
	limiter, err := weir.New(weir.Quota{Limit: 100, Period: time.Second, Burst: 1}) // one every 10 ms
	if err != nil {
		log.Fatal(err)
	}
	start := time.Now()
	for range 4 {
		if err := limiter.Wait(context.Background(), "mailer", 1); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("4 sent, in 30 ms or more:", time.Since(start) >= 30*time.Millisecond)
	// Output: 4 sent, in 30 ms or more: true
}

// A deadline that the wait would outlast is refused at once, and nothing is
// spent.
func ExampleDeadlineError() {
	limiter, err := weir.New(weir.PerHour(1))
	if err != nil {
		log.Fatal(err)
	}
	limiter.Allow("mailer")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	err = limiter.Wait(ctx, "mailer", 1)
	var tooLate *weir.DeadlineError
	if errors.As(err, &tooLate) {
		fmt.Println(tooLate.Wait.Round(time.Minute), tooLate.Left.Round(time.Minute))
	}
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// 1h0m0s 10m0s
	// true
}

// No wait is long enough for a cost above the burst.
func ExampleCostError() {
	limiter, err := weir.New(weir.PerHour(10))
	if err != nil {
		log.Fatal(err)
	}
	err = limiter.Wait(context.Background(), "mailer", 11)
	var tooMuch *weir.CostError
	if errors.As(err, &tooMuch) {
		fmt.Println(tooMuch.Cost, tooMuch.Burst)
	}
	// Output: 11 10
}

// A clock of one's own replays the past, or makes a test exact.
func ExampleWithClock() {
	now := time.Duration(0)
	limiter, err := weir.New(weir.PerSecond(1), weir.WithClock(func() time.Duration { return now }))
	if err != nil {
		log.Fatal(err)
	}
	for _, at := range []time.Duration{0, 400 * time.Millisecond, time.Second} {
		now = at
		d := limiter.Allow("ada")
		fmt.Println(at, d.Allowed, d.RetryAfter)
	}
	// Output:
	// 0s true 0s
	// 400ms false 600ms
	// 1s true 0s
}

// A clock read every half millisecond instead of once a decision.
func ExampleWithCoarseClock() {
	limiter, err := weir.New(weir.PerMinute(300), weir.WithCoarseClock(time.Millisecond))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(limiter.Allow("ada").Remaining)
	// Output: 299
}

// At most 100,000 keys are kept whole; what is kept takes at most 64 bytes for
// each of them.
func ExampleWithMaxKeys() {
	limiter, err := weir.New(weir.PerMinute(300), weir.WithMaxKeys(100_000))
	if err != nil {
		log.Fatal(err)
	}
	for i := range 200_000 {
		limiter.Allow(fmt.Sprint("visitor ", i))
	}
	fmt.Println(limiter.Stats().Bytes <= 64*100_000)
	// Output: true
}

// Under Lenient a key that was dropped for want of room starts anew, and a
// newcomer always has its full burst. Stats say what that may have cost.
func ExampleWithOverflow() {
	for _, overflow := range []weir.Overflow{weir.Strict, weir.Lenient} {
		limiter, err := weir.New(weir.PerHour(5), weir.WithMaxKeys(100), weir.WithOverflow(overflow))
		if err != nil {
			log.Fatal(err)
		}
		for i := range 10_000 {
			limiter.Allow(fmt.Sprint("visitor ", i))
		}
		fullBurst := limiter.Peek("newcomer").Remaining == 5
		fmt.Println(fullBurst, limiter.Stats().Forgiven > 0)
	}
	// Output:
	// false false
	// true true
}

func ExamplePerSecond() {
	fmt.Println(weir.PerSecond(10))
	// Output: 10/1s
}

func ExamplePerMinute() {
	fmt.Println(weir.PerMinute(300))
	// Output: 300/1m
}

func ExamplePerHour() {
	fmt.Println(weir.PerHour(5000))
	// Output: 5000/1h
}

func ExampleQuota_Validate() {
	fmt.Println(weir.Quota{Limit: 300, Period: time.Minute}.Validate())
	fmt.Println(weir.Quota{Limit: 300, Period: time.Minute, Burst: -1}.Validate())
	// Output:
	// <nil>
	// weir: Quota.Burst is -1; it must be at least 0 (0 means Limit)
}

// What GCRA admits in the worst minute, and the quota that makes 300 a strict
// maximum of every minute.
func ExampleQuota_MaxIn() {
	fmt.Println(weir.PerMinute(300).MaxIn(time.Minute))
	fmt.Println(weir.PerMinute(150).MaxIn(time.Minute))
	fmt.Println(weir.Quota{Limit: 280, Period: time.Minute, Burst: 20}.MaxIn(time.Minute))
	// Output:
	// 600
	// 300
	// 299
}

func ExampleParseQuota() {
	q, err := weir.ParseQuota("300/60s burst 50")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Limit, q.Period, q.Burst)

	_, err = weir.ParseQuota("300 per minute")
	fmt.Println(err)
	// Output:
	// 300 1m0s 50
	// weir: quota "300 per minute": at byte 14: want a slash between limit and period, as in 300/1m
}

func ExampleQuota_String() {
	fmt.Println(weir.Quota{Limit: 1000, Period: 90 * time.Minute, Burst: 20})
	// Output: 1000/1h30m burst 20
}

// Ten a second, so that nobody floods, and thirty a minute, so that nobody lives
// on it.
func ExampleMulti() {
	limits, err := weir.NewMulti([]weir.Quota{weir.PerSecond(10), weir.PerMinute(30)}, weir.WithClock(stopped))
	if err != nil {
		log.Fatal(err)
	}
	d, _ := limits.AllowN("ada", 10)
	fmt.Println(d.Allowed, d.Remaining)
	d, speaks := limits.Allow("ada")
	fmt.Println(d.Allowed, d.RetryAfter, limits.Limiter(speaks).Quota())
	fmt.Println(limits.Limiter(1).Peek("ada").Remaining) // the refusal was spent nowhere
	// Output:
	// true 0
	// false 100ms 10/1s
	// 20
}

// One address, and the network it lies in, under a quota each.
func ExampleMulti_AllowEach() {
	limits, err := weir.NewMulti([]weir.Quota{weir.PerMinute(2), weir.PerMinute(3)}, weir.WithClock(stopped))
	if err != nil {
		log.Fatal(err)
	}
	for _, host := range []string{"h1", "h1", "h1", "h2", "h2"} {
		d, speaks := limits.AllowEach(1, host, "net")
		fmt.Println(host, d.Allowed, speaks)
	}
	// Output:
	// h1 true 0
	// h1 true 0
	// h1 false 0
	// h2 true 1
	// h2 false 1
}

func ExampleQuota_MarshalText() {
	text, err := json.Marshal(map[string]weir.Quota{"business": weir.PerMinute(300)})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
	// Output: {"business":"300/1m"}
}

// A quota in a configuration file.
func ExampleQuota_UnmarshalText() {
	var config struct{ Business weir.Quota }
	if err := json.Unmarshal([]byte(`{"business": "300/60s burst 50"}`), &config); err != nil {
		log.Fatal(err)
	}
	fmt.Println(config.Business)
	// Output: 300/1m burst 50
}

func ExampleConfigError() {
	_, err := weir.New(weir.PerMinute(-1))
	var bad *weir.ConfigError
	if errors.As(err, &bad) {
		fmt.Println(bad.Field, bad.Value, bad.Allowed)
	}
	// Output: Quota.Limit -1 above 0
}

func ExampleParseError() {
	_, err := weir.ParseQuota("300/minute")
	var bad *weir.ParseError
	if errors.As(err, &bad) {
		fmt.Println(bad.Text[bad.Offset:])
	}
	// Output: minute
}

// stopped is a clock for examples whose output must not depend on how fast they run.
func stopped() time.Duration { return 0 }
