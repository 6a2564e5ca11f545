// Command fleet measures what machines that wait cost: 10,000 of them, each with its long poll open and its heartbeat now and then,
// and next to no orders:
//
//	go run ./bench/fleet
//
// The simulator is the one of every run, in a process of its own, with all its book-keeping; the service is lunchrush's own
// binary with the hardened profile, on a private MariaDB and Redis. When every machine waits and things have calmed down,
// the resident memory and the CPU time of both processes over two rounds of polls are what the system says of them. Wanted are at
// most 1 GiB and 20 % of one core for both together; the figures are printed, and nothing is judged by the exit code.
package main
