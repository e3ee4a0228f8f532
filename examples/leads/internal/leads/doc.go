// Package leads is the program of examples/leads: a service under the limits of
// rate-limits.md, and a demonstration of it.
//
// It is a package because there are two programs of it: examples/leads keeps the limits
// by itself, and examples/leads/redis, a module of its own, can have them on a server.
// They differ in one function, [Connect].
//
// How a service uses weir is in service.go; store.go stands for its database; shared.go
// is what it wants of limits on a server.
// The rest is the demonstration: plan.go says what is sent and what must become
// of it, traffic.go sends it, row.go and census.go count on either side, check.go
// compares, report.go prints, and demo.go does all that in order. operate.go shows
// what its operator and its clients have beside: fields, a quota file, a client
// that waits, a debug page. share.go shows that two processes share limits.
package leads
