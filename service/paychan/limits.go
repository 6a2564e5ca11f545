package paychan

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// Limits on what a channel may send. The longest real notification seen is under 4 KiB.
const (
	maxBody       = 64 << 10 // of a notification and of an answer, bytes
	maxID         = 64       // of an order, transaction or buyer id, characters; Alipay's out_trade_no is the longest
	maxNotifyID   = 128      // of a notification's id
	maxMessage    = 200      // of a channel's words in an error
	maxFen        = 100_000_000_00
	maxSignedAway = 5 * time.Minute // between the time signed and our clock, either way
)

func refused(reason string, status int, detail string) *service.Refusal {
	return &service.Refusal{Reason: reason, Status: status, Detail: detail}
}

func badSignature(detail string) *service.Refusal {
	return refused(service.ReasonSignature, http.StatusUnauthorized, detail)
}

func malformed(detail string) *service.Refusal {
	return refused(service.ReasonMalformed, http.StatusBadRequest, detail)
}

func replayed(off time.Duration) *service.Refusal {
	return refused(service.ReasonReplayed, http.StatusUnauthorized,
		fmt.Sprintf("signed %s away from our clock, %s allowed", off.Round(time.Second), maxSignedAway))
}

// ignored acknowledges a genuine notification that is no payment.
func ignored(detail string) *service.Refusal {
	return refused(service.ReasonIgnored, http.StatusOK, detail)
}

// A clock tells the time of day; nil is the machine's.
type clock func() time.Time

func (c clock) now() time.Time {
	if c == nil {
		return time.Now()
	}
	return c()
}

// stale reports how far t is from now when that is too far.
func (c clock) stale(t time.Time) (off time.Duration, too bool) {
	off = c.now().Sub(t)
	return off, off >= maxSignedAway || off <= -maxSignedAway
}

// canonical reports whether s is the one way to write its bytes in base64. Go's decoder, and with it both SDKs, also
// takes line breaks and stray bits in the last character; one signature would then have many spellings.
func canonical(s string) bool {
	raw, err := base64.StdEncoding.DecodeString(s)
	return err == nil && base64.StdEncoding.EncodeToString(raw) == s
}

// id checks an identifier that will be stored and logged: present, not too long, printable ASCII.
func id(s string, limit int) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// excerpt makes a stranger's text fit to be logged: short, and one line of printable characters. An API's words are
// kept, and so the reader of a log sees what the channel said.
func excerpt(s string, limit int) string {
	out := make([]rune, 0, min(len(s), limit))
	for _, r := range s {
		if len(out) == limit {
			break
		}
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			r = '?'
		}
		out = append(out, r)
	}
	return string(out)
}
