package redistest

import "time"

// SetTime stops the server's clock at t, cut down to whole microseconds. It takes
// effect at once: the next command sees it, in TIME and in what has expired. t
// must be after 1970. The server needs Options.Clock.
//
// While the clock stands, what the server measures with it stands too: CLIENT
// PAUSE does not end, idle clients are not closed, and a cluster finds no dead
// node. Keys expire when they are touched. The event loop, timeouts of scripts and
// of blocking commands are of real time.
//
// It may be called on any goroutine, as may the other methods of the clock, as
// long as t is valid.
func (s *Server) SetTime(t time.Time) {
	s.tb.Helper()
	if t.UnixMicro() <= 0 {
		s.tb.Fatalf("redistest: SetTime(%v): want a time after 1970", t)
	}
	s.needClock().freeze(t.UnixMicro())
}

// Advance moves the server's clock by d, back if d is negative, as a step of the
// real clock would; whether it stands or runs stays as it is. d must be whole
// microseconds, and what SetTime says holds.
func (s *Server) Advance(d time.Duration) {
	s.tb.Helper()
	if d%time.Microsecond != 0 {
		s.tb.Fatalf("redistest: Advance(%v): want whole microseconds", d)
	}
	if !s.needClock().advance(d.Microseconds()) {
		s.tb.Fatalf("redistest: Advance(%v): want a time after 1970", d)
	}
}

// RunClock lets the server's clock run, ahead of the real one by offset, or behind
// it if that is negative. offset is cut down to whole microseconds.
func (s *Server) RunClock(offset time.Duration) {
	s.tb.Helper()
	s.needClock().run(offset.Microseconds())
}

// Now is the time of the server's clock, in whole microseconds: what TIME says if
// the clock stands. It asks the file of the clock, not the server.
func (s *Server) Now() time.Time {
	s.tb.Helper()
	return time.UnixMicro(s.needClock().nowMicros())
}

// needClock returns the clock, and ends the test if there is none.
func (s *Server) needClock() *fileClock {
	s.tb.Helper()
	if s.clock == nil {
		s.tb.Fatalf("redistest: the server's clock cannot be set: start it with Options.Clock")
	}
	return s.clock
}
