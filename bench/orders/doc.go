// Command orders measures how many whole orders a second the service carries through, beside the same SQL statements fired by a
// bare loop at the same database over as many connections:
//
//	go run ./bench/orders
//
// A life is everything that an order of a hardened service goes through: it is created over HTTP and made payable at a
// channel that answers at once, its signed notification is taken, the machine fetches its command by long poll and reports
// the goods, and the order is DISPENSED. MariaDB commits each transaction to disk (innodb_flush_log_at_trx_commit=1). The
// order's number is known only once it is created, and signing costs more than taking: so all orders of a round are created
// first, their notifications are signed off the clock, and then they are paid and dispensed; the two stretches are added up.
//
// The other side is a list of statements, [life]. Before anything is measured, one order goes through a service whose
// connections to the database are listened to, and what is heard must be that list, transaction by transaction: a list that
// no longer tells what the service does is an error.
//
// Rounds of the two sides take turns, and the service is stopped in its tracks (SIGSTOP) while the bare loop runs. The ratio
// of each round and their median are printed; nothing is judged by the exit code.
package main
