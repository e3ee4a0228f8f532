package gate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A machine is one that measures badly: a fake of Measure.
type machine struct {
	*rand.Rand
	loss  float64 // of HEAD's time, as a part of the base's
	sigma float64 // of the logarithm of a sample
	spoil float64 // how often a sample takes up to three times as long
	drift float64 // what each sample adds to the logarithm of all later ones
	walk  float64 // the same, but to either side, by chance

	now   float64 // where drift and walk have got to
	taken []string
}

func (m *machine) measure(_ context.Context, binary string, row Row) (Sample, error) {
	m.taken = append(m.taken, binary)
	m.now += m.drift + m.walk*m.NormFloat64()
	log := m.now + m.sigma*m.NormFloat64()
	if m.Float64() < m.spoil {
		log += math.Log(1 + 2*m.Float64())
	}
	if strings.HasPrefix(binary, "head") {
		log += math.Log1p(m.loss)
	}
	return Sample{Nanos: 40 * math.Exp(log)}, nil
}

// newMachine is a neat one.
func newMachine(seed uint64) *machine {
	return &machine{Rand: rand.New(rand.NewPCG(seed, 1)), sigma: 0.01}
}

var (
	row     = Row{Name: "some", Bench: "Some", Runs: 1, NoAllocs: true}
	another = Row{Name: "another", Bench: "Another", Runs: 1, NoAllocs: true, NoBytes: true}
)

func comparison(m func(context.Context, string, Row) (Sample, error)) *Comparison {
	return &Comparison{
		Base:    Build{"base", []string{"base-0", "base-1", "base-2"}},
		Head:    Build{"head", []string{"head-0", "head-1", "head-2"}},
		Measure: m,
		Log:     io.Discard,
	}
}

