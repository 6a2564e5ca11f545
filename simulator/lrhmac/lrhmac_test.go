package lrhmac_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

var (
	key    = []byte("0123456789abcdef")
	moment = time.UnixMilli(1_501_818_960_000)
)

func keys(name string) ([]byte, bool) { return key, name == "m00001" }

// The figures were computed with openssl from the text of docs/PROTOCOL.md, so that this package and the page agree:
//
//	printf '1501818960000\nPOST\n/v1/machines/m00001/results\n%s' $(printf '{}' | sha256sum | cut -c-64) |
//	  openssl dgst -sha256 -hmac 0123456789abcdef
func TestSignIsThatOfThePage(t *testing.T) {
	got := lrhmac.Sign(key, "m00001", http.MethodPost, "/v1/machines/m00001/results", []byte("{}"), moment)
	if want := "LR-HMAC m00001:1501818960000:e1c59b44440aebe584d3bf7a2026e7b63e14e98b4af03410c5db4b71c4858246"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	good := lrhmac.Sign(key, "m00001", "GET", "/a?b=c", nil, moment)
	tests := []struct {
		name          string
		authorization string
		method, uri   string
		body          string
		now           time.Time
		want          error
	}{
		{"as signed", good, "GET", "/a?b=c", "", moment, nil},
		{"five minutes late", good, "GET", "/a?b=c", "", moment.Add(5 * time.Minute), nil},
		{"five minutes early", good, "GET", "/a?b=c", "", moment.Add(-5 * time.Minute), nil},
		{"later than that", good, "GET", "/a?b=c", "", moment.Add(5*time.Minute + time.Millisecond), lrhmac.ErrExpired},
		{"earlier than that", good, "GET", "/a?b=c", "", moment.Add(-5*time.Minute - time.Millisecond), lrhmac.ErrExpired},
		{"another method", good, "POST", "/a?b=c", "", moment, lrhmac.ErrWrong},
		{"another path", good, "GET", "/b?b=c", "", moment, lrhmac.ErrWrong},
		{"another query", good, "GET", "/a?b=d", "", moment, lrhmac.ErrWrong},
		{"another body", good, "GET", "/a?b=c", "x", moment, lrhmac.ErrWrong},
		{"another key", lrhmac.Sign([]byte("x"), "m00001", "GET", "/a?b=c", nil, moment), "GET", "/a?b=c", "", moment, lrhmac.ErrWrong},
		{"another name", lrhmac.Sign(key, "m00002", "GET", "/a?b=c", nil, moment), "GET", "/a?b=c", "", moment, lrhmac.ErrUnknown},
		{"a shortened signature", good[:len(good)-2], "GET", "/a?b=c", "", moment, lrhmac.ErrWrong},
		{"no header", "", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"another scheme", "Bearer x", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"no time", "LR-HMAC m00001", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"no name", "LR-HMAC :1:00", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"a time that is none", "LR-HMAC m00001:now:00", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"a signature that is no hex", "LR-HMAC m00001:1:xx", "GET", "/a?b=c", "", moment, lrhmac.ErrMissing},
		{"the least of all times", "LR-HMAC m00001:-9223372036854775808:00", "GET", "/a?b=c", "", moment, lrhmac.ErrExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, err := lrhmac.Verify(tt.authorization, keys, tt.method, tt.uri, []byte(tt.body), tt.now)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if (name == "m00001") != (tt.want == nil) {
				t.Errorf("signed by %q", name)
			}
		})
	}
}

// Whatever is changed, it is refused; hexadecimal may be written in capitals.
func TestAnyChangedByteIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := []string{
			"GET", "/a?b=c", `{"outcome":"dispensed"}`,
			lrhmac.Sign(key, "m00001", "GET", "/a?b=c", []byte(`{"outcome":"dispensed"}`), moment),
		}
		i := rapid.IntRange(0, len(parts)-1).Draw(t, "part")
		at := rapid.IntRange(0, len(parts[i])-1).Draw(t, "at")
		b := rapid.Byte().Draw(t, "byte")
		was := parts[i]
		parts[i] = was[:at] + string([]byte{b}) + was[at+1:]
		if parts[i] == was || (i == 3 && strings.EqualFold(parts[i], was) && at > len("LR-HMAC m00001:")) {
			return
		}
		if name, err := lrhmac.Verify(parts[3], keys, parts[0], parts[1], []byte(parts[2]), moment); err == nil {
			t.Fatalf("taken as %s's: %q", name, parts)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add(lrhmac.Sign(key, "m00001", "GET", "/", nil, moment))
	f.Add("LR-HMAC :::")
	f.Fuzz(func(t *testing.T, authorization string) {
		name, err := lrhmac.Verify(authorization, keys, "GET", "/", nil, moment)
		if err != nil {
			return
		}
		stamp, _, _ := strings.Cut(strings.TrimPrefix(authorization, "LR-HMAC "+name+":"), ":")
		if !strings.HasSuffix(lrhmac.Sign(key, name, "GET", "/", nil, moment), strings.ToLower(authorization[len(authorization)-64:])) || stamp == "" {
			t.Fatalf("taken: %q", authorization)
		}
	})
}

func BenchmarkSign(b *testing.B) {
	body := []byte(`{"command_id":"c1","order_id":"o1","outcome":"dispensed","detail":""}`)
	b.ReportAllocs()
	for b.Loop() {
		lrhmac.Sign(key, "m00001", "POST", "/v1/machines/m00001/results", body, moment)
	}
}
