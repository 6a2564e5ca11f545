// Package testbed starts and stops what a run needs around the service: databases, Redis, and the service's processes,
// in containers, as local child processes, or embedded. Everything it starts listens on and is dialled at loopback only,
// and is gone after [Stack.Close], after Ctrl-C and after a panic.
//
// It never weakens a run silently: what a testbed cannot do is refused with the reason.
package testbed
