package reports

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A run of a hundred sends has a p90 and no p99. Whoever is told so, is told why.
func TestTooFewSamplesAreSaidInEveryReport(t *testing.T) {
	few := Quantiles{N: 100, P50: int64(20 * time.Millisecond), P90: int64(40 * time.Millisecond), P99: -1, P999: -1, Max: int64(77 * time.Millisecond)}
	a := passedRun()
	a.Audit.PayToDrop = few
	a.Latency = []Latency{{Kind: "create", Response: few, Service: few, Lateness: few}, {Kind: "notify", Response: few, Service: few, Lateness: few}}
	a.Run.Balance = []runlog.Share{
		{Listener: "public", Instance: "front-1", Weight: 1, Of: 600, Requests: 300, Unanswered: 2, Fair: 300, P99NS: int64(60 * time.Millisecond)},
		{Listener: "public", Instance: "front-2", Weight: 1, Of: 600, Requests: 300, Fair: 300, P99NS: int64(61 * time.Millisecond)},
	}
	a.Run.Cold = []runlog.ColdSpell{{Instance: "front-2", Answered: 298, P99NS: int64(62 * time.Millisecond), MaxNS: int64(63 * time.Millisecond)}}
	a.Expect = conditions(map[string]string{"create.p99": "< 1s", "wechat.notify.p90.during": "< 1s"}, map[string]Measure{
		"create.p99": {Name: "create.p99", Unit: "ns", Samples: 100}, "wechat.notify.p90.during": {Name: "wechat.notify.p90.during", Unit: "ns", Samples: 28},
	}, &a.Run)

	for _, report := range []struct {
		name  string
		write func(*bytes.Buffer) error
		wants []string
		bars  []string // figures that would be made of too little
	}{
		{
			"text", func(b *bytes.Buffer) error { return WriteText(b, a, false) },
			[]string{
				"p99 unknown (100 samples, 299 needed)", "-: too few samples; a one-sided 95 % bound needs", "100 samples are too few: this needs 299",
				"28 samples are too few: this needs 29", "front-2   300       50.0 %  50.0 %  61.0 ms", "cold front-2: p99 -,",
			},
			[]string{"60.0 ms", "62.0 ms"},
		},
		{
			"html", func(b *bytes.Buffer) error { return HTML(b, a) },
			[]string{
				`title="100 samples, 299 needed"`, `title="298 samples, 299 needed"`, "has too few samples: a one-sided 95 % bound needs", "100 samples are too few: this needs 299",
				"cold: p99 -,", "so its p99 is about the longest",
			},
			[]string{"60.0 ms", "62.0 ms"},
		},
		{
			"markdown", func(b *bytes.Buffer) error { return Markdown(b, a) },
			[]string{"100 samples, 299 needed", "100 samples are too few: this needs 299"},
			nil,
		},
		{
			"junit", func(b *bytes.Buffer) error { return JUnit(b, a) },
			[]string{"100 samples are too few: this needs 299"},
			nil,
		},
	} {
		t.Run(report.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := report.write(&b); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(b.String(), "\u00a0", " ")
			for _, want := range report.wants {
				if !strings.Contains(text, want) {
					t.Errorf("does not say %q:\n%s", want, text)
				}
			}
			for _, bar := range report.bars {
				if strings.Contains(text, bar) {
					t.Errorf("says %q, a p99 of too few", bar)
				}
			}
		})
	}
	var b bytes.Buffer
	if err := JSON(&b, a); err != nil {
		t.Fatal(err)
	}
	var back Analysis
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Latency[0].Response.P99 != -1 || back.Latency[0].Response.N != 100 {
		t.Errorf("%v: %+v", err, back.Latency)
	}
}
