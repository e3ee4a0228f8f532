package weirhttp

import (
	"math"
	"net/http"

	"github.com/weirhq/weir"
)

// An Outcome is what became of a request, for [WithOnDecision].
type Outcome struct {
	// Ruling is the decision, and for [New] the partition's key, the reason and
	// the policy that has the say. For [ByKey], [ByKeyContext] and [ByRoute], Key,
	// Reason and Policy mean nothing; for [ByMulti], Policy counts its quotas. Err
	// is nil except where limits are kept by a server.
	weir.Ruling

	Request *http.Request // as the middleware got it; not to be kept after the call
	Text    string        // for ByKey, ByKeyContext, ByMulti and ByRoute: the key
	Route   string        // for ByRoute: the pattern
	Cost    int64         // of the request; 1 without WithCost
	Shadow  bool          // let through although it was refused: see WithShadow
}

// A budget is what a request is decided on. The middleware is the same for all.
type budget interface {
	// decide fills in everything but Request, Cost and Shadow.
	decide(r *http.Request, cost int64) Outcome
	// Outcomes are handed on by value: a pointer would bring each to the heap.
	refund(o Outcome)
	// group tells which of the budget's groups of policies decided; each group
	// always has the same policies.
	group(o Outcome) int
	groups() [][]weir.Policy
	// quota is what a policy of the group allows the request's key.
	quota(o Outcome, policy int) weir.Quota
}

// partitions is the budget of New; its groups are the partitions.
type partitions struct {
	limiter  weir.Decider
	describe func(*http.Request) weir.Request
}

func (b *partitions) decide(r *http.Request, cost int64) (o Outcome) {
	o.Ruling = b.limiter.Decide(r.Context(), b.describe(r), cost)
	return o
}

func (b *partitions) refund(o Outcome)    { b.limiter.Refund(o.Key, o.Cost) }
func (b *partitions) group(o Outcome) int { return int(o.Key.Partition) }

func (b *partitions) groups() (all [][]weir.Policy) {
	for part := range math.MaxUint8 + 1 { // no endless loop, whatever a Decider says
		policies := b.limiter.Policies(weir.Partition(part))
		if policies == nil {
			break
		}
		all = append(all, policies)
	}
	return all
}

func (b *partitions) quota(o Outcome, policy int) weir.Quota {
	return b.limiter.Quota(o.Key, policy)
}

// keyed is the budget of ByKey.
type keyed struct {
	limiter *weir.Limiter
	key     func(*http.Request) string
	name    string
}

func (b *keyed) decide(r *http.Request, cost int64) (o Outcome) {
	o.Text = b.key(r)
	o.Decision = b.limiter.AllowN(o.Text, cost)
	return o
}

func (b *keyed) refund(o Outcome)  { b.limiter.Refund(o.Text, o.Cost) }
func (b *keyed) group(Outcome) int { return 0 }
func (b *keyed) groups() [][]weir.Policy {
	return [][]weir.Policy{{{Name: b.name, Limiter: b.limiter}}}
}

func (b *keyed) quota(o Outcome, _ int) weir.Quota {
	q, _ := b.limiter.KeyQuota(o.Text)
	return q
}

// multi is the budget of ByMulti.
type multi struct {
	limiter *weir.Multi
	key     func(*http.Request) string
	names   []string
}

func (b *multi) decide(r *http.Request, cost int64) (o Outcome) {
	o.Text = b.key(r)
	o.Decision, o.Policy = b.limiter.AllowN(o.Text, cost)
	return o
}

func (b *multi) refund(o Outcome)  { b.limiter.Refund(o.Text, o.Cost) }
func (b *multi) group(Outcome) int { return 0 }

func (b *multi) groups() [][]weir.Policy {
	group := make([]weir.Policy, len(b.names))
	for i, name := range b.names {
		group[i] = weir.Policy{Name: name, Limiter: b.limiter.Limiter(i)}
	}
	return [][]weir.Policy{group}
}

func (b *multi) quota(o Outcome, policy int) weir.Quota {
	q, _ := b.limiter.Limiter(policy).KeyQuota(o.Text)
	return q
}
