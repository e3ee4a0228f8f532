//go:build linux

package redistest

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// serverTime asks the server for its time, by TIME and in a script.
func serverTime(t *testing.T, s *Server) time.Time {
	t.Helper()
	plain, script := s.Do("TIME"), s.Do("EVAL", "return redis.call('TIME')", "0")
	var micros [2]int64
	for i, reply := range []any{plain, script} {
		pair := reply.([]any)
		sec, err1 := strconv.ParseInt(pair[0].(string), 10, 64)
		us, err2 := strconv.ParseInt(pair[1].(string), 10, 64)
		if err1 != nil || err2 != nil {
			t.Fatalf("TIME: %v", reply)
		}
		micros[i] = sec*1e6 + us
	}
	if d := micros[1] - micros[0]; d < 0 || d > 1e6 {
		t.Fatalf("TIME %v, in a script just after %v", plain, script)
	}
	return time.UnixMicro(micros[0])
}

func TestClockStands(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		opts.Clock = true
		s := Start(t, opts)
		start := s.Now()
		if d := time.Since(start); d < 0 || d > time.Minute {
			t.Fatalf("the clock starts %v behind the real one", d)
		}
		at := start
		for _, step := range []time.Duration{0, 0, 1, 999_999, 3_600e6, -1, -7_200e6} {
			s.Advance(step * time.Microsecond)
			at = at.Add(step * time.Microsecond)
			if got := serverTime(t, s); !got.Equal(at) || !s.Now().Equal(at) {
				t.Fatalf("TIME %v, Now %v, want %v", got, s.Now(), at)
			}
		}
		at = time.Date(2038, 1, 19, 3, 14, 8, 1_999, time.UTC) // past 2^31 s
		s.SetTime(at)
		if got, want := serverTime(t, s), at.Truncate(time.Microsecond); !got.Equal(want) {
			t.Fatalf("TIME %v, want %v", got, want)
		}
		s.Restart()
		if got, want := serverTime(t, s), at.Truncate(time.Microsecond); !got.Equal(want) {
			t.Fatalf("TIME %v after Restart, want %v", got, want)
		}
	})
}

// The server keeps times to live in milliseconds, and a key lives in its last one.
func TestClockExpires(t *testing.T) {
	eachServer(t, func(t *testing.T, opts Options) {
		opts.Clock = true
		s := Start(t, opts)
		s.SetTime(time.UnixMilli(1_900_000_000_000))
		s.Do("SET", "k", "v", "PX", "10")
		for _, step := range []struct {
			by   time.Duration
			want any
			pttl int64
		}{
			{0, "v", 10}, {9_999 * time.Microsecond, "v", 1}, {time.Microsecond, "v", 0}, {999 * time.Microsecond, "v", 0},
			{time.Microsecond, nil, -2},
		} {
			s.Advance(step.by)
			wantReply(t, s.Do("PTTL", "k"), step.pttl)
			wantReply(t, s.Do("GET", "k"), step.want)
		}
		wantReply(t, s.Do("DBSIZE"), int64(0))

		// Of real time: the server sweeps keys that nobody touches.
		s.Do("SET", "k", "v", "PX", "10")
		s.Advance(time.Second)
		for deadline := time.Now().Add(5 * time.Second); s.Do("DBSIZE") != int64(0); time.Sleep(pollInterval) {
			if time.Now().After(deadline) {
				t.Fatal("an expired key is still there after 5 s")
			}
		}
	})
}

func TestClockRuns(t *testing.T) {
	s := Start(t, Options{Clock: true})
	near := func(offset time.Duration) {
		t.Helper()
		before := time.Now().Add(offset).Truncate(time.Microsecond)
		got := serverTime(t, s)
		if after := time.Now().Add(offset); got.Before(before) || got.After(after) {
			t.Fatalf("TIME %v, want %v to %v", got, before, after)
		}
		if d := s.Now().Sub(got); d < 0 || d > time.Minute {
			t.Fatalf("Now is %v after TIME", d)
		}
	}
	for _, offset := range []time.Duration{0, time.Hour, -time.Hour, -1500 * time.Microsecond} {
		s.RunClock(offset)
		near(offset)
	}
	s.RunClock(time.Second)
	s.Advance(time.Second)
	near(2 * time.Second)
	s.SetTime(s.Now())
	if first, second := serverTime(t, s), serverTime(t, s); !first.Equal(second) {
		t.Fatalf("TIME %v, then %v: it runs after SetTime", first, second)
	}
}

func TestClockRefuses(t *testing.T) {
	plain := Start(t, Options{})
	plain.tb = fakeTB{t}
	s := Start(t, Options{Clock: true})
	s.tb = fakeTB{t}
	at := s.Now()
	for name, misuse := range map[string]func(){
		"no clock": func() { plain.Advance(time.Second) },
		"1970":     func() { s.SetTime(time.Unix(0, 0)) },
		"to 1970":  func() { s.Advance(-s.Now().Sub(time.Unix(0, 0))) },
		"1 ns":     func() { s.Advance(1) },
	} {
		if end := stops(misuse); end.how != "fatal" {
			t.Errorf("%s: %+v, want fatal", name, end)
		}
	}
	if !s.Now().Equal(at) {
		t.Errorf("the clock is at %v, want %v still", s.Now(), at)
	}
	t.Setenv("PATH", t.TempDir())
	end := stops(func() { Start(fakeTB{t}, Options{Binary: plain.path, Clock: true}) })
	if want := "apt-get install gcc"; end.how != "fatal" || !strings.Contains(end.message, want) {
		t.Errorf("without a compiler: %+v, want fatal and %q", end, want)
	}
}
