package tidy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An Arrow says what the packages in and below From may import of ours besides themselves. Of two that fit a package the
// longer counts. Tests are free: they may look at both ends of a wire.
type Arrow struct {
	From string
	May  []string
	Why  string
}

// Arrows is the house. Every folder with Go in it must be below one of them.
var Arrows = []Arrow{
	{
		From: "cmd",
		May:  []string{"internal", "scenarios", "simulator", "chaos", "reports", "service"},
		Why:  "commands wire everything together, and nothing imports them",
	},
	{
		From: "internal/harness",
		May:  []string{"internal/runlog", "internal/stats", "internal/testbed", "scenarios", "simulator", "chaos", "reports", "service"},
		Why:  "the harness makes one run out of all the parts; commands are above it",
	},
	{
		From: "internal/calibration",
		May:  []string{"internal/harness", "internal/runlog", "scenarios", "simulator", "reports"},
		Why:  "a calibration plays and judges as a run does, against a target that is no service",
	},
	{
		From: "internal/live",
		May:  []string{"internal/harness", "internal/runlog", "internal/stats", "simulator", "chaos", "reports"},
		Why:  "the live page shows one run by the report's drawings and passes on what is asked of it; it starts nothing, and no run needs it",
	},
	{
		From: "bench",
		May:  []string{"internal", "scenarios", "simulator", "chaos", "reports", "service"},
		Why:  "measurements take the parts as they are, and nothing imports them",
	},
	{
		From: "scenarios",
		Why:  "what can be named in a scenario is passed in, so that the loader serves any service and any report",
	},
	{
		From: "simulator",
		May:  []string{"scenarios", "internal/runlog", "internal/stats"},
		Why:  "the simulator knows the service by its wire protocol only, and writes what happened without judging it",
	},
	{
		From: "chaos",
		May:  []string{"scenarios"},
		Why:  "a fault breaks a link; it knows neither the service nor the traffic on it",
	},
	{
		From: "reports",
		May:  []string{"internal/runlog", "internal/stats"},
		Why:  "playing and judging meet only in the run folder, so that any run can be judged again",
	},
	{
		From: "internal/runlog",
		Why:  "the run folder's format outlives the programs that write and read it",
	},
	{
		From: "internal/stats",
		Why:  "statistics know numbers, and where those came from must not sway them",
	},
	{
		From: "internal/chromium",
		Why:  "a browser looks at any page, and knows none",
	},
	{
		From: "internal/testbed",
		Why:  "where things run does not depend on what is run",
	},
	{
		From: "service",
		Why:  "the service under test must not know the harness, or it could be kind to it",
	},
	{
		From: "internal/tidy",
		Why:  "a judge of all has no friends",
	},
	{
		From: "internal/pins",
		Why:  "it only holds versions",
	},
	{
		From: "embedded",
		Why:  "the embedded engine is a module of its own",
	},
}

func arrowOf(dir string) (Arrow, bool) {
	best := -1
	for i, a := range Arrows {
		if below(dir, a.From) && (best < 0 || len(a.From) > len(Arrows[best].From)) {
			best = i
		}
	}
	if best < 0 {
		return Arrow{}, false
	}
	return Arrows[best], true
}

func below(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// keepArrows finds imports that run against the arrows.
func keepArrows(t *Tree) []Breach {
	var found []Breach
	for _, f := range t.Files {
		if f.Syntax == nil || f.Test() {
			continue
		}
		arrow, ok := arrowOf(f.Dir())
		if !ok {
			found = append(found, f.breach(f.Syntax.Package, "%s is not in the house: add an arrow for it, with its reason", f.Dir()))
			continue
		}
		for _, spec := range f.Syntax.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue // does not compile
			}
			dir, ours := strings.CutPrefix(name, Module+"/")
			if !ours || below(dir, arrow.From) || slices.ContainsFunc(arrow.May, func(may string) bool { return below(dir, may) }) {
				continue
			}
			what := fmt.Sprintf("%s must not import %s: %s", f.Dir(), dir, arrow.Why)
			found = append(found, f.breach(spec.Pos(), "%s", what))
		}
	}
	return found
}
