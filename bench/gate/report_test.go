package gate

import (
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	samples := func(ns ...float64) (list []Sample) {
		for _, n := range ns {
			list = append(list, Sample{Nanos: n})
		}
		return list
	}
	r := &Report{Base: "0123456789ab", Head: "head", Results: []*Result{
		{Row: Row{Name: "floor", Control: true}, Estimate: Estimate{1, 0.99, 1.01}, base: samples(30), head: samples(31)},
		{Row: Row{Name: "hot"}, Estimate: Estimate{1.2, 1.1, 1.3}, Repeated: true, base: samples(40, 42), head: samples(50, 48, 49)},
		{Row: Row{Name: "million"}, Estimate: Estimate{1.2, 1.1, 1.3}, Repeated: true, base: samples(400), head: samples(480),
			allocates: true, Allocs: Sample{Allocs: 1, Bytes: 16}},
		{Row: Row{Name: "grow"}, head: samples(9e8), baseMissing: "new"},
		{Row: Row{Name: "peek"}, headMissing: true},
	}}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	want := `row      0123456789ab  head      ratio                verdict
floor    30.0 ns       31.0 ns   1.000 (0.990–1.010)  ok, a control
hot      41.0 ns       49.0 ns   1.200 (1.100–1.300)  LOST, measured again
million  400.0 ns      480.0 ns  1.200 (1.100–1.300)  ALLOCATES, 1 allocs/op, 16 B/op, lost by its time too, measured again
grow     –             900 ms    –                    not compared, new
peek     –             –         –                    MISSING
`
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	if got := len(r.Losses()); got != 3 {
		t.Errorf("%d losses, want 3", got)
	}
}
