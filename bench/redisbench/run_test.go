package redisbench

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseInfo(t *testing.T) {
	info := map[string]string{
		"cmdstat_evalsha":          "calls=2,usec=30,usec_per_call=15.00",
		"cmdstat_eval":             "calls=1,usec=3",
		"cmdstat_get":              "calls=3,usec=3",
		"cmdstat_config|resetstat": "calls=4,usec=3",
		"cmdstat_info":             "calls=99,usec=30", // the measuring itself
		"used_cpu_user":            "1.250000",
		"used_cpu_sys":             "0.500000",
		"used_memory":              "5",
	}
	commands, scripts, busy, err := parseInfo(info)
	if commands != 10 || scripts != 3 || busy != 1750*time.Millisecond || err != nil {
		t.Errorf("%d commands, %d scripts, %v, %v", commands, scripts, busy, err)
	}
	for field, value := range map[string]string{"cmdstat_get": "usec=3", "cmdstat_eval": "calls=x,usec=3", "used_cpu_sys": ""} {
		bad := map[string]string{"used_cpu_user": "1", "used_cpu_sys": "1"}
		bad[field] = value
		if _, _, _, err := parseInfo(bad); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s:%s: %v", field, value, err)
		}
	}
}

// counted is what a worker tells that has made decisions of 1, 2, … 100 µs.
func counted(admitted, refused int64, took time.Duration) Count {
	h := newHistogram()
	for i := range 100 {
		if err := h.RecordValue(int64(i+1) * 1000); err != nil {
			panic(err)
		}
	}
	return Count{Admitted: admitted, Refused: refused, Took: took, Objects: 400, Latency: encode(h)}
}

func TestFigures(t *testing.T) {
	var r Result
	before := reading{clock: time.Hour, commands: 100, scripts: 10, busy: time.Second}
	after := reading{clock: time.Hour + 2*time.Second, commands: 900, scripts: 210, busy: 2 * time.Second}
	failed := counted(5, 95, time.Second)
	failed.Failed, failed.Failure = 3, "no"
	err := r.fill(loadOf(t, "attack"), before, after, []Count{counted(5, 95, 500*time.Millisecond), failed})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][2]float64{
		"decisions a second":      {r.PerSecond, 300}, // 100 in half a second, and 100 in one
		"commands":                {r.Commands, 4},
		"scripts":                 {r.Scripts, 1},
		"server's ns":             {r.ServerNs, 5e6},
		"busy":                    {r.Busy, 0.5},
		"objects":                 {r.ObjectsDecision, 4},
		"failed":                  {float64(r.Failed), 3},
		"the most that was to be": {float64(r.Check.Max), 15}, // 5, and 10 in 2 s
		"admitted":                {float64(r.Check.Admitted), 10},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", what, got[0], got[1])
		}
	}
	for what, got := range map[string][2]float64{"p50": {float64(r.P50), 50e3}, "p99": {float64(r.P99), 99e3}, "p99.9": {float64(r.P999), 100e3}} {
		if math.Abs(got[0]/got[1]-1) > 0.02 {
			t.Errorf("%s: %v, want %v to a fiftieth", what, got[0], got[1])
		}
	}
	if r.Failure != "no" {
		t.Errorf("the failure: %q", r.Failure)
	}
}

func TestNothingDecided(t *testing.T) {
	var r Result
	failed := counted(0, 0, time.Second)
	failed.Failed = 3
	if err := r.fill(loadOf(t, "hot"), reading{}, reading{clock: time.Second, commands: 5}, []Count{failed}); err != nil {
		t.Fatal(err)
	}
	if r.PerSecond != 0 || r.Commands != 0 || math.IsNaN(r.ServerNs) {
		t.Errorf("%+v", r)
	}
}

func TestTornHistogram(t *testing.T) {
	c := counted(1, 0, time.Second)
	c.Latency = c.Latency[:len(c.Latency)/2]
	if err := new(Result).fill(loadOf(t, "hot"), reading{}, reading{clock: 1}, []Count{c}); err == nil {
		t.Error("half a histogram is taken for one")
	}
}

func TestTotal(t *testing.T) {
	callers := make([]caller, 3)
	for i := range callers {
		callers[i] = caller{Count{Admitted: 1, Refused: 2, Failed: int64(i), Failure: strings.Repeat("x", i)}, newHistogram()}
	}
	c := total(callers)
	if c.Admitted != 3 || c.Refused != 6 || c.Failed != 3 || c.Failure != "x" || c.decided() != 9 {
		t.Errorf("%+v", c)
	}
}

// A worker that is told what it does not know says so.
func TestWorkFaults(t *testing.T) {
	for spec, want := range map[string]string{
		"{":                                   "the spec",
		`{"subject":"x","load":"hot"}`:        `no subject is named "x"`,
		`{"subject":"redis_rate","load":"x"}`: `no load "x"`,
	} {
		var out bytes.Buffer
		if err := Work(spec, strings.NewReader(""), &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", spec, err, want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: it says %q", spec, out.String())
		}
	}
}

func TestNoServer(t *testing.T) {
	err := WithServer("no-such-server", nil)
	if err == nil || !strings.Contains(err.Error(), "no-such-server") || !strings.Contains(err.Error(), "install") {
		t.Errorf("%v: want what is missing and how to install it", err)
	}
}

// What a host has begun ends in the reverse order, whatever happens.
func TestHostEnds(t *testing.T) {
	var ended []string
	func() {
		h := new(host)
		defer func() { _ = recover() }()
		defer h.end()
		for i := range 3 {
			h.Cleanup(func() { ended = append(ended, fmt.Sprint(i)) })
		}
		h.Fatalf("over")
	}()
	if got := strings.Join(ended, ""); got != "210" {
		t.Errorf("ended: %q, want 210", got)
	}
}
