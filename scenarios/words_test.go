package scenarios

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// stormy has a fault, so that stability and recovery mean something.
func stormy(more ...string) string {
	src := with(append([]string{`faults: [{at: "11:10", for: 10s, on: mysql, inject: down}]`}, more...)...)
	return strings.Replace(src, "per_machine_hour: 6", "per_machine_hour: 60", 1)
}

func TestConditionsOnWordsAndOnTheModel(t *testing.T) {
	tests := []struct{ name, write, says string }{
		{"one word", "stability: STABLE", ""},
		{"a list of words", "stability: [METASTABLE, BROKEN]", ""},
		{"times the model", `recovery_time: "> 3x model"`, ""},
		{"a part of the model", `recovery_time: "<= 0.5x model"`, ""},
		{"a time", `recovery_time: "< 20s"`, ""},
		{"a word in small letters", "stability: stable", `"stable" is none of its words; did you mean STABLE?`},
		{"a word that does not exist", "stability: [STABLE, FINE]", `expect.stability[1]: "FINE" is none of its words; wants one or more of STABLE`},
		{"what nobody may expect", "stability: UNDECIDED", "UNDECIDED cannot be expected; a run that decides nothing proves nothing"},
		{"the same word twice", "stability: [STABLE, STABLE]", `"STABLE" is given twice`},
		{"no words", "stability: []", "is an empty list"},
		{"a number where words are", `stability: "> 3"`, `"> 3" is none of its words`},
		{"words where a number is", "loss.total: [STABLE]", "is a list, and loss.total is a number"},
		{"the model without its times", `recovery_time: "> model"`, "needs to be said how many times; did you mean > 1x model?"},
		{"no times the model", `recovery_time: "> 0x model"`, "0x is not between 0 and 1000"},
		{"another measure than the model's", `notify.p99: "< 3x model"`, "notify.p99 cannot be compared with the model's drain time"},
		{"a recovery without a unit", `recovery_time: "< 20"`, "has no unit of time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := strings.Replace(stormy(), `expect: {`, "expect: {"+tt.write+", ", 1)
			if !strings.Contains(src, tt.write) {
				t.Fatalf("the sample has no expect:\n%s", src)
			}
			_, err := Load("x.yaml", []byte(src), Known{})
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want ... %s", err, tt.says)
			}
		})
	}
}

func TestAKickIsALullOfTheWholeCurve(t *testing.T) {
	s := &Scenario{
		Clock: Clock{From: clock("11:00"), To: clock("12:00"), Speed: 2}, Fleet: Fleet{Machines: 3600},
		Demand: Demand{PerMachineHour: 1, Peaks: []Peak{{From: clock("11:20"), To: clock("11:50"), Times: 3}}},
		Kick:   Kick{At: clock("11:40"), For: 2 * time.Minute},
	}
	const m = time.Minute
	want := Curve{{0, 1}, {10 * m, 1}, {10 * m, 3}, {20 * m, 3}, {20 * m, 0.3}, {22 * m, 0.3}, {22 * m, 3}, {25 * m, 3}, {25 * m, 1}, {30 * m, 1}}
	got := s.Curve()
	same := func(a, b Knot) bool { return a.At == b.At && a.Rate-b.Rate < 1e-9 && b.Rate-a.Rate < 1e-9 }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestAKickHasItsPlace(t *testing.T) {
	tests := []struct{ name, src, says string }{
		{"after the fault", stormy(`kick: {at: "11:40", for: 1s}`), ""},
		{"before the fault's end", stormy(`kick: {at: "11:10", for: 10s}`), "kick.at: 11:10 is before the end of faults[0]"},
		{"at the end of the clock", stormy(`kick: {at: "11:55", for: 10s}`), "does not lie within the clock"},
		{"without a fault", with(`kick: {at: "11:40", for: 10s}`), "kick: is there, but no fault is"},
		{"without its length", stormy(`kick: {at: "11:40"}`), "kick.for: is missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(tt.src), Known{})
			switch {
			case tt.says == "" && err != nil:
				t.Error(err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("got %v, want ... %s", err, tt.says)
			}
		})
	}
}
