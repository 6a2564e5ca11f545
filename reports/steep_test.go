package reports

import (
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestASteepRampIsSaid(t *testing.T) {
	answers := func(p50 time.Duration) []Latency {
		return []Latency{{Kind: "create", Response: Quantiles{P50: int64(p50)}}, {Kind: "result", Response: Quantiles{P50: int64(time.Minute)}}}
	}
	for _, tt := range []struct {
		name  string
		steep float64
		p50   time.Duration
		want  string
	}{
		{"a quick service follows", 0.25, 80 * time.Millisecond, ""},
		{"a slow one does not", 0.25, 4 * time.Second, "the demand changes by 25 % a second, and an answer takes 4.00 s; the real day's did not. At --speed 9 it would not either"},
		{"a clock that was not compressed has no ramp but the day's", 0, 4 * time.Second, ""},
		{"nothing was answered", 0.25, -1, ""},
	} {
		got := steep(&runlog.Manifest{Speed: 90, Load: runlog.LoadFacts{SteepPerS: tt.steep}}, answers(tt.p50))
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
