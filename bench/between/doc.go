// Command between measures what stands between callers and the service: what the load balancer adds and can hold, and what the
// proxy of an untroubled link adds.
//
//	go run ./bench/between
//
// Requests are due at a steady rate; blocks of them go straight to a backend and through the balancer by turns, in random
// order within each pair of blocks, so that whatever else the machine does meets both. The difference of the two
// distributions is the balancer's; then the same for a link. Then thousands of requests are held by the balancer, each on a
// connection of its own, and let go at once: what counts is this process's memory, the clients' ends included, and the time
// until the last one has reached the backend, and until the last one is answered. The backend counts them: each must have
// come once.
//
// The backend is a process of its own; clients, balancer and proxy share one, as they do in every run. Wanted are at most 1 ms
// more at the 99th percentile for the balancer and 0.5 ms at the median for the link, 512 MiB, and 1 s; the figures are
// printed, and nothing is judged by the exit code.
package main
