// Package service is the reference vending-payment service: the domain types, the rules that move an order, and the
// workers that carry them out. Adapters (HTTP, MySQL, Redis, payment channels) live in the packages below it, one each.
//
// Its promise: with the hardened profile every order that was paid ends in exactly one of goods or money back, whatever
// is repeated, late, lost or killed. Every mitigation that this takes is a switch in [Config], so that a documented
// failure can be brought back by its own mechanism.
//
// It imports nothing else of this module and knows nothing of the harness that tests it.
package service
