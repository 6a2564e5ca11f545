// Package paychan is the service's adapter to the payment channels: it checks their notifications and calls their
// merchant interface.
//
// Its promises: a notification is turned into a payment only when the channel's own cryptography, as the official
// wechatpay-go and smartwalle/alipay check it, says that the channel signed these bytes less than five minutes ago for
// this merchant; anything else is a [service.Refusal] and never a panic. A call to a channel ends as yes, as a definite
// no, or as indeterminate, and the three are never mixed up. No key, signature or buyer's name is part of an error.
//
// It stores nothing, retries nothing, and does not know whether an order exists.
package paychan
