package lrhmac

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Window is how far the time in a signature may be from the clock of who checks it, either way.
const Window = 5 * time.Minute

// Merchant is the name that the service signs its calls to a channel with.
const Merchant = "merchant"

const scheme = "LR-HMAC "

// Errors of [Verify]. All of them are answered with 401.
var (
	ErrMissing = errors.New("no LR-HMAC authorization")
	ErrUnknown = errors.New("unknown principal")
	ErrExpired = errors.New("signed more than 5 minutes away from now")
	ErrWrong   = errors.New("signature does not fit")
)

// Sign returns the value of the Authorization header for one request: "LR-HMAC name:unix_ms:hex". A machine's key is
// what its key_hex decodes to; a channel's is the bytes of its API key. The URI is the request target as sent, path and
// query.
func Sign(key []byte, name, method, uri string, body []byte, now time.Time) string {
	ms := now.UnixMilli()
	mac := sum(key, ms, method, uri, body)

	out := make([]byte, 0, len(scheme)+len(name)+1+20+1+2*sha256.Size)
	out = append(out, scheme...)
	out = append(out, name...)
	out = append(out, ':')
	out = strconv.AppendInt(out, ms, 10)
	out = append(out, ':')
	out = hex.AppendEncode(out, mac)
	return string(out)
}

// Verify checks an Authorization header and returns who signed. Key looks a name's key up.
func Verify(authorization string, key func(name string) ([]byte, bool), method, uri string, body []byte, now time.Time) (string, error) {
	rest, ok := strings.CutPrefix(authorization, scheme)
	if !ok {
		return "", ErrMissing
	}
	name, rest, _ := strings.Cut(rest, ":")
	stamp, sig, ok := strings.Cut(rest, ":")
	if !ok || name == "" {
		return "", fmt.Errorf("%w: not name:unix_ms:hex", ErrMissing)
	}
	ms, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return "", fmt.Errorf("%w: the time is no number", ErrMissing)
	}
	got, err := hex.DecodeString(sig)
	if err != nil {
		return "", fmt.Errorf("%w: the signature is no hex", ErrMissing)
	}
	if off := now.UnixMilli() - ms; off > Window.Milliseconds() || off < -Window.Milliseconds() {
		return "", ErrExpired
	}
	k, ok := key(name)
	if !ok {
		return "", ErrUnknown
	}
	if !hmac.Equal(got, sum(k, ms, method, uri, body)) {
		return "", ErrWrong
	}
	return name, nil
}

// sum is the HMAC over "unix_ms \n METHOD \n request-URI \n hex(sha256(body))".
func sum(key []byte, ms int64, method, uri string, body []byte) []byte {
	content := sha256.Sum256(body)
	msg := make([]byte, 0, 20+len(method)+len(uri)+3+2*sha256.Size)
	msg = strconv.AppendInt(msg, ms, 10)
	msg = append(msg, '\n')
	msg = append(msg, method...)
	msg = append(msg, '\n')
	msg = append(msg, uri...)
	msg = append(msg, '\n')
	msg = hex.AppendEncode(msg, content[:])

	mac := hmac.New(sha256.New, key)
	mac.Write(msg)
	return mac.Sum(nil)
}
