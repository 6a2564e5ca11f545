// Package harness makes one run, from a scenario to a verdict: it plans, starts the service on a stack, plays, collects
// the books, stops everything, and has the run folder judged.
//
// It is the only place where scenario, simulator, testbed, service settings and reports meet. It leaves nothing running
// behind, whatever ends a run, and writes a report of whatever was reached.
package harness