func run(t *testing.T, c *Comparison, rows ...Row) *Report {
	t.Helper()
	r, err := c.Run(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// haste is over before the first round is.
const haste = 10 * time.Nanosecond

// lossesOf counts how many of n machines say that the row is lost, and how many
// measured again.
func lossesOf(t *testing.T, n int, patience time.Duration, tune func(*machine)) (lost, again int) {
	t.Helper()
	for seed := range n {
		m := newMachine(uint64(seed))
		tune(m)
		c := comparison(m.measure)
		c.Patience = patience
		r := run(t, c, row)
		lost += len(r.Losses())
		if r.Results[0].Repeated {
			again++
		}
	}
	return lost, again
}

// The same code on both sides, and losses that are within the limit, are never
// lost, or once in thousands of times where nothing can be measured; 15 % nearly
// always are, on any machine that is not hopeless.
func TestFalseAlarmsAndMisses(t *testing.T) {
	const machines = 10_000
	for _, tt := range []struct {
		name     string
		tune     func(*machine)
		min, max int // losses found
	}{
		{"same code", func(m *machine) {}, 0, 0},
		{"same, disturbed", func(m *machine) { m.spoil = 0.3 }, 0, 0},
		{"same, restless", func(m *machine) { m.sigma, m.walk = 0.03, 0.1 }, 0, 0},
		{"same, very noisy", func(m *machine) { m.sigma, m.spoil = 0.1, 0.2 }, 0, 2},
		{"same, hopeless", func(m *machine) { m.sigma, m.spoil = 0.5, 0.2 }, 0, 4},
		{"same, very noisy, in haste", func(m *machine) { m.sigma, m.spoil = 0.1, 0.2 }, 0, 6},
		{"gain", func(m *machine) { m.loss = -0.2 }, 0, 0},
		{"5 %, disturbed", func(m *machine) { m.loss, m.spoil = 0.05, 0.1 }, 0, 0},
		{"15 %", func(m *machine) { m.loss = 0.15 }, machines, machines},
		{"15 %, in haste", func(m *machine) { m.loss, m.sigma = 0.15, 0.02 }, machines - 10, machines},
		{"15 %, disturbed", func(m *machine) { m.loss, m.spoil = 0.15, 0.1 }, machines * 995 / 1000, machines},
		{"15 %, restless", func(m *machine) { m.loss, m.sigma, m.walk = 0.15, 0.03, 0.02 }, machines * 99 / 100, machines},
		{"15 %, noisy", func(m *machine) { m.loss, m.sigma = 0.15, 0.05 }, machines * 99 / 100, machines},
		{"30 %, very noisy", func(m *machine) { m.loss, m.sigma, m.spoil = 0.30, 0.1, 0.1 }, machines * 95 / 100, machines},
	} {
		t.Run(tt.name, func(t *testing.T) {
			patience := time.Duration(0)
			if strings.HasSuffix(tt.name, "in haste") {
				patience = haste
			}
			lost, again := lossesOf(t, machines, patience, tt.tune)
			t.Logf("lost by %d of %d, measured again by %d", lost, machines, again)
			if lost < tt.min || lost > tt.max {
				t.Errorf("lost by %d of %d machines, want %d to %d", lost, machines, tt.min, tt.max)
			}
		})
	}
}

// A machine that gets slower by an eighth with each sample is fair to both: each
// comes first as often.
func TestDriftCancels(t *testing.T) {
	lost, _ := lossesOf(t, 100, 0, func(m *machine) { m.drift = 0.12 })
	if lost > 0 {
		t.Errorf("lost by %d of 100 drifting machines", lost)
	}
}

func TestOrder(t *testing.T) {
	m := newMachine(1)
	run(t, comparison(m.measure), row)
	got := strings.Join(m.taken[:8], " ")
	want := "base-0 head-0 head-1 base-1 base-2 head-2 head-0 base-0"
	if got != want || len(m.taken) != 2*screenRounds {
		t.Errorf("%d samples, first\n%s, want %d and\n%s", len(m.taken), got, 2*screenRounds, want)
	}
	// Each binary is first as often as second.
	first := map[string]int{}
	for i := 0; i < len(m.taken); i += 2 {
		first[m.taken[i]]++
	}
	for _, layout := range []string{"base-0", "head-1"} {
		if n := first[layout]; n != screenRounds/6 {
			t.Errorf("%s is first %d times of %d", layout, n, screenRounds/3)
		}
	}
}

// The second pass has other pairs of layouts.
func TestOrderOfTheSecondPass(t *testing.T) {
	m := newMachine(1)
	m.loss = 0.5
	run(t, comparison(m.measure), row)
	got := strings.Join(m.taken[2*screenRounds:2*screenRounds+4], " ")
	if want := "base-0 head-1 head-2 base-1"; got != want || len(m.taken) != 2*(screenRounds+confirmRounds) {
		t.Errorf("%d samples, of the second pass first %s, want %s", len(m.taken), got, want)
	}
}

// What the first pass saw is forgotten when the second measures anew, and only
// rows that were left open are in it.
func TestSecondPassDecides(t *testing.T) {
	m := newMachine(1)
	count := map[string]int{}
	c := comparison(func(ctx context.Context, binary string, r Row) (Sample, error) {
		count[r.Name]++
		s, err := m.measure(ctx, binary, r)
		if r.Name == "some" && strings.HasPrefix(binary, "head") && count["some"] <= 2*screenRounds {
			s.Nanos *= 1.5
		}
		return s, err
	})
	r := run(t, c, row, another)
	if got := r.Results[0]; !got.Repeated || got.Verdict() != OK || len(got.head) != confirmRounds {
		t.Errorf("after an accident in the first pass: %v, %+v", got.Verdict(), got)
	}
	if got := r.Results[1]; got.Repeated || count["another"] != 2*screenRounds {
		t.Errorf("a row without a loss was measured %d times, %+v", count["another"], got)
	}
}

// A row that is no slower is not measured again, however unclear it is.
func TestUnclear(t *testing.T) {
	for seed := range uint64(20) {
		m := newMachine(seed)
		m.sigma = 0.3
		r := run(t, comparison(m.measure), row).Results[0]
		if r.Repeated {
			continue
		}
		if r.Estimate.Ratio > suspicion || r.Verdict() != Open {
			t.Errorf("%v, %+v", r.Verdict(), r)
		}
		return
	}
	t.Error("all of 20 were measured again")
}

// A control that differs from itself is shown and fails nobody.
func TestControl(t *testing.T) {
	m := newMachine(1)
	m.loss = 0.5
	control := Row{Name: "floor", Bench: "Floor", Runs: 1, Control: true}
	r := run(t, comparison(m.measure), control)
	if got := r.Results[0]; got.Verdict() != Open || got.Repeated || len(r.Losses()) > 0 {
		t.Errorf("%v, %+v", got.Verdict(), got)
	}
}

func TestMissingRows(t *testing.T) {
	failure := errors.New("no memory")
	for _, tt := range []struct {
		name       string
		base, head error
		want       Verdict
		reason     string
	}{
		{"new", ErrMissing, nil, New, "new"},
		{"vanished", nil, ErrMissing, Missing, ""},
		{"nowhere", ErrMissing, ErrMissing, Missing, ""},
		{"broken base", failure, nil, New, "the base's benchmark fails"},
	} {
		for order := range 2 { // whoever is first
			m := newMachine(1)
			calls := 0
			c := comparison(func(ctx context.Context, binary string, r Row) (Sample, error) {
				err := tt.base
				if strings.HasPrefix(binary, "head") {
					err = tt.head
				}
				if calls++; calls <= 2*order { // the first round has found nothing
					err = nil
				}
				if err != nil {
					return Sample{}, fmt.Errorf("%s: %w", r.Bench, err)
				}
				return m.measure(ctx, binary, r)
			})
			r := run(t, c, row)
			got := r.Results[0]
			if got.Verdict() != tt.want || got.baseMissing != tt.reason && tt.want == New || (len(r.Losses()) > 0) != (tt.want == Missing) {
				t.Errorf("%s, %d: %v, %d losses, %+v", tt.name, order, got.Verdict(), len(r.Losses()), got)
			}
			if tt.want == New && len(got.head) == 0 {
				t.Errorf("%s, %d: HEAD's allocations were not looked at", tt.name, order)
			}
		}
	}
}

// A benchmark of HEAD that fails is no loss, and no pass either.
func TestFailure(t *testing.T) {
	failure := errors.New("3 of 5 admitted")
	c := comparison(func(_ context.Context, binary string, _ Row) (Sample, error) {
		if strings.HasPrefix(binary, "head") {
			return Sample{}, failure
		}
		return Sample{Nanos: 1}, nil
	})
	if r, err := c.Run(t.Context(), []Row{row}); !errors.Is(err, failure) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := c.Allocations(t.Context(), []Row{row}); !errors.Is(err, failure) {
		t.Errorf("%+v, %v", r, err)
	}
}

// When the base is interrupted, it is not the base that is at fault.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := comparison(func(_ context.Context, binary string, _ Row) (Sample, error) {
		if strings.HasPrefix(binary, "head") {
			return Sample{Nanos: 1}, nil
		}
		cancel()
		return Sample{}, ctx.Err()
	})
	if r, err := c.Run(ctx, []Row{row}); !errors.Is(err, context.Canceled) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		name  string
		row   Row
		s     Sample
		fails bool
	}{
		{"none", another, Sample{Nanos: 1}, false},
		{"one a decision", row, Sample{Nanos: 1, Allocs: 1, Bytes: 8}, true},
		{"one in ten", another, Sample{Nanos: 1, Bytes: 2}, true},
		{"pages of a table", row, Sample{Nanos: 1, Bytes: 258}, false},
		{"nothing is promised", Row{Name: "grow", Runs: 1}, Sample{Nanos: 1, Allocs: 9000, Bytes: 1 << 26}, false},
	} {
		want := map[bool]Verdict{true: Allocates, false: OK}
		c := comparison(func(_ context.Context, binary string, _ Row) (Sample, error) {
			if strings.HasPrefix(binary, "head") {
				return tt.s, nil
			}
			return Sample{Nanos: 1}, nil
		})
		r := run(t, c, tt.row)
		if got := r.Results[0].Verdict(); got != want[tt.fails] || (len(r.Losses()) > 0) != tt.fails {
			t.Errorf("%s: %s with %d losses, want %s", tt.name, got, len(r.Losses()), want[tt.fails])
		}
		r, err := c.Allocations(t.Context(), []Row{tt.row})
		if err != nil {
			t.Fatal(err)
		}
		if (len(r.Losses()) > 0) != tt.fails || r.Results[0].compared() {
			t.Errorf("%s, not compared: %s", tt.name, r.Results[0].Verdict())
		}
	}
}

// One sample that allocates is enough, even if it is of the first pass.
func TestAllocationIsRemembered(t *testing.T) {
	m := newMachine(1)
	m.loss = 0.5
	calls := 0
	c := comparison(func(ctx context.Context, binary string, r Row) (Sample, error) {
		s, err := m.measure(ctx, binary, r)
		if calls++; calls <= 2 && strings.HasPrefix(binary, "head") {
			s.Allocs = 1
		}
		return s, err
	})
	r := run(t, c, row)
	if got := r.Results[0]; got.Verdict() != Allocates || !got.Repeated || !got.Slow() {
		t.Errorf("%v, %+v", got.Verdict(), got)
	}
}

// A slow machine measures no more rounds than it needs.
func TestPatience(t *testing.T) {
	m := newMachine(1)
	m.loss = 0.5
	c := comparison(m.measure)
	c.Patience = haste
	r := run(t, c, row)
	if n := len(r.Results[0].head); n != confirmFewest || len(m.taken) != 2*(screenFewest+confirmFewest) {
		t.Errorf("%d samples of which the second pass has %d", len(m.taken), n)
	}
	if r.Results[0].Verdict() != Lost {
		t.Errorf("fewest rounds are not enough for %+v", r.Results[0].Estimate)
	}
}
