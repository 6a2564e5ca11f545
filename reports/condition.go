package reports

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A Condition is a comparison with a limit, as scenarios write it: "== 0", "< 1s", "<= 10%", "> refund.after".
type Condition struct {
	Op    string   // == != < <= > >=; "" for Words
	Limit float64  // durations in nanoseconds, per cents as fractions; how many times the model's drain time
	Unit  string   // "ns", "share", or "" for a bare number
	Ref   string   // "refund.after": the limit is a setting of the run; "model": the stability model's drain time
	Text  string   // as written
	Words []string // of a measure that is a word: it must be one of these
}

var conditionShape = regexp.MustCompile(`^\s*(==|!=|<=|>=|<|>)\s*(\S+)\s*$`)

var (
	wordsShape = regexp.MustCompile(`^[A-Z]+( or [A-Z]+)*$`)
	modelShape = regexp.MustCompile(`^(==|!=|<=|>=|<|>) ([0-9]+(?:\.[0-9]+)?)x model$`)
)

// ParseCondition reads a condition. The only setting that a limit may name is refund.after; "> 3x model" is so many times the
// drain time of the stability model, "METASTABLE or BROKEN" a list of words.
func ParseCondition(text string) (Condition, error) {
	if wordsShape.MatchString(text) {
		return Condition{Words: strings.Split(text, " or "), Text: text}, nil
	}
	if m := modelShape.FindStringSubmatch(text); m != nil {
		times, err := strconv.ParseFloat(m[2], 64)
		return Condition{Op: m[1], Limit: times, Unit: "ns", Ref: "model", Text: text}, err
	}
	m := conditionShape.FindStringSubmatch(text)
	if m == nil {
		return Condition{}, fmt.Errorf(`%q is not a condition: write one like "== 0", "< 1s", "<= 10%%" or "> refund.after"`, text)
	}
	c := Condition{Op: m[1], Text: m[1] + " " + m[2]}
	limit := m[2]
	if limit == "refund.after" {
		c.Ref, c.Unit = limit, "ns"
		return c, nil
	}
	number, isShare := strings.CutSuffix(limit, "%")
	if v, err := strconv.ParseFloat(number, 64); err == nil && !math.IsNaN(v) && !math.IsInf(v, 0) {
		c.Limit = v
		if isShare {
			c.Limit, c.Unit = v/100, "share"
		}
		return c, nil
	}
	if d, err := time.ParseDuration(limit); err == nil {
		c.Limit, c.Unit = float64(d), "ns"
		return c, nil
	}
	return Condition{}, fmt.Errorf("%q is not a limit: write a number, a duration, a per cent or refund.after", limit)
}

// holds reports whether got fulfils the condition.
func (c Condition) holds(got float64) bool {
	switch c.Op {
	case "==":
		return got == c.Limit
	case "!=":
		return got != c.Limit
	case "<":
		return got < c.Limit
	case "<=":
		return got <= c.Limit
	case ">":
		return got > c.Limit
	case ">=":
		return got >= c.Limit
	}
	return false
}

// check judges one line of expect or signature. What cannot be measured or compared is unknown and never passes.
func check(name, text string, measures map[string]Measure, run *runlog.Manifest) Check {
	c := Check{Name: name, Want: text, Got: "-", Status: unknown}
	want, err := ParseCondition(text)
	if err != nil {
		c.Note = err.Error()
		return c
	}
	m, ok := measures[name]
	if !ok {
		c.Note = "nothing measures this"
		return c
	}
	c.Samples = m.Samples
	if want.Words != nil || m.Unit == "word" {
		checkWord(&c, want, m)
		return c
	}
	if !m.Known {
		c.Note = tooFew(name, m.Samples)
		if m.Why != "" {
			c.Note = m.Why
		}
		return c
	}
	c.Got = reading(m)
	if want.Ref == "model" {
		model := measures["drain_time.model"]
		if !model.Known {
			c.Note = "the model's drain time is not known"
			if model.Why != "" {
				c.Note += ": " + model.Why
			}
			return c
		}
		c.Want = fmt.Sprintf("%s (model: %s)", want.Text, span(int64(model.Value)))
		want.Limit *= model.Value
	} else if want.Ref != "" {
		want.Limit = float64(run.RefundAfterNS)
		c.Want = fmt.Sprintf("%s %s (%s)", want.Op, want.Ref, time.Duration(run.RefundAfterNS))
		if run.RefundAfterNS <= 0 {
			c.Note = "the run does not say its " + want.Ref
			return c
		}
	}
	// A bare 0 has every unit. Shares are fractions, so a bare number is one too.
	alike := want.Unit == m.Unit || want.Unit == "" && (m.Unit != "ns" || want.Limit == 0)
	if !alike {
		c.Note = fmt.Sprintf("%s is %s, and %s is not", name, unitWords[m.Unit], want.Text)
		return c
	}
	if m.AtLeast {
		checkAtLeast(&c, want, m.Value)
		return c
	}
	c.Got = readingBeside(m, want)
	c.Status = failed
	if want.holds(m.Value) {
		c.Status = passed
	}
	return c
}

