// Package peers adapts rate limiters, and the references to measure them by, to
// [subject.Subject]: one file each.
package peers

import (
	"fmt"

	"github.com/weirhq/weir/bench/subject"
)

// All is everything that is measured, in the order of the report.
func All() []subject.Subject {
	return []subject.Subject{
		Floor,
		Array,
		Weir,
		WeirCoarse,
		WeirLenient,
		XSyncTAT,
		XTimeSyncMap,
		XTimeMutexMap,
		Throttled,
		ThrottledLRU,
		SethVargo,
		Ulule,
		Tollbooth,
		HTTPRate,
		Echo,
		Tailscale,
		Mennanov,
		Narasimha,
		Juju,
		Uber,
	}
}

// Named is the subject of that name.
func Named(name string) (subject.Subject, error) {
	for _, s := range All() {
		if s.Name == name {
			return s, nil
		}
	}
	return subject.Subject{}, fmt.Errorf("no subject is named %q", name)
}
