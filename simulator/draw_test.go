package simulator

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/lunchrush/lunchrush/scenarios"
)

func TestDemandIsDrawnForTheTerminal(t *testing.T) {
	s := smallScenario()
	var got bytes.Buffer
	if err := DrawDemand(&got, s, mustPlan(t, s, 1), 80); err != nil {
		t.Fatal(err)
	}
	golden(t, "demand.txt", got.Bytes())
}

func TestDemandFitsItsTerminal(t *testing.T) {
	for _, width := range []int{-1, 0, 40, 57, 80, 119, 120, 400} {
		for _, clock := range []scenarios.Clock{
			{From: clockAt(11, 30), To: clockAt(11, 31), Speed: 1},
			{From: clockAt(20, 30), To: clockAt(24, 30), Speed: 120},
			{From: 0, To: clockAt(24, 0), Speed: 360},
		} {
			s := smallScenario()
			s.Clock = clock
			var got bytes.Buffer
			if err := DrawDemand(&got, s, mustPlan(t, s, 1), width); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(got.String()) {
				if strings.Contains(line, "orders") {
					continue // a sentence, which a terminal may break
				}
				if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > min(max(width, drawMinWidth), drawMaxWidth) {
					t.Errorf("width %d: a line of %d: %q", width, n, line)
				}
			}
		}
	}
}

func TestDemandSVGIsOneWellFormedFile(t *testing.T) {
	s := smallScenario()
	s.Title = `Lunch <&> "storm"`
	var got bytes.Buffer
	if err := DemandSVG(&got, s, mustPlan(t, s, 1)); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(got.Bytes()))
	text := ""
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := token.(xml.CharData); ok {
			text += string(c) + "|"
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || a.Name.Local == "href" {
					t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	for _, want := range []string{s.Title, "orders per second", "11:30", "12:30", "prefers-color-scheme: dark", demandTotals(s, mustPlan(t, s, 1))} {
		if !strings.Contains(text, want) {
			t.Errorf("the SVG does not say %q", want)
		}
	}
}

func TestWordsOfTheDemand(t *testing.T) {
	for d, want := range map[time.Duration]string{
		100 * time.Second: "100 s", 4 * time.Minute: "240 s", 150 * time.Minute: "150 min", 24 * time.Hour: "24 h", 90*time.Minute + time.Second: "5401 s",
	} {
		if got := spanText(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 37080: "37,080", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for rate, want := range map[float64]float64{0: 1, 0.3: 0.3, 1: 1, 1.2: 1.5, 6: 6, 6.1: 8, 9: 10, 4400: 5000} {
		if got := niceTop(rate); got < want*0.999 || got > want*1.001 {
			t.Errorf("the axis for %v ends at %v, want %v", rate, got, want)
		}
	}
	if got := clockText(clockAt(24, 30)); got != "00:30" {
		t.Errorf("half past midnight is %q", got)
	}
	if got := clockText(clockAt(11, 30) + scenarios.TimeOfDay(10*time.Second)); got != "11:30:10" {
		t.Errorf("ten seconds later is %q", got)
	}
}
