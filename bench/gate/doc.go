// Command gate measures how often `lunchrush gate` raises a false alarm, and how often it misses a build that is slower:
//
//	go run ./bench/gate -gates 40 -slower-gates 20
//
// It plays whole gates on this machine, on a local testbed, each from its warm-up to its verdict: gates of one build against itself, in
// turn with gates whose head answers 30 % later. The slower build is the same source but for two lines, which hold every answer
// to a POST back for 0.3 times as long as the service took for it. A gate takes about four minutes; with -abreast several are
// played at once, each of which is noise to the others, as a busy machine would be. What was played stays in -dir and is not
// played again: the command may be interrupted and goes on where it was.
//
// From the pairs of the gates that were played it then puts together as many gates as -resampled says, by drawing pairs with
// replacement, and tells of those in a line of their own: they show what a machine with this noise would see, and were not played.
//
// Wanted are at most 2 alarms in 40 gates of one build, and at least 85 % of the slower ones caught with ten pairs. The figures
// are printed with that in brackets; nothing is judged by the exit code.
package main
