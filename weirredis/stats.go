package weirredis

import "github.com/puzpuzpuz/xsync/v3"

// Stats are what a Limiter of this process has done since it was made. Each figure is
// exact; they are not read at one instant.
type Stats struct {
	Admitted, Refused int64 // decisions; Peek is none

	RefusedHere int64 // of them: refused without asking the server, see WithRefusalCache
	LeasedHere  int64 // of them: admitted from a lease, see WithLeases
	FellBack    int64 // of them: decided by the Fallback

	Leases   int64 // taken that had something in them
	Returned int64 // requests of leases given back

	Charged   int64 // requests admitted by Local that were charged on the server's return
	Uncharged int64 // admissions by Local that will not be: more keys than are remembered

	// The following are of all Limiters of a PartitionLimiter together.
	Calls    int64 // to the server; one may be for several requests that were made at once
	Failures int64 // requests of any kind, Refund and Reset included, that got no answer
	Down     int64 // breakers that are open: 0 or 1, or on a cluster up to 64
}

// Up reports whether the server is asked, all parts of a cluster included.
func (s Stats) Up() bool { return s.Down == 0 }

// A counter is counted by many at once.
type counter = *xsync.Counter

func newCounter() counter { return xsync.NewCounter() }

type counters struct {
	admitted, refused, refusedHere, leasedHere, fellBack, leases, returned, charged, uncharged counter
}

func newCounters() counters {
	return counters{
		newCounter(), newCounter(), newCounter(), newCounter(), newCounter(),
		newCounter(), newCounter(), newCounter(), newCounter(),
	}
}

func (c *counters) count(allowed bool) {
	if allowed {
		c.admitted.Inc()
	} else {
		c.refused.Inc()
	}
}