// checkAtLeast judges a lower bound: it can be above a limit, and never below one.
func checkAtLeast(c *Check, want Condition, least float64) {
	switch {
	case least < want.Limit || want.Op == "==" || want.Op == "!=":
		c.Note = "it was not watched for longer"
	case want.Op == ">" || want.Op == ">=":
		c.Status = passed
	default:
		c.Status = failed
	}
}

// checkWord judges a word. A suspect is either metastable or broken, and which of the two only a kick tells: it is what is
// wanted when both are, and unknown when one is. UNDECIDED is never what is wanted.
func checkWord(c *Check, want Condition, m Measure) {
	switch {
	case want.Words == nil || m.Unit != "word":
		c.Note = fmt.Sprintf("%s is %s, and %s is not", c.Name, unitWords[m.Unit], want.Text)
		return
	case m.Samples == 0:
		c.Note = "no samples"
		if m.Why != "" {
			c.Note = m.Why
		}
		return
	}
	c.Got, c.Note = m.Word, m.Why
	wanted := func(word string) bool { return slices.Contains(want.Words, word) }
	switch suspect := m.Word == Suspect; {
	case m.Word == Undecided || suspect && wanted(Metastable) != wanted(Broken):
	case wanted(m.Word), suspect && wanted(Metastable):
		c.Status = passed
	default:
		c.Status = failed
	}
}

// The statuses of a check.
const (
	passed  = "pass"
	failed  = "fail"
	unknown = "unknown"
)

var unitWords = map[string]string{
	"": "a number", "ns": "a duration", "share": "a share", "rows/s": "a rate", "fen": "an amount", "cores": "a number of cores", "bytes": "a size", "word": "a word",
}

// tooFew says why a measure is not known.
func tooFew(name string, samples int) string {
	if samples == 0 {
		return "no samples"
	}
	for part, q := range map[string]float64{".p50.": 0.5, ".p90.": 0.9, ".p99.": 0.99, ".p999.": 0.999} {
		if strings.Contains(name+".", part) { // wechat.notify.p99.before
			return fmt.Sprintf("%d samples are too few: this needs %d", samples, quantileSamples(q))
		}
	}
	return "not known"
}

// readingBeside is the reading with as many more digits as it takes to show on which side of its limit the value is: 98.6 % is not the
// 99 % that were wanted.
func readingBeside(m Measure, want Condition) string {
	in, unit := 1.0, ""
	switch m.Unit {
	case "share":
		in, unit = 100, " %"
	case "ns":
		for _, u := range []struct {
			ns   float64
			name string
		}{{1e9, " s"}, {1e6, " ms"}, {1e3, " µs"}} {
			if in, unit = 1/u.ns, u.name; m.Value >= u.ns {
				break
			}
		}
	case "":
	default:
		return reading(m)
	}
	side := want.holds(m.Value)
	if want.holds(shown(m)) == side {
		return reading(m)
	}
	for decimals := 1; ; decimals++ {
		text := strconv.FormatFloat(m.Value*in, 'f', decimals, 64)
		if v, err := strconv.ParseFloat(text, 64); err != nil || decimals >= 12 || want.holds(v/in) == side {
			return text + unit
		}
	}
}

// shown is the value that a reader takes from the reading of a share, a duration or a number.
func shown(m Measure) float64 {
	text := strings.ReplaceAll(reading(m), ",", "")
	if m.Unit == "ns" {
		if d, err := time.ParseDuration(strings.NewReplacer(" min ", "m", " ", "").Replace(text)); err == nil {
			return float64(d)
		}
	} else if share, isShare := strings.CutSuffix(text, " %"); isShare {
		if p, err := strconv.ParseFloat(share, 64); err == nil {
			return p / 100
		}
	} else if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v
	}
	return m.Value
}

// reading writes a measure's value for people.
func reading(m Measure) string {
	if m.AtLeast {
		m.AtLeast = false
		return "more than " + reading(m)
	}
	switch m.Unit {
	case "ns":
		return span(int64(m.Value))
	case "share":
		return percent(m.Value)
	case "fen":
		return yuan(int64(m.Value)) + " yuan"
	case "bytes":
		return fmt.Sprintf("%.0f MiB", m.Value/(1<<20))
	case "":
		if m.Value == math.Trunc(m.Value) {
			return count(int64(m.Value))
		}
		return strconv.FormatFloat(m.Value, 'f', 2, 64)
	}
	return strconv.FormatFloat(m.Value, 'f', 2, 64) + " " + m.Unit
}
