package service

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"time"
)

// sortable is base32 whose digits ascend in ASCII, so that ids sort by their time.
var sortable = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewOrderID makes an order id: 26 characters, ascending with time, which keeps inserts at the end of the primary key's
// tree; at most 32 are allowed by the channels.
func NewOrderID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	_, _ = rand.Read(b[6:]) // never fails
	return sortable.EncodeToString(b[:])
}

// CommandID is the id of an order's dispense command. It is derived, so that an order has one command however often its
// payment is handled, and a machine, which starts no command id twice, dispenses once.
func CommandID(orderID string) string { return "c-" + orderID }

// CancelID is the id of the command that takes an order's dispense command back.
func CancelID(orderID string) string { return "x-" + orderID }

// newCommandID is a command id as it was (dedupe none): a fresh one for each time a payment is handled.
func newCommandID() string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return "c-" + hex.EncodeToString(b[:])
}

// RefundNo is the number of a transaction's refund. It is derived, so that a transaction is paid back once however often
// and by whomever the refund is asked for.
func RefundNo(channel Channel, transactionID string) string {
	no := "r-" + string(channel) + "-" + transactionID
	if len(no) > 64 { // what channels take
		sum := sha256.Sum256([]byte(no))
		return "r-" + hex.EncodeToString(sum[:24])
	}
	return no
}
