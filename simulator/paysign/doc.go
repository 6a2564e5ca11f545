// Package paysign makes payment notifications as the channels send them: WeChat Pay v3 and Alipay, signed with real RSA
// keys that are made anew for each run. It also makes those that a service must refuse.
//
// Its promise: what [WeChat] and [Alipay] sign is accepted by the channels' official SDKs, and each notification of
// [Bad] differs from a good one in exactly the one thing that its kind names.
//
// An RSA-2048 signature costs over a millisecond of CPU, so none is made on the send path: a [Presigner] makes them
// ahead, on all cores but one.
//
// The package sends nothing and keeps no book.
package paysign
