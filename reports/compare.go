package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

// A Comparison is two groups of runs of one plan side by side. Every format of it is drawn from it alone; it is what
// `lunchrush compare --format json` writes. It judges nothing: what differs may well be wanted.
type Comparison struct {
	Scenario string       `json:"scenario"`
	Title    string       `json:"title"`
	A        Group        `json:"a"`
	B        Group        `json:"b"`
	Differs  []Difference `json:"differs"` // what was done differently: profile, switches, program
	Alpha    float64      `json:"alpha"`   // p at or below which a difference counts
	Tested   int          `json:"tested"`  // measures that had runs enough for a test, and were not the same in every one
	Rows     []Row        `json:"measures"`
	Warnings []string     `json:"warnings"` // what a reader must know before he believes a row
}

// A Group is the runs of one side.
type Group struct {
	Name string    `json:"name"` // "A" or "B"
	Runs []Played  `json:"runs"`
	Left []LeftOut `json:"left_out"`

	analyses []*Analysis
}

// Played is one run of a group.
type Played struct {
	Dir     string          `json:"folder"`
	Run     runlog.Manifest `json:"run"`
	Verdict Verdict         `json:"verdict"`
}

// LeftOut is a run that is not compared.
type LeftOut struct {
	Dir string `json:"folder"`
	Why string `json:"why"`
}

// A Difference is a setting in which the groups differ.
type Difference struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// A Row is one measure of both groups.
type Row struct {
	Name   string   `json:"name"`
	Doc    string   `json:"doc"`
	Unit   string   `json:"unit"`
	Better string   `json:"better"` // LowerBetter, HigherBetter, or NoBetter
	A      Spread   `json:"a"`
	B      Spread   `json:"b"`
	Change *float64 `json:"change,omitempty"` // of the medians, as a part of A's; none from 0, and none against what was not seen to end
	P      *float64 `json:"p,omitempty"`      // none when there are too few runs to differ, and for words
	Needs  int      `json:"needs,omitempty"`  // how many runs a side it takes; 0: there are enough
	Says   string   `json:"says"`             // Improved, Worsened, Changed, or Same
	Why    string   `json:"why,omitempty"`    // why it is Same
	Named  bool     `json:"named"`            // by the scenario's expect or signature
}

// What a row says.
const (
	Improved = "better"
	Worsened = "worse"
	Changed  = "differs" // a measure that is neither better nor worse
	Same     = "~"       // no difference that these runs show
)

// A Spread is what the runs of one side measured.
type Spread struct {
	N       int       `json:"n"`                  // runs that know the measure
	Median  *float64  `json:"median,omitempty"`   // none without a run that knows it
	Lo      *float64  `json:"lo,omitempty"`       // 95 % interval of the median; none with fewer than 6 runs
	Hi      *float64  `json:"hi,omitempty"`       //
	Values  []float64 `json:"values"`             // in the order of the runs that know it
	AtLeast bool      `json:"at_least,omitempty"` // the median is a lower bound
	Words   []string  `json:"words,omitempty"`    // of a measure that is a word
}

// Compare puts two groups of runs side by side, which must be of one plan; see [Mixed]. It takes the runs as they are: [Sift]
// leaves out what proves nothing.
func Compare(a, b Group, across bool) (*Comparison, error) {
	a.Name, b.Name = "A", "B"
	warnings, err := alike(&a, &b, across)
	if err != nil {
		return nil, err
	}
	c := &Comparison{
		Scenario: a.Runs[0].Run.Scenario, Title: a.Runs[0].Run.Title, A: a, B: b, Alpha: stats.Alpha,
		Differs: differences(&a, &b), Rows: []Row{}, Warnings: append(warnings, doubts(&a, &b)...),
	}
	named := func(name string) bool {
		return slices.ContainsFunc(slices.Concat(a.Runs, b.Runs), func(r Played) bool {
			_, expected := r.Run.Expect[name]
			_, signed := r.Run.Signature[name]
			return expected || signed
		})
	}
	left, right := measuresOf(a.analyses), measuresOf(b.analyses)
	for _, m := range namesOf(slices.Concat(a.analyses, b.analyses)) {
		row := compareMeasure(m, left[m.Name], right[m.Name])
		row.Named = named(m.Name)
		if row.P != nil && row.Why != everSame {
			c.Tested++
		}
		c.Rows = append(c.Rows, row)
	}
	return c, nil
}

// measuresOf are the readings of each measure, run by run.
func measuresOf(runs []*Analysis) map[string][]Measure {
	all := make(map[string][]Measure)
	for _, a := range runs {
		for _, m := range comparableMeasures(a) {
			all[m.Name] = append(all[m.Name], m)
		}
	}
	return all
}

