package weirotel

import (
	"github.com/weirhq/weir"
	"github.com/weirhq/weir/weirhttp"
)

// A class is what requests are counted by, but for their outcome.
type class struct {
	partition string
	reason    string
}

// The classes of a middleware by partition: one for each reason, since a reason
// always draws on the same partition; and one for outcomes that are of no partition,
// because the middleware that they come from is of another kind.
const (
	numReasons = int(weir.SourceLookupFailed) + 1
	noReason   = numReasons
)

func classesByReason() (classes []class) {
	for reason := range weir.Reason(numReasons) {
		classes = append(classes, class{reason.Partition().String(), reason.String()})
	}
	return append(classes, class{"none", "none"})
}

// classOf is the number of the class that an outcome belongs to. Other middleware
// leaves key and reason at zero, which do not fit together: a business's reason for
// an address.
func classOf(o *weirhttp.Outcome) int {
	if int(o.Reason) < numReasons && o.Reason.Partition() == o.Key.Partition {
		return int(o.Reason)
	}
	return noReason
}

// The outcomes of requests.
const (
	admitted = iota
	refused
	shadow
)

// outcomes are their names.
var outcomes = [...]string{admitted: "admitted", refused: "refused", shadow: "shadow"}

// numberOf is the number of an outcome.
func numberOf(o *weirhttp.Outcome) int {
	switch {
	case o.Allowed:
		return admitted
	case o.Shadow:
		return shadow
	}
	return refused
}
