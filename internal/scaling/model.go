package main

import "math"

// This file is the model of contention and nothing else: arithmetic on times in
// nanoseconds, no clock, no goroutine. docs/scaling.md derives each formula.

// A distance is how far two cores are apart, and what that makes a cache line
// cost that both write.
type distance struct {
	Handover float64 `json:"handover"` // h: one line moves, when nobody else wants it
	Keep     float64 `json:"keep"`     // k: how long a core goes on using a line that another one has asked for
	Private  float64 `json:"private"`  // bytes of cache that a core does not share with the other

	// Swept is counted in the flood itself: chunks that each new key sweeps. A flood
	// can settle in more than one way, and stays with it.
	Swept float64 `json:"swept"`
}

// Handovers that others have published; see docs/scaling.md. They stand for
// distances that were not measured.
const (
	publishedNear   = 23
	publishedFar    = 107
	publishedSocket = 200
)

// at is the same farther apart, or nearer: a core keeps a line for the same part of
// the way that the request for it has to go.
func (d distance) at(handover float64) distance {
	d.Handover, d.Keep = handover, d.Keep*handover/d.Handover
	return d
}

// What is counted in the code, and not measured. docs/scaling.md says where.
const (
	stripes         = 64    // lines of counters
	asksAdmitted    = 2     // of the slot's line: to read the TAT, and to write it
	asksCounted     = 1     // of one counter for all: an addition does not read before
	asksAChunk      = 5     // of lines that all want who sweep one shard: hand, read and written, done, through, the successor's used
	slotLinesAChunk = 7     // 4 lines of 4 slots, and some 3 that the live keys among them go to
	manyKeys        = 1e6   // live, in the rows of many keys
	zipfExponent    = 1.1   // the k-th most frequent key is asked for k^-1.1 as often as the first
	floodMaxKeys    = 20000 // of WithMaxKeys, in the flood
	lineBytes       = 64
	bytesPerKey     = 31 // of a million live keys; README
	bytesPerMaxKey  = 37 // of the flood's tables, successors included
)

// contended is the time between decisions of all callers together, each of which
// takes own nanoseconds alone and asks for the same line so many times.
//
// Two callers: who waits, waits h for each time. Meanwhile the other goes on for
// k, so that b = 1 + k/own of its decisions share one move. From three callers
// on somebody always waits, nobody keeps a line, and the line itself may be what
// there is least of: it makes one move after another.
func (d distance) contended(own, asks float64, callers int) float64 {
	n := float64(callers)
	switch wait := asks * d.Handover; callers {
	case 1:
		return own
	case 2:
		return (own + wait/(1+d.Keep/own)) / n
	default:
		return max((own+wait)/n, wait)
	}
}

// scattered is the same for callers who meet seldom on one line: each decision
// needs so many lines that all of them write now and then, and of those it finds
// all but one n-th where another caller has left them. Nobody waits in a queue.
func (d distance) scattered(own, lines float64, callers int) float64 {
	n := float64(callers)
	return (own + lines*d.Handover*(n-1)/n) / n
}

// striped is the same for callers who write nothing that is shared, but for
// stripes of counters that some of them may share: each of the callers has one
// at random.
func (d distance) striped(own float64, callers int) float64 {
	others, rate := float64(callers-1), 0.0
	for k := 0.0; k <= others; k++ { // others on the same stripe as one caller
		here := int(k) + 1
		rate += binomial(others, k, 1.0/stripes) / (d.contended(own, asksCounted, here) * float64(here))
	}
	return 1 / (rate * float64(callers))
}

// binomial is the chance of k successes in n trials with chance p each.
func binomial(n, k, p float64) float64 {
	a, _ := math.Lgamma(n + 1)
	b, _ := math.Lgamma(k + 1)
	c, _ := math.Lgamma(n - k + 1)
	return math.Exp(a - b - c + k*math.Log(p) + (n-k)*math.Log1p(-p))
}

// uniform is a million keys, each as likely: the line of a slot is still in the
// private cache of whoever wrote it last as often as it fits there.
func (d distance) uniform(own float64, callers int) float64 {
	return d.scattered(own, min(1, d.Private/(manyKeys*bytesPerKey)), callers)
}

// zipf is a million keys, few of them often, all admitted. The hottest line can
// make no more moves than one after another.
func (d distance) zipf(own float64, callers int) float64 {
	spread := d.scattered(own, zipfMass(d.Private/lineBytes), callers)
	if callers < 3 {
		return spread
	}
	return max(spread, zipfMass(1)*asksAdmitted*d.Handover)
}

// flood is never-seen keys at the memory bound: each claims a slot in a table
// that others claim slots in, now and then, and sweeps its share of the shard that
// all sweep at once, so that some lines are always away.
func (d distance) flood(own float64, callers int) float64 {
	if callers == 1 {
		return own
	}
	fit := min(1, d.Private/(floodMaxKeys*bytesPerMaxKey))
	wait := d.Swept * asksAChunk * d.Handover
	return max(d.scattered(own+wait, 1+fit+d.Swept*slotLinesAChunk*fit, callers), wait)
}

// zipfMass is the share of requests that go to the n most frequent keys.
func zipfMass(n float64) float64 {
	return harmonic(min(n, manyKeys)) / harmonic(manyKeys)
}

// harmonic is Σ k^-s for k from 1 to n, by Euler and Maclaurin from the 20th on:
// off by less than a millionth.
func harmonic(n float64) float64 {
	const s, exact = zipfExponent, 20
	sum := 0.0
	for k := 1.0; k <= min(n, exact); k++ {
		sum += math.Pow(k, -s)
	}
	if n > exact {
		integral := (math.Pow(n, 1-s) - math.Pow(exact, 1-s)) / (1 - s)
		sum += integral + (math.Pow(n, -s)-math.Pow(exact, -s))/2 - s*(math.Pow(n, -s-1)-math.Pow(exact, -s-1))/12
	}
	return sum
}

// keep is k, from two callers who do nothing but add to one word: how long each
// addition takes alone, and the time between additions of both. It solves
// contended for k.
func keep(handover, alone, together float64) float64 {
	if wait := 2*together - alone; wait > 0 {
		return max(0, alone*(handover/wait-1))
	}
	return 0
}
