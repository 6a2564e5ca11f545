package reports

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestAMissedLimitIsNotPrintedAsMet(t *testing.T) {
	tests := []struct {
		name, unit string
		value      float64
		want, got  string
		status     string
	}{
		{"a share that rounds up to its limit", "share", 0.986, ">= 99%", "98.6 %", failed},
		{"one of three thousand is missing", "share", 2999.0 / 3000, ">= 100%", "99.97 %", failed},
		{"a share that rounds down to its limit", "share", 0.104, "<= 10%", "10.4 %", failed},
		{"a duration that rounds down to its limit", "ns", 300.4e6, "<= 300ms", "300.4 ms", failed},
		{"seconds", "ns", 1.00004e9, "<= 1s", "1.00004 s", failed},
		{"minutes", "ns", 420.3e9, "<= 420s", "420.3 s", failed},
		{"microseconds", "ns", 50.004e3, "<= 50us", "50.004 µs", failed},
		{"a ratio", "", 1.502, "<= 1.5", "1.502", failed},
		{"a met limit that rounds to a missed one", "share", 0.9996, "< 100%", "99.96 %", passed},
		{"a share far from its limit stays short", "share", 0.9534, ">= 99%", "95 %", failed},
		{"a share at its limit", "share", 0.99, ">= 99%", "99 %", passed},
		{"a duration far from it", "ns", 300.4e6, "< 1s", "300 ms", passed},
		{"a count", "", 1234, "== 1233", "1,234", failed},
		{"money is exact as it is", "fen", 350, "== 0", "3.50 yuan", failed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Measure{Name: "m", Unit: tt.unit, Value: tt.value, Known: true, Samples: 1}
			c := check("m", tt.want, map[string]Measure{"m": m}, &runlog.Manifest{})
			if c.Got != tt.got || c.Status != tt.status {
				t.Errorf("%s: %s, want %s: %s", c.Got, c.Status, tt.got, tt.status)
			}
		})
	}
}
