// Package rediscache keeps the service's two uses of Redis: a cache on one instance, and the queue of pushes on another,
// since a cache may forget and a queue must not be emptied by its neighbour's eviction.
//
// Nothing that is only here is needed: with both instances gone, prices come from the database, and commands are found
// there by the next poll or pushed again by a job.
package rediscache
