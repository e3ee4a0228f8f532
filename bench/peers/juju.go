package peers

import (
	"net/netip"
	"sync"
	"time"

	"github.com/juju/ratelimit"

	"github.com/weirhq/weir/bench/subject"
)

// Juju is a bucket of juju/ratelimit for each key in a sync.Map.
var Juju = subject.Subject{
	Name:   "juju, sync.Map",
	Module: "github.com/juju/ratelimit",
	Keeps:  subject.Text,
	Cleans: "never",
	Exact:  "exact",
	New: func(c subject.Config) (subject.Limiter, error) {
		return &juju{interval: c.Interval(), burst: c.Limit}, nil
	},
}

type juju struct {
	interval time.Duration
	burst    int64
	m        sync.Map
}

func (j *juju) Allow(key string) bool          { return j.bucket(key).TakeAvailable(1) == 1 }
func (j *juju) AllowAddr(addr netip.Addr) bool { return j.bucket(addr).TakeAvailable(1) == 1 }
func (j *juju) Close()                         {}

func (j *juju) bucket(key any) *ratelimit.Bucket {
	v, ok := j.m.Load(key)
	if !ok {
		v, _ = j.m.LoadOrStore(key, ratelimit.NewBucket(j.interval, j.burst))
	}
	return v.(*ratelimit.Bucket)
}
