// Package live is the page of a run that still goes on: what is offered and what is answered, the backlog, the pools, the
// faults, drawn by the report's own code; the harness's metrics for Prometheus on the same address; and, unless it only
// watches, a hand on the run: pause, stop, a fault.
//
// It starts nothing and judges nothing. An order is lost only when the books say so, after the run; until then it is open,
// or in doubt. Nothing here stands in the way of a send: the simulator tells of each second when it is over, and what
// nobody looks at is not drawn.
//
// The page holds one run at a time, in the hands of whoever can reach it. So it listens on loopback unless a token is set,
// answers to no other host's name, takes acts from its own origin only, and is gone when the run is.
package live
