// Package telemetry is what the modules weirprom and weirotel have in common: which
// figures of limiters are told, how often they are looked at, and how requests are
// told apart. It is here so that neither needs the requirements of the other.
package telemetry

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A Class is what requests are counted by, but for their outcome.
type Class struct {
	Partition string
	Reason    string
}

// The classes of a middleware by partition: one for each reason, since a reason
// always draws on the same partition; and one for outcomes that are of no partition,
// because the middleware that they come from is of another kind.
const (
	numReasons = int(weir.SourceLookupFailed) + 1
	NoReason   = numReasons
)

// Classes are one for each reason, at its number, and that of NoReason at its own.
func Classes() (classes []Class) {
	for reason := range weir.Reason(numReasons) {
		classes = append(classes, Class{reason.Partition().String(), reason.String()})
	}
	return append(classes, Class{"none", "none"})
}

// ClassOf is the number of the class that an outcome belongs to. Other middleware
// leaves key and reason at zero, which do not fit together: a business's reason for
// an address.
func ClassOf(o *weirhttp.Outcome) int {
	if int(o.Reason) < numReasons && o.Reason.Partition() == o.Key.Partition {
		return int(o.Reason)
	}
	return NoReason
}

// The outcomes of requests.
const (
	Admitted = iota
	Refused
	Shadow
	Unavailable // refused, since limits that are kept elsewhere could not be asked
)

// Outcomes are their names.
var Outcomes = [...]string{Admitted: "admitted", Refused: "refused", Shadow: "shadow", Unavailable: "unavailable"}

// NumberOf is the number of an outcome.
func NumberOf(o *weirhttp.Outcome) int {
	switch {
	case o.Allowed:
		return Admitted
	case o.Shadow:
		return Shadow
	case o.Err != nil:
		return Unavailable
	}
	return Refused
}
