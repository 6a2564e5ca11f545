package reports

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// ReadGroup reads the run folders of one side, in the order of their starts. A run that was inconclusive or did not end whole
// proves nothing and is left out, unless doubtful asks for it; one that cannot be read is left out in any case. The only error
// is the context's: a run of a million orders takes seconds to judge.
func ReadGroup(ctx context.Context, dirs []string, doubtful bool) (Group, error) {
	g := Group{Runs: []Played{}, Left: []LeftOut{}}
	type read struct {
		dir string
		*Analysis
	}
	var runs []read
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return g, err
		}
		a, err := Read(dir)
		if err != nil {
			g.Left = append(g.Left, LeftOut{dir, err.Error()})
			continue
		}
		a.Audit.Bad = nil // their stories are told in the run's own report
		if why := doubtOf(a); why != "" && !doubtful {
			g.Left = append(g.Left, LeftOut{dir, why})
			continue
		}
		runs = append(runs, read{dir, a})
	}
	slices.SortStableFunc(runs, func(x, y read) int { return x.Run.StartedAt.Compare(y.Run.StartedAt) })
	for _, r := range runs {
		g.Runs = append(g.Runs, Played{r.dir, r.Run, r.Verdict})
		g.analyses = append(g.analyses, r.Analysis)
	}
	return g, nil
}

// doubtOf says why the figures of a run prove nothing; "" when they do. Money lost stands whatever the load was, which makes a
// run FAIL; its times under a load that was not what was planned are no evidence all the same.
func doubtOf(a *Analysis) string {
	switch {
	case a.Run.Ended == "":
		return "the run did not come to its end"
	case a.Run.Ended != "whole":
		return "the run ended before its time: " + a.Run.Ended
	case a.Verdict.Outcome == Inconclusive:
		return strings.ToLower(Inconclusive) + ": " + a.Verdict.Headline
	}
	if i := slices.IndexFunc(a.Certificate, notPassed); i >= 0 {
		return doubt("its times prove nothing", a.Certificate[i])
	}
	return ""
}

// Mixed says why runs cannot be compared: they were not of the same plan, or not in the same surroundings.
type Mixed struct {
	Problems []string // "scenario: A has x (4 runs), B has y (4 runs)"
	Around   bool     // only machine, testbed and engine differ, which may be overlooked
}

func (m *Mixed) Error() string {
	return "these runs are not alike:\n  " + strings.Join(m.Problems, "\n  ")
}

// A trait is one thing that is told of a run, as text.
type trait struct {
	name string
	of   func(*runlog.Manifest) string
}

// The traits in which runs must be alike to be compared: in plan what was played, in around where.
var (
	planTraits = []trait{
		{"scenario", func(m *runlog.Manifest) string { return m.Scenario }},
		{"seed", func(m *runlog.Manifest) string { return strconv.FormatUint(m.Seed, 10) }},
		{"speed", func(m *runlog.Manifest) string { return strconv.FormatFloat(m.Speed, 'f', -1, 64) }},
		{"machines", func(m *runlog.Manifest) string { return strconv.Itoa(m.Machines) }},
		{"clock", func(m *runlog.Manifest) string { return m.ClockFrom + " to " + m.ClockTo }},
		{"plan", planName},
		{"faults", faultsText},
	}
	aroundTraits = []trait{
		{"machine.cpu", func(m *runlog.Manifest) string { return m.Machine.CPU }},
		{"machine.cores", func(m *runlog.Manifest) string { return strconv.Itoa(m.Machine.Cores) }},
		{"machine.memory", func(m *runlog.Manifest) string { return bytesOf(m.Machine.Rounded().Memory) }},
		{"machine.os", func(m *runlog.Manifest) string { return m.Machine.OS }},
		{"machine.go", func(m *runlog.Manifest) string { return m.Machine.Go }},
		{"testbed", func(m *runlog.Manifest) string { return m.Testbed }},
		{"engine", func(m *runlog.Manifest) string { return m.Engine }},
	}
	// settingTraits, and the service's switches, may differ between the groups, which is what one compares, but not within one.
	settingTraits = []trait{
		{"profile", func(m *runlog.Manifest) string { return m.Profile }},
		{"service", func(m *runlog.Manifest) string { return m.Service }},
		{"lunchrush", func(m *runlog.Manifest) string { return m.Lunchrush }},
	}
)

// planName is the plan's hash as far as anyone compares it by eye.
func planName(m *runlog.Manifest) string { return fmt.Sprintf("%.12s", m.PlanSHA256) }

func faultsText(m *runlog.Manifest) string {
	var parts []string
	for _, f := range m.Faults {
		parts = append(parts, fmt.Sprintf("%s on %s at %s for %s", f.What, f.On, seconds(f.FromNS), time.Duration(f.ForNS)))
	}
	return strings.Join(parts, ", ")
}

