package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ParseFault reads one fault as a flag has it: "at=11:56,for=60s,on=mysql,inject=latency,by=200ms". Names and values are
// those of a file. The error is [Problems], whose column is the place in text.
func ParseFault(text string, known Known) (Fault, error) {
	r := &reader{file: "--fault", known: known, places: map[string]*yaml.Node{}}
	root := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: 1, Column: 1}
	col := 1
	for _, pair := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || value == "" {
			r.report(at(1, col), "", fmt.Sprintf("%s is not key=value", quote(pair)), "it is written at=11:56,for=60s,on=mysql,inject=down")
			return Fault{}, r.problems
		}
		indent := len(key) - len(strings.TrimLeft(key, " "))
		root.Content = append(root.Content,
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(key), Line: 1, Column: col + indent},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: strings.TrimSpace(value), Line: 1, Column: col + len(key) + 1})
		col += len(pair) + 1
	}
	var f Fault
	r.mapping(root, "", faultFields(&f), r.faultParams(&f))
	r.checkFault(&f, nil, "", root)
	if len(r.problems) > 0 {
		return Fault{}, r.problems.sorted()
	}
	return f, nil
}

// AddFault adds a fault and checks the whole again. On an error, which is [Problems], s is unchanged.
func (s *Scenario) AddFault(f Fault) error {
	old := s.Faults
	s.Faults = append(slices.Clone(old), f)
	return s.recheck(func() { s.Faults = old })
}

// LoadTimeline reads the faults of a single link, for a stack that is not a scenario's:
//
//	faults:
//	  - {at: 5s, for: 10s, inject: latency, by: 200ms}
//
// At counts from the start and stands in Fault.At; there is no on:, and Fault.On is the name given. The error is
// [Problems].
func LoadTimeline(file string, src []byte, on string, known Known) ([]Fault, error) {
	r := &reader{file: file, known: known, places: map[string]*yaml.Node{}, wants: "faults"}
	root := r.parse(src)
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	var list []Fault
	fresh := func() Fault { return Fault{On: on} }
	r.mapping(root, "", []field{{"faults", true, "What breaks, when, and for how long.", listOf(&list, faultsMax, fresh, momentFields)}}, nil)
	for i := range list {
		r.checkFault(&list[i], nil, fmt.Sprintf("faults[%d]", i), root)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.sorted()
	}
	return list, nil
}

// momentFields are faultFields without a clock and without a choice of links.
func momentFields(f *Fault) []field {
	list := []field{
		{"at", true, "When it begins, counted from the start.", period((*time.Duration)(&f.At), 0, durationMax)},
		{"until", false, "Before when the last repetition begins, counted from the start.", period((*time.Duration)(&f.Until), 0, durationMax)},
	}
	for _, other := range faultFields(f) {
		if other.name != "at" && other.name != "until" && other.name != "on" {
			list = append(list, other)
		}
	}
	return list
}

// checkFault looks at the names and values that the faults themselves define. path is the fault's own.
func (r *reader) checkFault(f *Fault, t *Topology, path string, root *yaml.Node) {
	if r.known.Faults == nil || f.Inject == "" {
		return
	}
	accepted, ok := r.known.Faults[f.Inject]
	if ok {
		f.settleEvery(accepted)
	}
	if !ok {
		at := join(path, "inject")
		r.report(r.place(at, root), at, "nothing can inject "+quote(f.Inject), maybe(f.Inject, slices.Collect(maps.Keys(r.known.Faults))))
		return
	}
	misspelt := false
	for _, param := range slices.Sorted(maps.Keys(f.Params)) {
		if !slices.Contains(accepted, param) {
			misspelt = true
			at := join(path, param)
			r.report(r.place(at, root), at, f.Inject+" has no such parameter",
				maybe(param, slices.Concat(names(faultFields(&Fault{})), accepted)))
		}
	}
	if misspelt || r.known.CheckFault == nil || f.On == "" {
		return
	}
	if field, err := r.known.CheckFault(t, f.On, f.Inject, f.Params); err != nil {
		at := join(path, field)
		r.report(r.place(at, root), at, err.Error(), "")
	}
}
