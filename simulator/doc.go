// Package simulator sends a scenario's traffic and writes down what happened.
//
// Load is open-loop: a [Plan] fixes the moment each order is due before the run starts, and a slow service never delays
// the next one. Latency is counted from the moment a send was due, so time spent queueing behind a stall is part of the
// answer rather than missing from it.
//
// A [World] is everything around one service on one clock. [World.Play] tells the service of the machines, plays the plan
// through a [Timeline], waits until every paid order is settled, and copies the service's own book; all of it is in the
// run folder afterwards. Nothing here judges: what a run means is read from its books.
//
// The package knows the service only by its wire protocols (docs/PROTOCOL.md), sends to loopback addresses only, and
// breaks nothing itself.
package simulator
