// Package lrhmac signs and checks requests by the LR-HMAC scheme of docs/PROTOCOL.md, for the simulator's side of the
// wire: it signs what machines send to the service, and checks what the service sends to a payment channel.
//
// Its promise: a request whose method, URI or body was changed, that was signed with another key, or that was signed
// more than [Window] away from now, is not accepted. It keeps no memory of what it has seen: within the window the same
// request is accepted again.
//
// The service has its own writing of the same page. The two share no code on purpose: a mistake in one of them must
// show as a refused request and not cancel itself out.
package lrhmac
