// Package msgqueue reaches the message queue that machines' readings come by, and the metering system that is told of them,
// over HTTP as docs/PROTOCOL.md has it. It keeps connections and bounds them, and every call has a time-out.
package msgqueue
