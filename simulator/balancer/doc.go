// Package balancer is the load balancer that stands before the service's instances: named HTTP listeners on the loopback,
// pools of weighted backends behind them, health checks, slow start, and the ways in which such a thing breaks.
//
// A POST is never sent again once a byte of it may have reached a backend: who pays twice must have asked twice. What can
// be asked twice without harm (GET, HEAD, OPTIONS, and what carries an Idempotency-Key and no body) may be sent again when
// a connection that was kept open turns out to be dead. A request whose backend could not be dialled goes to the next one,
// whatever it is, unless Config.NoRedial. What a client can conclude from the balancer's own answers is in their code: see [CodeNoBackend] and its
// neighbours.
//
// It dials loopback addresses only, terminates no TLS, speaks HTTP/1.1, and refuses upgrades.
package balancer
