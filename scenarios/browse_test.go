package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestBrowseIsReadAndItsCurveIsItsOwn(t *testing.T) {
	src := with(`browse: {per_machine_hour: 360, peaks: [{from: "11:20", to: "11:40", times: 3, ramp: 0s}], hot: 80%, hot_slots: 5, unknown: 10%}`)
	s, err := Load("x.yaml", []byte(src), Known{})
	if err != nil {
		t.Fatal(err)
	}
	want := Browse{
		PerMachineHour: 360, Peaks: []Peak{{From: TimeOfDay(11*time.Hour + 20*time.Minute), To: TimeOfDay(11*time.Hour + 40*time.Minute), Times: 3}},
		Hot: 0.8, HotSlots: 5, Unknown: 0.1, Timeout: 5 * time.Second,
	}
	if s.Browse.PerMachineHour != want.PerMachineHour || len(s.Browse.Peaks) != 1 || s.Browse.Peaks[0] != want.Peaks[0] ||
		s.Browse.Hot != want.Hot || s.Browse.HotSlots != want.HotSlots || s.Browse.Unknown != want.Unknown || s.Browse.Timeout != want.Timeout {
		t.Errorf("browse is %+v, want %+v", s.Browse, want)
	}
	if got := s.BrowseCurve().Rate(s.At(TimeOfDay(11*time.Hour + 30*time.Minute))); got != 3 {
		t.Errorf("in the campaign %g looks a second, want 10 machines x 360/h x 3 = 3", got)
	}
	if got := s.Curve().Max(); got > 0.02 {
		t.Errorf("the orders have the campaign's peak: %g a second", got)
	}
}

func TestBrowseThatCannotBe(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"shares over the whole", "browse: {per_machine_hour: 1, hot: 60%, unknown: 50%}", "browse: hot and unknown make 110%, more than 100%; the rest look at any slot"},
		{
			"a campaign outside the clock", `browse: {per_machine_hour: 1, peaks: [{from: "13:00", to: "14:00", times: 2}]}`,
			"browse.peaks[0].from: the peak from 13:00 to 14:00 is outside the clock, 11:00 to 12:00",
		},
		{"prices that nobody looks at", "reprice: {every: 1s}", "reprice: changes prices that nobody looks at; add browse"},
		{"no rate", "browse: {hot: 10%}", "browse.per_machine_hour: is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(with(tt.line)), Known{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
