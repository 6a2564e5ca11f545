package reports

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The files of a gate's folder, beside its runs.
const (
	GateFile          = "gate.json"
	GatePageFile      = "gate.html"
	GateBenchmarkFile = "benchmark.json"
)

// GateFileSchema is the JSON Schema (draft 2020-12) of gate.json.
//
//go:embed gate.schema.json
var GateFileSchema []byte

// WriteGate writes gate.json, gate.html, junit.xml, summary.md and benchmark.json into dir. Each appears whole or not at all;
// the errors are joined.
func WriteGate(dir string, g *Gate) error {
	var errs []error
	for _, file := range []struct {
		name  string
		write func(io.Writer, *Gate) error
	}{
		{GateFile, GateJSON}, {GatePageFile, GateHTML}, {JUnitFile, GateJUnit}, {SummaryFile, GateMarkdown}, {GateBenchmarkFile, GateBenchmark},
	} {
		var b bytes.Buffer
		err := file.write(&b, g)
		if err == nil {
			err = replaceFile(filepath.Join(dir, file.name), b.Bytes())
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file.name, err))
		}
	}
	return errors.Join(errs...)
}

// GateJSON writes gate.json: the whole Gate.
func GateJSON(w io.Writer, g *Gate) error { return writeJSON(w, g) }

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// ReadGate reads the gate.json at path and judges it again.
func ReadGate(path string) (*Gate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g, err := parseGate(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return g, nil
}

func parseGate(text []byte) (*Gate, error) {
	var g Gate
	if err := json.Unmarshal(text, &g); err != nil {
		return nil, err
	}
	if g.Schema < 1 || g.Schema > GateSchema {
		return nil, fmt.Errorf("its schema is %d, this program reads %d", g.Schema, GateSchema)
	}
	if level := g.Rules.Level; !(level > 0 && level < 1) {
		return nil, fmt.Errorf("the level of its intervals is %v, not between 0 and 1", level)
	}
	for _, p := range g.Pairs {
		for _, r := range []GateRun{p.Base, p.Head} {
			for name, v := range r.Values {
				if !(v.Value >= 0 && v.Value <= valueMax) || v.Samples < 0 {
					return nil, fmt.Errorf("pair %d: %s is %v of %d samples", p.Number, name, v.Value, v.Samples)
				}
			}
		}
	}
	for name, margin := range g.Rules.Margins {
		if !(margin > 0 && margin <= marginMax) || name == MarginGoodput && margin >= 1 {
			return nil, fmt.Errorf("the margin of %s is %v", name, margin)
		}
	}
	g.Judge()
	return &g, nil
}

// What a gate.json may hold at most: 30 years in nanoseconds, and a hundred times as much.
const (
	valueMax  = 1e18
	marginMax = 100
)

// GateJUnit writes a gate as a JUnit file: a case for the verdict, one for money and data, one for each measure. What is worse is
// a failure, what is undecided an error.
func GateJUnit(w io.Writer, g *Gate) error {
	class := "lunchrush.gate." + g.Scenario
	judge := func(name, outcome, message, text string) junitCase {
		c := junitCase{Name: name, Class: class}
		m := &junitMessage{Message: message, Type: strings.ToLower(outcome), Text: text}
		switch outcome {
		case Pass:
		case Fail:
			c.Failure = m
		case NotJudged:
			c.Skipped = &junitSkip{Message: message}
		default:
			c.Error = m
		}
		return c
	}
	money := Pass
	if g.Violated() {
		money = Fail
	}
	suite := junitSuite{
		Name:      "gate " + g.Scenario,
		Timestamp: g.StartedAt.UTC().Format("2006-01-02T15:04:05"),
		Settings: &junitSettings{[]junitProperty{
			{"base", g.Base.String()},
			{"head", g.Head.String()},
			{"testbed", g.Testbed},
			{"pairs", fmt.Sprint(len(g.Pairs))},
			{"repeated", fmt.Sprint(len(g.Repeated))},
			{"seed", fmt.Sprint(g.Rules.Seed)},
			{"exit_code", fmt.Sprint(g.Verdict.ExitCode)},
		}},
		Cases: []junitCase{
			judge("verdict", g.Verdict.Outcome, g.Verdict.Headline, ""),
			judge("money and data", money, g.violation(), ""),
		},
		Out: strings.Join(g.remarks(), "\n"),
	}
	for i := range g.Measures {
		m := &g.Measures[i]
		text := ""
		if m.compared() {
			text = fmt.Sprintf("base %s, head %s, change %s, interval %s, margin %s", m.middle(m.Base), m.middle(m.Head), m.changed(), m.interval(), m.bound())
		}
		suite.Cases = append(suite.Cases, judge(m.Name, m.Status, m.Why, text))
	}
	file := junitSuites{Name: "lunchrush gate"}
	file.add(suite)
	return file.write(w)
}

// compared reports whether there are figures beside the status.
func (m *GateMeasure) compared() bool { return m.Base != (GateMiddle{}) }

// GateMarkdown writes a gate as a step summary of a CI: verdict, table, what else must be known.
func GateMarkdown(w io.Writer, g *Gate) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: gate %s\n\n**%s**\n\n", g.Verdict.Outcome, markdown(g.Scenario), markdown(g.Verdict.Headline))
	fmt.Fprintf(&b, "%s, %s.\n\n", markdown(g.subject()), several(len(g.Pairs), "pair", "pairs"))
	if len(g.Measures) > 0 {
		b.WriteString("| | base | head | change | 95 % interval | margin | |\n|---|--:|--:|--:|---|--:|---|\n")
	}
	for i := range g.Measures {
		m := &g.Measures[i]
		status := m.Status
		if status == Fail {
			status = "**" + status + "**"
		}
		if !m.compared() {
			fmt.Fprintf(&b, "| %s | - | - | - | - | %s | %s: %s |\n", markdown(m.Name), m.bound(), status, markdown(m.Why))
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", markdown(m.Name), m.middle(m.Base), m.middle(m.Head), markdown(m.changed()),
			m.interval(), m.bound(), strings.TrimRight(status+" "+markdown(m.note()), " "))
	}
	b.WriteString("\n")
	for _, line := range g.remarks() {
		fmt.Fprintf(&b, "- %s\n", markdown(line))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Annotations writes what stands out of a gate as workflow commands of GitHub Actions, which shows them on the change: the verdict
// as an error when it fails, a warning when it is undecided and a notice when it passes, and a line for each measure that is worse.
func Annotations(w io.Writer, g *Gate) error {
	level := map[string]string{Pass: "notice", Fail: "error", Inconclusive: "warning"}
	lines := []string{annotation(level[g.Verdict.Outcome], "gate "+g.Scenario+": "+g.Verdict.Outcome, g.Verdict.Headline)}
	for i := range g.Measures {
		if m := &g.Measures[i]; m.Status == Fail {
			lines = append(lines, annotation("error", "gate "+g.Scenario+": "+m.Name, m.sentence()))
		}
	}
	_, err := io.WriteString(w, strings.Join(lines, ""))
	return err
}

// annotation is one workflow command. Its text may not break out of its line, nor its title out of the title.
func annotation(level, title, text string) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	return fmt.Sprintf("::%s title=%s::%s\n", level, property.Replace(title), data.Replace(text))
}

// A benchmark is one line of github-action-benchmark's customSmallerIsBetter.
type benchmark struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range"`
	Extra string  `json:"extra"`
}

// GateBenchmark writes the head's medians in the form of github-action-benchmark's customSmallerIsBetter, which draws them over
// commits. Of what is better the more there is of it, what is missing is told.
func GateBenchmark(w io.Writer, g *Gate) error {
	list := []benchmark{}
	for i := range g.Measures {
		m := &g.Measures[i]
		if !m.compared() {
			continue
		}
		b := benchmark{
			Name: g.Scenario + " " + m.Name, Unit: "ms", Value: m.Head.Median / 1e6,
			Extra: fmt.Sprintf("base %s, head %s, change %s, %s", m.middle(m.Base), m.middle(m.Head), m.changed(), m.Status),
		}
		half := max(m.Head.High-m.Head.Median, m.Head.Median-m.Head.Low) / 1e6
		if m.Unit == "share" {
			b.Name, b.Unit, b.Value, half = b.Name+", missing", "%", 100*(1-m.Head.Median), half*1e8
		}
		b.Range = fmt.Sprintf("± %.3g", half)
		list = append(list, b)
	}
	return writeJSON(w, list)
}
