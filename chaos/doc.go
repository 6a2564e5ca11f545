// Package chaos breaks links between the parts of a run, heals them again, and proves from outside that the break was felt.
//
// One file a fault. A fault that was injected is healed whatever ends the run: heals run on a context of their own. A
// fault that was not felt makes its run inconclusive; it is never assumed. To write a fault, read latency.go.
//
// Links are TCP and run through Toxiproxy as a library, without its HTTP interface. Toxicity is drawn per connection, so
// shares of requests are not broken here: that is done where requests are seen.
package chaos
