package reports

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
)

// marksShown bounds the verdicts in a line.
const marksShown = 20

// verdictMarks are how a line shows verdicts.
var verdictMarks = map[string]string{Pass: ".", Fail: "F", Inconclusive: "?"}

// HistoryText writes a history for the terminal: a line for each track, then what its last runs have that those before had not.
func HistoryText(w io.Writer, h *History, color bool) error {
	out := bufio.NewWriter(w)
	rows := [][]string{{"scenario", "profile", "testbed", "runs", "newest, UTC", "verdicts", fmt.Sprintf("last %d against those before", h.Last)}}
	for i := range h.Tracks {
		t := &h.Tracks[i]
		marks := ""
		for j := max(0, len(t.Runs)-marksShown); j < len(t.Runs); j++ {
			mark := verdictMarks[t.Runs[j].Verdict.Outcome]
			if mark == "" {
				mark = "-"
			}
			marks += mark
		}
		newest := t.Runs[len(t.Runs)-1].Run.StartedAt
		rows = append(rows, []string{t.Scenario, t.Profile, orDash(t.Testbed), strconv.Itoa(len(t.Runs)), when(newest), marks, t.says()})
	}
	if len(h.Tracks) == 0 {
		fmt.Fprintf(out, "no run with a report in %s\n", h.Dir)
	} else {
		writeColumns(out, rows, "lllrlll", nil)
		fmt.Fprintln(out, "\nverdicts, the newest last: . PASS, F FAIL, ? INCONCLUSIVE")
	}
	for i := range h.Tracks {
		t := &h.Tracks[i]
		moves := t.moves()
		if len(moves) == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s: the last %d against the %d before\n", t.name(), t.Last, t.Before)
		rows, colors := [][]string{{"  measure", "before", "last", "change", "", ""}}, []string{""}
		for _, m := range moves {
			rows = append(rows, []string{"  " + m.Name, m.A.text(m.Unit), m.B.text(m.Unit), m.change(), m.Says, m.evidence()})
			colors = append(colors, map[string]string{Improved: "32", Worsened: "31", Changed: "33"}[m.Says])
		}
		if !color {
			colors = nil
		}
		writeColumns(out, rows, "lrrrll", colors)
		for _, note := range t.remarks() {
			fmt.Fprintf(out, "  %s\n", note)
		}
	}
	for _, l := range h.Left {
		fmt.Fprintf(out, "left out: %s: %s\n", l.Dir, l.Why)
	}
	return out.Flush()
}

// name is "peak-lunch, hardened, local".
func (t *Track) name() string {
	name := t.Scenario
	for _, s := range []string{t.Profile, t.Testbed} {
		if s != "" {
			name += ", " + s
		}
	}
	return name
}

// remarks are what else changed between the runs before and the last ones: it may be the reason.
func (t *Track) remarks() []string {
	var list []string
	newest := &t.Runs[len(t.Runs)-1].Run
	seen := 0
	for i := len(t.Runs) - 1; i > 0; i-- {
		p := &t.Runs[i]
		if p.Doubt == "" && sameMachine(&p.Run, newest) {
			if seen++; seen > t.Last {
				break // the newest of the runs before
			}
		}
		for _, what := range p.Changed {
			text := fmt.Sprintf("%s since %s", newWords[what], when(p.Run.StartedAt))
			if what == "program" {
				text += fmt.Sprintf(": %s, before %s", p.Run.Lunchrush, t.Runs[i-1].Run.Lunchrush)
			}
			list = append(list, text)
		}
	}
	return list
}

// newWords say what is not as in the run before.
var newWords = map[string]string{
	"machine": "another machine", "plan": "another plan", "settings": "other settings", "program": "another program",
}
