// Package servicetest gives the service's tests what it runs against: a private MariaDB and Redis as child processes on
// loopback, a payment channel, and machines. Everything it starts is ended by its process id when the tests end.
package servicetest
