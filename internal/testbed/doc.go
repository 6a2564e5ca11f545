// Package testbed starts and stops what a run needs around the service: databases, Redis, and the service's processes,
// in containers, as local child processes, or embedded. Everything it starts listens on and is dialled at loopback only,
// and is gone after [Stack.Close], after Ctrl-C and after a panic, if Close is deferred.
//
// A harness that is killed with SIGKILL cannot close anything. On Linux its child processes die with it; what is left (temp
// folders, containers, children elsewhere) stands in a ledger, a file per stack that its harness keeps locked for as long
// as it lives. [Start] and [Clean] sweep every ledger that nobody holds any more. A process is killed only if its start
// time still matches, so a pid that was given to somebody else is left alone.
//
// The package never weakens a run silently: what a testbed cannot do is refused with the reason.
package testbed
