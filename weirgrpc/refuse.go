package weirgrpc

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/weirhq/weir"
)

// message is the detail that rate-limits.md gives its 429 responses.
const message = "The API rate limit for this account has been exceeded."

// pushbackKey is the trailer by which a server tells gRPC's own retries when to
// come again (gRFC A6, "Pushback").
const pushbackKey = "grpc-retry-pushback-ms"

// Refuse returns the error that answers a refused call, and is what the interceptors
// answer with. In the text form of Protocol Buffers, its status is
//
//	code: 8  # RESOURCE_EXHAUSTED
//	message: "The API rate limit for this account has been exceeded."
//	details { [type.googleapis.com/google.rpc.RetryInfo] { retry_delay { seconds: 17 } } }
//	details {
//	  [type.googleapis.com/google.rpc.QuotaFailure] {
//	    violations { subject: "business" description: "quota 300/1m exceeded" quota_value: 300 }
//	  }
//	}
//
// and it sets the trailer grpc-retry-pushback-ms on the call that ctx belongs to.
//
// RetryInfo is exact, to the nanosecond: that much later the same call is admitted,
// if nothing else draws on its key. Clients must ask for it ([RetryDelay],
// [UnaryClientInterceptor]). The trailer is the same in whole milliseconds, rounded
// up. It is what gRPC's own retries wait for, in clients whose service config names
// RESOURCE_EXHAUSTED as retryable; to all others it says nothing. If d.RetryAfter is
// [weir.Never], no wait would help: there is no RetryInfo, and the trailer is -1,
// which forbids gRPC to retry.
//
// QuotaFailure has d.Subject, which is no more than the kind of budget, and d.Quota,
// which had the say. If that was changed meanwhile, so that its limit is not
// d.Limit, the description is "limit 500 exceeded". Whose budget it was is never
// told.
//
// Handlers that limit something of their own, such as logins of one account, call it
// to answer alike:
//
//	return nil, weirgrpc.Refuse(ctx, weirgrpc.Decision{Decision: d, Subject: "logins", Quota: logins.Quota()})
//
// A subject that is not UTF-8 costs the status its details. A ctx that belongs to no
// call gets no trailer. Refuse does not block; it takes one or two microseconds and
// some twenty allocations.
func Refuse(ctx context.Context, d Decision) error {
	if call := grpc.ServerTransportStreamFromContext(ctx); call != nil {
		// An error means that the call has ended; there is nobody to tell.
		_ = call.SetTrailer(metadata.MD{pushbackKey: {pushback(d.RetryAfter)}})
	}
	details := make([]protoadapt.MessageV1, 0, 2)
	if d.RetryAfter != weir.Never {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(d.RetryAfter)})
	}
	details = append(details, &errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{{
		Subject:     d.Subject,
		Description: description(d),
		QuotaValue:  d.Limit,
	}}})
	bare := status.New(codes.ResourceExhausted, message)
	detailed, err := bare.WithDetails(details...)
	if err != nil {
		return bare.Err()
	}
	return detailed.Err()
}

// description says which quota was exceeded.
func description(d Decision) string {
	quota := "limit " + strconv.FormatInt(d.Limit, 10)
	if d.Quota.Limit == d.Limit {
		quota = "quota " + d.Quota.String()
	}
	if d.RetryAfter == weir.Never {
		return quota + ": a cost this high is never admitted"
	}
	return quota + " exceeded"
}

// pushback is a wait as the trailer has it: in whole milliseconds, never too few.
func pushback(wait time.Duration) string {
	if wait == weir.Never {
		return "-1"
	}
	return strconv.FormatInt(int64((max(wait, 1)-1)/time.Millisecond)+1, 10)
}
