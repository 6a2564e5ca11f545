package scenarios

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/reports"
)

func TestDelaysAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		period := func(low, high time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(int64(low), int64(high)).Draw(t, "ns"))
		}
		var d Delay
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 1:
			d = Delay{Kind: "constant", A: period(1, delayMax)}
		case 2:
			a := period(0, delayMax)
			d = Delay{Kind: "uniform", A: a, B: period(a, delayMax)}
		case 3:
			d = Delay{Kind: "lognormal", A: period(1, delayMax), SigmaPct: rapid.IntRange(1, 300).Draw(t, "sigma")}
		case 4:
			d.Kind = "quantiles"
			points := rapid.IntRange(1, quantilesMax).Draw(t, "points")
			for i := range points {
				d.Table[i] = Quantile{Part: 1_000_000 * (i + 1) / points, At: d.B}
				d.B = period(d.B, delayMax)
				d.Table[i].At = d.B
			}
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

// The reports read a run's conditions on their own, from the run folder; they must read them as the loader did.
func TestConditionsMeanTheSameToTheJudge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">=", "=", "=>"}).Draw(t, "op")
		gap := rapid.SampledFrom([]string{"", " ", "  "}).Draw(t, "gap")
		limit := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{1,6}(\.[0-9]{1,3})?(%|ms|s|m|h|us|sec)?`),
			rapid.SampledFrom([]string{"refund.after", "command.ttl", "1m30s", "0", "zero", "1.", ".5", "inf", "1e3", "0x1p4", ""}),
		).Draw(t, "limit")
		ours, err := ParseCondition(op + gap + limit)
		if err != nil {
			return
		}
		theirs, err := reports.ParseCondition(ours.Text)
		if err != nil {
			t.Fatalf("%q is taken here and refused by the reports: %v", ours.Text, err)
		}
		if theirs.Op != ours.Op || theirs.Ref != ours.Ref || theirs.Ref == "" && theirs.Limit != ours.Limit {
			t.Fatalf("%q is %+v here and %+v there", ours.Text, ours, theirs)
		}
	})
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

func TestWhichMeasuresAreTimes(t *testing.T) {
	for measure, timed := range map[string]bool{
		"notify.p99": true, "pay_to_dispense.max": true, "backlog.drain": true, "backlog.max": false, "backlog.end": false,
	} {
		c, err := ParseCondition("< 5")
		if err != nil {
			t.Fatal(err)
		}
		if refused := fitting(measure, c) != nil; refused != timed {
			t.Errorf("a bare number for %s is refused: %t", measure, refused)
		}
	}
}
