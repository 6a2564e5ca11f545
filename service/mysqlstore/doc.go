// Package mysqlstore keeps the service's tables in MySQL, MariaDB or TiDB.
//
// Its promise: every method of [Store] is one transaction, and every move of a row is a compare-and-set by primary key,
// so that any number of processes may try the same move and exactly one makes it. Locks are taken in one order: orders,
// commands, machines, refunds, slots, remedy_order, pay_queue; the creation of an order, which writes a row that nobody else can
// hold, takes the slot first.
//
// It uses nothing that one of the three engines lacks: no SKIP LOCKED, no RETURNING, no error texts. Errors are told
// apart by the numbers 1040, 1062, 1205 and 1213.
//
// The documented mistakes are in aswas.go, and only there.
package mysqlstore
