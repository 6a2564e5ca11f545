// Package balancer is the load balancer that stands before the service's instances: named HTTP listeners on the loopback,
// pools of weighted backends behind them, health checks, slow start, and the ways in which such a thing breaks.
//
// It never sends a request twice once a byte of it may have reached a backend, whatever its method: who pays twice must
// have asked twice. A request whose backend could not be dialled goes to the next one. What a client can conclude from the
// balancer's own answers is in their code: see [CodeNoBackend] and its neighbours.
//
// It dials loopback addresses only, terminates no TLS, speaks HTTP/1.1, and refuses upgrades.
package balancer
