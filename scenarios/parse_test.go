package scenarios

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDelaysAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		period := func(low, high time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, "ns"))
		}
		var d Delay
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 1:
			d = Delay{Kind: "constant", A: period(1, delayMax)}
		case 2:
			a := period(0, delayMax)
			d = Delay{Kind: "uniform", A: a, B: period(a, delayMax)}
		case 3:
			d = Delay{Kind: "lognormal", A: period(1, delayMax), SigmaPct: rapid.IntRange(1, 300).Draw(t, "sigma")}
		}
		text := d.String()
		if got, err := ParseDelay(text); err != nil || got != d {
			t.Fatalf("%+v is written %q and read %+v, %v", d, text, got, err)
		}
	})
}

func TestTimesOfDayAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := TimeOfDay(time.Duration(rapid.IntRange(0, 48*3600).Draw(t, "second")) * time.Second)
		if got, err := ParseTimeOfDay(want.String()); err != nil || got != want {
			t.Fatalf("%s is read as %s, %v", want, got, err)
		}
	})
}

func TestConditionsHoldAsTheyRead(t *testing.T) {
	tests := []struct {
		text string
		got  float64
		want bool
	}{
		{"== 0", 0, true},
		{"== 0", 1, false},
		{"!= 0", 1, true},
		{"!= 0", 0, false},
		{"< 1s", float64(time.Second) - 1, true},
		{"< 1s", float64(time.Second), false},
		{"<= 10%", 0.1, true},
		{"<= 10%", 0.11, false},
		{"> 1.5", 1.5, false},
		{"> 1.5", 1.6, true},
		{">= 90s", 90e9, true},
		{">= 1m30s", 89e9, false},
		{">-5", -4, true},
	}
	for _, tt := range tests {
		c, err := ParseCondition(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if got := c.Holds(tt.got, c.Limit); got != tt.want {
			t.Errorf("%v %s: got %v", tt.got, tt.text, got)
		}
	}
	if (Condition{}).Holds(0, 0) {
		t.Error("the zero condition holds")
	}
}

func TestNearestForgivesASlipAndNoMore(t *testing.T) {
	words := []string{"from", "times", "to", "ramp", "per_machine_hour"}
	for got, want := range map[string]string{
		"form": "from", "time": "times", "fro": "from", "per_machine_hours": "per_machine_hour", "Ramp": "ramp",
		"elephant": "", "per_machine": "per_machine_hour", "": "",
	} {
		if near := nearest(got, words); near != want {
			t.Errorf("%q: got %q, want %q", got, near, want)
		}
	}
}
