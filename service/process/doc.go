// Package process runs one process of the service: it puts the roles together from a configuration, listens, and when
// it is told to end, drains: readiness fails, nothing new is taken, what runs is finished, then it closes.
package process
