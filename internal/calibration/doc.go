// Package calibration checks the measuring instrument itself: it plays the real generator, with its books, its run folder and
// the reports' analysis, against a target whose delays are known, and has the report compared with the truth.
//
// The truth is the target's own: for each send it books, by the same monotonic clock, when the request reached its socket
// and when it began to write the answer. What the target is asked to do is arithmetic, so a stall of two seconds has response
// times that can be written down before anything is sent. The package promises that a slow machine is called a slow
// machine: beside the sends an empty message goes to and fro, and what that cannot explain is the instrument's fault.
package calibration