// alike refuses groups whose runs were not of the same plan, or not in the same surroundings unless across, and gives what is
// to be said of those that it takes.
func alike(a, b *Group, across bool) (warnings []string, err error) {
	warnings = []string{} // an empty list, not none, in JSON
	both := []*Group{a, b}
	for _, g := range both {
		if len(g.Runs) == 0 {
			return nil, &Mixed{Problems: []string{"nothing is left of " + g.Name}}
		}
	}
	for _, r := range a.Runs {
		if slices.ContainsFunc(b.Runs, func(other Played) bool {
			return other.Dir == r.Dir || other.Run.ID == r.Run.ID && other.Run.StartedAt.Equal(r.Run.StartedAt)
		}) {
			return nil, &Mixed{Problems: []string{"run: " + r.Dir + " is in A and in B: a run cannot differ from itself"}}
		}
	}
	var wrong, around []string
	plans := slices.Equal(listed(a, planName), listed(b, planName)) // several plans, each as often on both sides, are as good as one
	for _, t := range planTraits {
		if plans && t.name != "scenario" && t.name != "faults" {
			continue
		}
		if !uniform(t, both...) {
			wrong = append(wrong, t.name+": "+tells(t, both...))
		}
	}
	for _, t := range slices.Concat(settingTraits, switchTraits(both...)) {
		for _, g := range both {
			switch {
			case uniform(t, g):
			case t.name == "lunchrush":
				warnings = append(warnings, t.name+": "+tells(t, g)+": one side mixes programs")
			default:
				wrong = append(wrong, t.name+": "+tells(t, g)+": one side must be of one setting")
			}
		}
	}
	for _, t := range aroundTraits {
		if !uniform(t, both...) {
			around = append(around, t.name+": "+tells(t, both...))
		}
	}
	switch {
	case len(wrong) > 0:
		return nil, &Mixed{Problems: append(wrong, around...)}
	case len(around) > 0 && !across:
		return nil, &Mixed{Problems: around, Around: true}
	}
	for _, what := range around {
		warnings = append([]string{"not the same surroundings, " + what + ": a difference may be theirs"}, warnings...)
	}
	return warnings, nil
}

// values counts the runs of a group by what is told of them.
func (t trait) values(g *Group) map[string]int {
	counts := map[string]int{}
	for i := range g.Runs {
		counts[t.of(&g.Runs[i].Run)]++
	}
	return counts
}

func uniform(t trait, groups ...*Group) bool {
	all := map[string]bool{}
	for _, g := range groups {
		for v := range t.values(g) {
			all[v] = true
		}
	}
	return len(all) == 1
}

// listed lists what is told of each run, in order: equal lists are the same things, each as often.
func listed(g *Group, of func(*runlog.Manifest) string) []string {
	var list []string
	for i := range g.Runs {
		list = append(list, of(&g.Runs[i].Run))
	}
	slices.Sort(list)
	return list
}

// tells is "A has x (4 runs), B has y (1 run), z (3 runs)".
func tells(t trait, groups ...*Group) string {
	var sides []string
	for _, g := range groups {
		counts := t.values(g)
		var parts []string
		for _, v := range slices.Sorted(maps.Keys(counts)) {
			name := v
			if name == "" {
				name = "none"
			}
			parts = append(parts, fmt.Sprintf("%s (%s)", name, several(counts[v], "run", "runs")))
		}
		sides = append(sides, g.Name+" has "+strings.Join(parts, ", "))
	}
	return strings.Join(sides, "; ")
}

// switchTraits are the switches that any run of the groups tells of.
func switchTraits(groups ...*Group) []trait {
	names := map[string]bool{}
	for _, g := range groups {
		for i := range g.Runs {
			for name := range g.Runs[i].Run.ServiceCfg {
				names[name] = true
			}
		}
	}
	var traits []trait
	for _, name := range slices.Sorted(maps.Keys(names)) {
		traits = append(traits, trait{name, func(m *runlog.Manifest) string { return setTo(m.ServiceCfg, name) }})
	}
	return traits
}

// differences are the settings in which the groups differ.
func differences(a, b *Group) []Difference {
	list := []Difference{}
	for _, t := range slices.Concat(settingTraits, switchTraits(a, b)) {
		if x, y := t.sum(a), t.sum(b); x != y {
			list = append(list, Difference{t.name, x, y})
		}
	}
	return list
}

func (t trait) sum(g *Group) string {
	return strings.Join(slices.Sorted(maps.Keys(t.values(g))), ", ")
}

// setTo is a switch's value; a manifest leaves out what is as hardened has it.
func setTo(config map[string]any, name string) string {
	value, ok := config[name]
	if !ok {
		return "as hardened"
	}
	if s, ok := value.(string); ok {
		return s
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}

// doubts are what a reader must know of the groups before he believes a difference.
func doubts(a, b *Group) []string {
	list := []string{}
	for _, g := range []*Group{a, b} {
		for i, x := range g.analyses {
			if why := doubtOf(x); why != "" {
				list = append(list, fmt.Sprintf("%s: %s is in it all the same: %s", g.Name, g.Runs[i].Dir, why))
			}
		}
	}
	if first, last := ends(a); len(a.Runs)+len(b.Runs) > 2 {
		from, to := ends(b)
		if last.Before(from) || to.Before(first) {
			order := "A came before all runs of B"
			if to.Before(first) {
				order = "B came before all runs of A"
			}
			list = append(list, "all runs of "+order+": a drift of the machine looks like a difference; take turns")
		}
	}
	return list
}

// ends are the first and the last start of a group.
func ends(g *Group) (first, last time.Time) {
	return g.Runs[0].Run.StartedAt, g.Runs[len(g.Runs)-1].Run.StartedAt
}
