package paychan_test

import (
	"bytes"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/service"
)

// wantSafe fails when a notification was taken although it says something else than what was signed.
func wantSafe(t interface{ Fatalf(string, ...any) }, c channel, h http.Header, body []byte, same bool) {
	got, err := c.Verify(request(h, body), body)
	if err == nil && !same {
		t.Fatalf("%s: taken although it was changed: %+v\n%v\n%q", c.Channel(), got, h, body)
	}
	if r, ok := err.(*service.Refusal); err != nil && (!ok || r.Reason == service.ReasonIgnored) { //nolint:errorlint // the interface promises this very type
		t.Fatalf("%s: got %v, want a refusal of a changed notification", c.Channel(), err)
	}
}

// sameForm reports whether two bodies are the same fields: percent-encoding has several spellings of one value.
func sameForm(a, b []byte) bool {
	va, erra := url.ParseQuery(string(a))
	vb, errb := url.ParseQuery(string(b))
	return erra == nil && errb == nil && reflect.DeepEqual(va, vb)
}

func TestAnyChangedByteIsRefused(t *testing.T) {
	now := time.Now()
	for _, c := range channels() {
		good, body, err := c.Sign(payment, notifyID, now, now)
		if err != nil {
			t.Fatal(err)
		}
		places := []string{"body"}
		if c.Channel() == "wechat" {
			places = append(places, "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial")
		}
		for _, place := range places {
			t.Run(c.Channel()+" "+place, func(t *testing.T) {
				rapid.Check(t, func(t *rapid.T) {
					text := []byte(good.Get(place))
					if place == "body" {
						text = bytes.Clone(body)
					}
					i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
					b := rapid.Byte().Filter(func(b byte) bool { return b != text[i] }).Draw(t, "byte")
					text[i] = b
					if place == "body" {
						wantSafe(t, c, good, text, c.Channel() == "alipay" && sameForm(body, text))
						return
					}
					h := good.Clone()
					h[place] = []string{string(text)}
					wantSafe(t, c, h, body, false)
				})
			})
		}
	}
}

// Every bit of the last characters of a signature counts, also those that base64 leaves unused.
func TestASignatureHasOneSpelling(t *testing.T) {
	w, _ := world()
	now := time.Now()
	good, body, err := w.Sign(payment, notifyID, now, now)
	if err != nil {
		t.Fatal(err)
	}
	sig := good.Get("Wechatpay-Signature")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n\r "
	for i := len(sig) - 4; i < len(sig); i++ {
		for _, b := range []byte(alphabet) {
			if b == sig[i] {
				continue
			}
			h := good.Clone()
			h["Wechatpay-Signature"] = []string{sig[:i] + string(b) + sig[i+1:]}
			wantSafe(t, w, h, body, false)
		}
	}
}

// edited is good with bytes overwritten: each three of edits are a place, high byte first, and what is put there.
// The fuzzer's workers are processes with keys of their own, so a seed that is a whole notification would mean nothing
// to them.
func edited(good, edits []byte) []byte {
	out := bytes.Clone(good)
	for ; len(edits) >= 3; edits = edits[3:] {
		out[(int(edits[0])<<8|int(edits[1]))%len(out)] = edits[2]
	}
	return out
}

func FuzzWeChatVerify(f *testing.F) {
	w, _ := world()
	now := time.Now()
	good, body, err := w.Sign(payment, notifyID, now, now)
	if err != nil {
		f.Fatal(err)
	}
	fields := []string{"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"}
	f.Add([]byte{}, []byte{}, byte(0))
	f.Add([]byte{}, []byte{0, 20, 'x'}, byte(0))
	f.Add([]byte{}, []byte{0, 8, '9'}, byte(1))
	f.Add([]byte{}, []byte{1, 85, 'B'}, byte(3))
	f.Add([]byte(`{"resource":{"nonce":""}}`), []byte{}, byte(0))
	f.Add([]byte("WECHATPAY/SIGNTEST/"), []byte{}, byte(3))
	// Raw replaces, or edits change, the body (which 0) or one header.
	f.Fuzz(func(t *testing.T, raw, edits []byte, which byte) {
		change := func(of []byte) []byte {
			if len(raw) > 0 {
				return raw
			}
			return edited(of, edits)
		}
		h, b := good.Clone(), body
		if i := int(which) % (1 + len(fields)); i == 0 {
			b = change(body)
		} else {
			h[fields[i-1]] = []string{string(change([]byte(good.Get(fields[i-1]))))}
		}
		same := bytes.Equal(b, body)
		for _, key := range fields {
			same = same && strings.TrimSpace(h.Get(key)) == good.Get(key)
		}
		wantSafe(t, w, h, b, same)
	})
}

func FuzzAlipayVerify(f *testing.F) {
	_, a := world()
	now := time.Now()
	h, good, err := a.Sign(payment, notifyID, now, now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{})
	f.Add([]byte{}, []byte{0, 20, '&'})
	f.Add([]byte("sign=AA==&sign_type=RSA2"), []byte{})
	f.Add([]byte("a=1&a=2;b"), []byte{})
	f.Fuzz(func(t *testing.T, raw, edits []byte) {
		body := raw
		if len(raw) == 0 {
			body = edited(good, edits)
		}
		wantSafe(t, a, h, body, sameForm(body, good))
	})
}