// namesOf are the measures that any of the runs has, in the order of the manual, and then as they come.
func namesOf(runs []*Analysis) []Measure {
	order := map[string]int{}
	for i, g := range gauges {
		order[g.Name] = i
	}
	place := func(name string) int {
		if kind, _, ok := strings.Cut(name, ".service."); ok {
			name = kind + ".max" // behind the last of the response times
		}
		if at, ok := order[name]; ok {
			return at
		}
		return len(order)
	}
	var names []Measure
	seen := map[string]bool{}
	for _, a := range runs {
		for _, m := range comparableMeasures(a) {
			if !seen[m.Name] {
				seen[m.Name] = true
				names = append(names, m)
			}
		}
	}
	slices.SortStableFunc(names, func(x, y Measure) int { return cmp.Compare(place(x.Name), place(y.Name)) })
	return names
}

// everSame is said of a measure that is the same in every run of both sides.
const everSame = "the same in every run"

// compareMeasure compares one measure. A duration of which only a lower bound is known ranks above every one that was seen to
// end; changes of less than 10 ms are none.
func compareMeasure(m Measure, a, b []Measure) Row {
	row := Row{Name: m.Name, Doc: docOf(m.Name), Unit: m.Unit, Better: Better(m.Name), A: spread(a), B: spread(b), Says: Same}
	if m.Unit == "word" {
		row.Why = "words are not ranked"
		return row
	}
	if row.A.N == 0 || row.B.N == 0 {
		row.Why = "not known of " + map[bool]string{true: "A", false: "B"}[row.A.N == 0]
		if row.A.N == row.B.N {
			row.Why = "not known"
		}
		return row
	}
	change := *row.B.Median - *row.A.Median
	if *row.A.Median != 0 {
		row.Change = pointer(change / math.Abs(*row.A.Median))
	}
	// The side that did not end is the longer one, however soon it was given up. By how much is not known then.
	switch {
	case row.B.AtLeast && !row.A.AtLeast && change <= 0:
		change, row.Change = math.Inf(1), nil
	case row.A.AtLeast && !row.B.AtLeast && change >= 0:
		change, row.Change = math.Inf(-1), nil
	}
	test := stats.Ranks(ranked(a), ranked(b))
	if row.Needs = test.Needs; row.Needs > 0 {
		row.Why = fmt.Sprintf("%d runs a side are needed", row.Needs)
		if oneValue(row.A.Values, row.B.Values) {
			row.Why = everSame
		}
		return row
	}
	row.P = pointer(test.P)
	switch {
	case oneValue(row.A.Values, row.B.Values):
		row.Why = everSame
	case !test.Differ():
		row.Why = "within chance"
	case m.Unit == "ns" && math.Abs(change) < float64(sameWithin) && row.A.AtLeast == row.B.AtLeast:
		row.Why = "under " + shortSpan(float64(sameWithin))
	case change == 0:
		row.Why = "the medians are the same"
	case row.Better == NoBetter:
		row.Says = Changed
	case (change < 0) == (row.Better == LowerBetter):
		row.Says = Improved
	default:
		row.Says = Worsened
	}
	return row
}

func spread(list []Measure) Spread {
	s := Spread{Values: []float64{}}
	for _, m := range list {
		switch {
		case m.Unit == "word":
			if m.Word != "" {
				s.Words = append(s.Words, m.Word)
				s.N++
			}
		case m.Known:
			s.Values = append(s.Values, m.Value)
			s.N++
		}
	}
	if len(s.Values) == 0 {
		return s
	}
	c := stats.CenterOf(s.Values)
	s.Median = pointer(c.Median)
	if c.Needs == 0 {
		s.Lo, s.Hi = pointer(c.Lo), pointer(c.Hi)
	}
	// A bound above the middle leaves the median where it is; one that is in the middle, or may belong there, does not. Of an even
	// number two values are in the middle.
	middle := slices.Sorted(slices.Values(s.Values))[len(s.Values)/2]
	s.AtLeast = slices.ContainsFunc(list, func(m Measure) bool { return m.Known && m.AtLeast && m.Value <= middle })
	return s
}

// ranked are the known values for a test of ranks: what was not seen to end is longer than all that was.
func ranked(list []Measure) []float64 {
	var values []float64
	for _, m := range list {
		switch {
		case m.Known && m.AtLeast:
			values = append(values, math.Inf(1))
		case m.Known:
			values = append(values, m.Value)
		}
	}
	return values
}

func oneValue(a, b []float64) bool {
	all := slices.Concat(a, b)
	return !slices.ContainsFunc(all, func(v float64) bool { return v != all[0] })
}

func docOf(name string) string {
	for _, g := range gauges {
		if g.Name == name {
			return g.Doc
		}
	}
	if kind, which, ok := strings.Cut(name, ".service."); ok {
		return which + " of the service time of " + kind + " sends, from the moment they were sent"
	}
	return ""
}

func pointer[T any](v T) *T { return &v }
