// Package sqs is a message queue with the semantics of an SQS standard queue, in memory, over HTTP with a small JSON
// protocol of our own (docs/PROTOCOL.md).
//
// What it promises is what consumers trip over: a message that was received is in flight, invisible to others, until it
// is deleted or its visibility time-out passes; then it is there again, and the receipt handle of before does nothing.
// No more than a limit are in flight: past it a short poll is refused with OverLimit. The documented figures are 120,000
// in flight, a visibility time-out of 30 s unless it is set, 12 h at most, ten messages a receive, 20 s of long polling.
//
// It promises no order beyond trying the oldest first, and never loses a message that it took while its process lives.
package sqs
