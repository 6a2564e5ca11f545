package reports

import (
	"bytes"
	"strings"
	"testing"
)

func TestAGateFileThatIsNoneIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`{`: "unexpected end", `{}`: "its schema is 0", `{"schema": 99}`: "its schema is 99, this program reads 1",
		`{"schema": 1}`: "the level of its intervals is 0", `{"schema": 1, "rules": {"level": 0.95, "margins": {"p50": 0}}}`: "the margin of p50 is 0",
		`{"schema": 1, "rules": {"level": 0.95}, "pairs": [{"number": 3, "head": {"values": {"create.p50": {"value": -1}}}}]}`: "pair 3: create.p50 is -1",
	} {
		if _, err := parseGate([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Whatever a gate.json says, it is refused, or judged and written, the same each time.
func FuzzGate(f *testing.F) {
	for _, g := range []*Gate{gateOf(usual, usual, 6, 0.01, 1), failedGate(), doubtfulGate(), gateOf(usual, usual, 0, 0.01, 1)} {
		var b bytes.Buffer
		if err := GateJSON(&b, g); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<20 {
			t.Skip()
		}
		g, err := parseGate(text)
		if err != nil {
			return
		}
		verdict := g.Verdict
		if g.Judge(); g.Verdict != verdict {
			t.Errorf("judged again it is %+v, was %+v", g.Verdict, verdict)
		}
		for _, write := range []func() error{
			func() error { return GateJSON(new(bytes.Buffer), g) }, func() error { return GateHTML(new(bytes.Buffer), g) },
			func() error { return GateJUnit(new(bytes.Buffer), g) }, func() error { return GateMarkdown(new(bytes.Buffer), g) },
			func() error { return GateBenchmark(new(bytes.Buffer), g) }, func() error { return GateText(new(bytes.Buffer), g, true) },
			func() error { return Annotations(new(bytes.Buffer), g) },
		} {
			if err := write(); err != nil {
				t.Error(err)
			}
		}
	})
}
