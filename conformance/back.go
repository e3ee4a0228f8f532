package conformance

import (
	"math"
	"strings"
	"time"
)

var spendingBack = []check{
	{"Refund gives back what was spent", refundGivesBack},
	{"Refund never gives more than a key never seen has", refundStops},
	{"Refund of nothing or less changes nothing", refundOfNothing},
	{"Refund of a key never seen changes nothing", refundUnseen},
	{"Reset forgets", resetForgets},
	{"keys are kept apart", keysApart},
}

func refundGivesBack(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		s.debts("k", func(key string, debt time.Duration) {
			for debt > s.interval {
				s.refund(key, 1)
				debt -= s.interval
				s.owes("after a Refund of 1", key, debt)
			}
		})
		for _, n := range s.costs() {
			s.reset("k")
			s.spend("k", 0, s.burst)
			s.refund("k", n)
			s.owes("after a Refund", "k", s.tolerance-s.cost(n))
			s.spend("k", s.tolerance-s.cost(n), n)
			s.want("one beyond what was given back", s.allow("k", 1), s.decide(s.tolerance, 1))
		}
	}
}

func refundStops(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for _, more := range []int64{0, 1, s.burst, math.MaxInt64/int64(s.interval) + 1, math.MaxInt64} {
			s.debts("k", func(key string, debt time.Duration) {
				s.refund(key, max(int64(over(debt, s.interval)), more))
				s.owes("after a Refund of all", key, 0)
				s.refund(key, max(more, 1))
				s.owes("after a Refund of more", key, 0)
				s.spend(key, 0, s.burst)
				s.want("one beyond the burst", s.allow(key, 1), s.decide(s.tolerance, 1))
				s.reset(key)
			})
		}
	}
}

func refundOfNothing(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		s.debts("k", func(key string, debt time.Duration) {
			for _, n := range []int64{0, -1, -s.burst, math.MinInt64 + 1, math.MinInt64} {
				s.refund(key, n)
				s.owes("after a Refund of 0 or less", key, debt)
			}
		})
	}
}

func refundUnseen(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		for _, n := range []int64{-1, 0, 1, s.burst, math.MaxInt64} {
			s.refund("k", n)
			s.owes("after a Refund of a key never seen", "k", 0)
		}
		s.spend("k", 0, s.burst)
		s.want("one beyond the burst", s.allow("k", 1), s.decide(s.tolerance, 1))
	}
}

func resetForgets(e *env) {
	for _, q := range some(e.backend.Resolution) {
		s := e.standing(q)
		s.reset("never seen")
		s.owes("after a Reset of a key never seen", "never seen", 0)
		s.spend("other", 0, s.burst)
		for _, n := range s.costs() {
			s.spend("k", 0, n)
			s.reset("k")
			s.owes("after a Reset", "k", 0)
			s.spend("k", 0, s.burst)
			s.want("one beyond the burst", s.allow("k", 1), s.decide(s.tolerance, 1))
			s.reset("k")
			s.reset("k")
			s.owes("after two", "k", 0)
			s.owes("another key", "other", s.tolerance)
		}
	}
}

// odd are keys that a store may mistake for each other: by their ends, by their first bytes, by what a protocol, a
// pattern or a cluster's hash tag makes of them.
func odd() []string {
	long := strings.Repeat("0123456789", 1000)
	return []string{
		"", " ", "  ", "\x00", "\x00\x00", "\n", "\r\n", "\t",
		"a", "A", "a ", " a", "a\n", "a\r\n", "a\x00", "a\x00b", "a\x00c", "ab", "aa",
		"{a}b", "{a}c", "{a}", "b{a}", "{}a", "{}", "{", "}", "}{", "{a", "a}",
		"*", "a*", "?", "[a]", "\\a", "%s", "%2F", "/", "a/b", "a:b", "a:", ":a", "'", "\"", "$1",
		"\xff", "\xff\xfe", "\x80", "é", "e\u0301", "\u00a0",
		"nil", "null", "0", "00", "-1", "1e3",
		long, long + "x", long + "y", "x" + long, long[:len(long)-1],
	}
}

func keysApart(e *env) {
	keys := odd()
	q := some(e.backend.Resolution)[1]
	q.Burst = int64(len(keys)) + 2
	s := e.standing(q)
	for i, key := range keys {
		s.spend(key, 0, int64(i)+1)
	}
	apart := func(what string, more int64) {
		for i, key := range keys {
			s.owes(what+" for "+name(key), key, s.cost(int64(i)+more))
		}
	}
	apart("what was spent", 1)
	for i, key := range keys {
		s.spend(key, s.cost(int64(i)+1), 1)
	}
	apart("one more", 2)
	for _, key := range keys {
		s.refund(key, 2)
	}
	apart("two given back", 0)
	for i, key := range keys {
		s.reset(key)
		s.owes("after a Reset of "+name(key), key, 0)
		if i+1 < len(keys) {
			s.owes("the next one, "+name(keys[i+1]), keys[i+1], s.cost(int64(i)+1))
		}
	}
}
