// Package simulator sends a scenario's traffic and writes down what happened.
//
// Load is open-loop: a [Plan] fixes the moment each order is due before the run starts, and a slow service never delays
// the next one. Latency is counted from the moment a send was due, so time spent queueing behind a stall is part of the
// answer rather than missing from it.
//
// The package knows the service only by its wire protocols (docs/PROTOCOL.md) and breaks nothing itself.
package simulator
