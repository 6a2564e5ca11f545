package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
)

func newExplain(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "explain NAME",
		Short: "Tell the story of a documented failure",
		Long: `Tell what happened, why, which switches bring it back, what a run must show, what cures it, and where in the code to look.
Nothing is run.`,
		Example:           "  lunchrush explain callback-serial",
		Args:              exactly(1, "the name of a scenario with an as-was side"),
		ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := findScenario(args[0])
			if err != nil {
				return err
			}
			if s.Incident.Happened == "" {
				return &usageError{err: fmt.Errorf("%s replays no documented failure", s.Name), hint: provable()}
			}
			explain(t.out, s, min(t.outWidth(), 100))
			return nil
		},
	}
}

// explain writes the story, wrapped to so many columns.
func explain(w io.Writer, s *scenarios.Scenario, width int) {
	fmt.Fprintf(w, "%s\n%s\nsource: %s\n", s.Name, wrap(s.Title, "", width), s.Source)
	say := func(head, text string) { fmt.Fprintf(w, "\n%s\n%s\n", head, wrap(text, "  ", width)) }
	say("What happened", s.Incident.Happened)
	say("Why", s.Incident.Mechanism)

	fmt.Fprintf(w, "\nWhat brings it back (--profile as-was)\n")
	docs := map[string]service.Switch{}
	for _, d := range service.Switches() {
		docs[d.Key] = d
	}
	for _, b := range scenarios.BalancerSwitches() {
		docs[b.Key] = service.Switch{Key: b.Key, Default: b.Default, Doc: b.Doc}
	}
	for _, key := range slices.Sorted(maps.Keys(s.AsWas)) {
		hardened := docs[key].Default
		if set, ok := s.Service[key]; ok {
			hardened = set
		}
		if hardened == "" {
			fmt.Fprintf(w, "  %s: %s\n", key, s.AsWas[key])
			continue
		}
		fmt.Fprintf(w, "  %s: %s, instead of %s\n%s\n", key, s.AsWas[key], hardened, wrap(docs[key].Doc, "    ", width))
	}
	for _, f := range s.Faults {
		fmt.Fprintf(w, "  at %s, for %s, on %s: %s%s\n", f.At, f.For, f.On, f.Inject, faultParameters(f.Params))
	}

	fmt.Fprintf(w, "\nWhat the as-was side must show\n")
	limits(w, s.Signature)
	say("What cures it", s.Incident.Cure)
	fmt.Fprintf(w, "\nWhat the hardened side must keep\n")
	limits(w, s.Expect)
	for _, d := range s.Sides {
		furtherSide(w, &d, width)
	}
	fmt.Fprintf(w, "\nWhere in the code\n")
	for _, place := range s.Incident.Code {
		file, name, _ := strings.Cut(place, ":")
		fmt.Fprintf(w, "  %s in %s\n", name, file)
	}
	fmt.Fprintf(w, "\nSee it: lunchrush prove %s\n", s.Name)
}

// furtherSide tells of a side beside the two.
func furtherSide(w io.Writer, d *scenarios.Side, width int) {
	fmt.Fprintf(w, "\nA further side (--profile %s)\n%s\n", d.Name, wrap(d.Title, "  ", width))
	for _, key := range slices.Sorted(maps.Keys(d.Set)) {
		fmt.Fprintf(w, "  %s: %s\n", key, d.Set[key])
	}
	if d.Times != 1 {
		fmt.Fprintf(w, "  %g times the traffic beside the orders\n", d.Times)
	}
	if d.Fails() {
		fmt.Fprintf(w, "  It must show:\n")
	} else {
		fmt.Fprintf(w, "  It must keep:\n")
	}
	limits(w, d.Expect)
	limits(w, d.Signature)
}

func limits(w io.Writer, conditions map[string]scenarios.Condition) {
	for _, measure := range slices.Sorted(maps.Keys(conditions)) {
		fmt.Fprintf(w, "  %s %s\n", measure, conditions[measure].Text)
	}
}

func faultParameters(params map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fmt.Fprintf(&b, ", %s %s", name, params[name])
	}
	return b.String()
}

// wrap breaks text into lines of at most width columns, each after the indent.
func wrap(text, indent string, width int) string {
	var lines []string
	line := indent
	for _, word := range strings.Fields(text) {
		switch {
		case line == indent:
			line += word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = indent + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}
