package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestFlagsThatMakeNoSense(t *testing.T) {
	for _, args := range [][]string{
		{"-rates", "fast"},
		{"-rates", "0"},
		{"-rates", "2000,"},
		{"-rates", "100001"},
		{"-rounds", "0"},
		{"-for", "10ms"},
		{"-nonsense"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, &out, &out); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestTheRatioIsTheMedianOfTheRounds(t *testing.T) {
	costs := func(micros ...time.Duration) []cost {
		out := make([]cost, len(micros))
		for i, us := range micros {
			out[i] = cost{Sent: 1000, OK: 1000, CPU: us * time.Microsecond * 1000}
		}
		return out
	}
	tests := []struct {
		name         string
		ours, theirs []cost
		want         float64
	}{
		{"one round", costs(50), costs(40), 1.25},
		{"an odd one out", costs(50, 500, 60), costs(50, 50, 50), 1.2},
		{"an even number", costs(50, 100), costs(50, 50), 1.5},
	}
	for _, tt := range tests {
		got := table{costs: map[string][]cost{"lunchrush": tt.ours, "vegeta": tt.theirs}}.ratio("vegeta")
		if got < tt.want-1e-9 || got > tt.want+1e-9 {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTheTableTellsWhoDidNotKeepUp(t *testing.T) {
	var out bytes.Buffer
	tab := table{rate: 1000, duration: time.Second, costs: map[string][]cost{
		"lunchrush": {{Sent: 1000, OK: 1000, CPU: 140 * time.Millisecond, LatenessP99: time.Millisecond}},
		"vegeta":    {{Sent: 900, OK: 899, CPU: 90 * time.Millisecond}},
	}}
	tab.print(&out, []sender{ours{}, vegetaAttack{}})
	for _, want := range []string{
		"vegeta sent 900 of 1000, answered 200: 899", "lunchrush / vegeta: 1.40, wanted at most 1.3: too much", "1000.0µs",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "lunchrush sent") {
		t.Errorf("lunchrush kept up:\n%s", out.String())
	}
}
