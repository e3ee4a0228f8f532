package weirredis_test

import (
	"testing"
	"time"

	"github.com/weirhq/weir/weirredis/redistest"
)

// A server that writes to disk before it replies loses nothing when it is killed; one
// that does not forgives each key what it owed: at most a burst.
func TestFaultKilled(t *testing.T) {
	for _, persist := range []bool{true, false} {
		name, loses := "killed, with persistence", int64(0)
		if !persist {
			name, loses = "killed, without persistence", 1
		}
		t.Run(name, func(t *testing.T) {
			server := startServer(t, redistest.Options{Persist: persist})
			fault{
				name: name, addrs: []string{server.Addr()}, clock: clockOf(server), loses: loses,
				do: func(s *scene) {
					server.Kill()
					s.broke()
					time.Sleep(300 * time.Millisecond)
					server.Restart()
					s.mend()
				},
			}.run(t)
		})
	}
}

// A server that is stopped keeps its connections, and takes commands that it does not
// answer: the client's queue of them fills up.
func TestFaultPausedBySignal(t *testing.T) {
	server := startServer(t, redistest.Options{})
	fault{
		name: "paused 5 s by SIGSTOP", addrs: []string{server.Addr()}, clock: clockOf(server),
		do: func(s *scene) {
			server.Pause()
			s.broke()
			time.Sleep(5 * time.Second)
			server.Resume()
			s.mend()
		},
	}.run(t)
}

func TestFaultPausedByClientPause(t *testing.T) {
	server := startServer(t, redistest.Options{})
	fault{
		name: "paused 5 s by CLIENT PAUSE", addrs: []string{server.Addr()}, clock: clockOf(server),
		do: func(s *scene) {
			server.Do("CLIENT", "PAUSE", "5000", "ALL")
			s.broke()
			clockOf(server)() // is answered when the pause is over
			s.mend()
			if paused := s.mended.Sub(s.broken); paused < 4900*time.Millisecond {
				s.Errorf("paused for %v, want 5 s", paused)
			}
		},
	}.run(t)
}

// A script that the server has forgotten is sent whole: nobody notices.
func TestFaultScriptsFlushed(t *testing.T) {
	server := startServer(t, redistest.Options{})
	fault{
		name: "scripts flushed in a loop", addrs: []string{server.Addr()}, clock: clockOf(server), notice: never,
		timeout: patience,
		do: func(s *scene) {
			before := commandCalls(t, server, "eval")
			s.broke()
			flushes := 0
			for ; time.Since(s.broken) < time.Second; flushes++ {
				server.Do("SCRIPT", "FLUSH")
				time.Sleep(time.Millisecond)
			}
			s.mend()
			whole := commandCalls(t, server, "eval") - before
			t.Logf("%d times SCRIPT FLUSH, %d scripts sent whole", flushes, whole)
			if whole < int64(flushes)/4 {
				t.Errorf("%d scripts were sent whole after %d flushes: the server knew them still?", whole, flushes)
			}
		},
	}.run(t)
}

// Without memory the server takes no writes, so it admits nobody; refusals go on.
func TestFaultOutOfMemory(t *testing.T) {
	server := startServer(t, redistest.Options{Args: []string{"--maxmemory-policy", "noeviction"}})
	fault{
		name: "out of memory", addrs: []string{server.Addr()}, clock: clockOf(server),
		do: func(s *scene) {
			server.Do("CONFIG", "SET", "maxmemory", "1")
			s.broke()
			time.Sleep(700 * time.Millisecond)
			if n := errorReplies(t, server, "OOM"); n == 0 {
				t.Error("no error OOM was given")
			}
			server.Do("CONFIG", "SET", "maxmemory", "0")
			s.mend()
		},
	}.run(t)
}
