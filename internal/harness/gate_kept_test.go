package harness

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// keptGate is the gate.json as it lies there, as if its process had just been killed.
func keptGate(t *testing.T, g *Gate) *reports.Gate {
	t.Helper()
	out, err := reports.ReadGate(filepath.Join(g.Dir, reports.GateFile))
	if err != nil {
		t.Error(err)
		return &reports.Gate{Ended: "not written"}
	}
	return out
}

func TestAKilledGateHasItsPairs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		noise float64
		kill  int // before this run, from 0
		pairs int
		warm  int
		want  string
	}{
		{"in the head's warm-up", 0.01, 1, 0, 1, "the gate has not ended: it was killed after 0 pairs, or still goes on"},
		{"in the third pair", 0.01, 7, 2, 2, "the gate has not ended: it was killed after 2 pairs, or still goes on"},
		{"in the extension", 0.2, 2 + 2*11, 11, 2, "the gate has not ended: it was killed after 11 pairs, or still goes on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &pairPlayer{slower: 1, noise: tt.noise}
			g, _ := gateWith(t, p)
			seen := false
			p.change = func(n int, _ string, _ *reports.GateRun) {
				if n != tt.kill {
					return
				}
				seen = true
				out := keptGate(t, g)
				if out.Ended != "" || len(out.Pairs) != tt.pairs || len(out.WarmUps) != tt.warm || !out.Finished.IsZero() {
					t.Errorf("ended %q after %d warm-ups and %d pairs", out.Ended, len(out.WarmUps), len(out.Pairs))
				}
				if v := out.Verdict; v.ExitCode != reports.ExitInconclusive || v.Headline != tt.want {
					t.Errorf("%+v, want %q", v, tt.want)
				}
			}
			if _, err := g.Run(t.Context()); err != nil || !seen {
				t.Errorf("%v; the run was played: %v", err, seen)
			}
		})
	}
}

func TestEachPairThatCountsIsHandedOn(t *testing.T) {
	p := &pairPlayer{slower: 1, noise: 0.01, change: func(n int, _ string, r *reports.GateRun) {
		if n == 4 {
			r.Doubt = "lateness p99: 9 ms"
		}
	}}
	g, _ := gateWith(t, p)
	var numbers []int
	g.Each = func(pair reports.GatePair) error {
		numbers = append(numbers, pair.Number)
		if len(numbers) == 3 {
			return errors.New("disk full")
		}
		return nil
	}
	out, err := g.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "disk full") || len(numbers) != 3 || numbers[2] != 3 || len(out.Pairs) != 3 || len(out.Repeated) != 1 {
		t.Errorf("%v after pairs %v", err, numbers)
	}
}

func TestAGateThatCannotBeKeptEnds(t *testing.T) {
	p := &pairPlayer{slower: 1, noise: 0.01}
	g, _ := gateWith(t, p)
	if err := os.Mkdir(filepath.Join(g.Dir, reports.GateFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), reports.GateFile) || out.Ended != "error" {
		t.Errorf("%v, ended %q", err, out.Ended)
	}
}

func TestEachEditionOfAScenarioHasACalibrationOfItsOwn(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	g, _ := gateWith(t, &pairPlayer{slower: 1, noise: 0.02})
	out, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	edited := *g.Scenario
	edited.Fleet.Machines *= 2
	switched, err := With(g.Scenario, map[string]string{"callback.workers": "1"})
	if err != nil {
		t.Fatal(err)
	}
	all := []struct {
		sc     *scenarios.Scenario
		engine string
	}{{g.Scenario, "MariaDB 10.11.14, Redis 7.0.15"}, {&edited, "MariaDB 10.11.14, Redis 7.0.15"}, {switched, "MariaDB 10.11.14, Redis 7.0.15"}, {g.Scenario, "MySQL 8.4.3/x, Redis 7.0.15"}}
	load := func(i int) *Calibration {
		c, err := LoadCalibration(all[i].sc, "local", all[i].engine)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	paths := map[string]bool{}
	for i := range all {
		c := load(i)
		for _, p := range out.Pairs[:i+1] {
			c.Add(p, out.StartedAt, "devel")
		}
		path, err := c.Save()
		if err != nil {
			t.Fatal(err)
		}
		paths[path] = true
		name := filepath.Base(path)
		if i == 0 && !strings.HasPrefix(name, "gate-lunch-local-mariadb-10.11.14-redis-7.0.15-") || i == 3 && !strings.Contains(name, "mysql-8.4.3-x-redis") {
			t.Errorf("%s does not say what it is of", name)
		}
	}
	if len(paths) != len(all) {
		t.Errorf("%d files for %d", len(paths), len(all))
	}
	for i := range all {
		if n := len(load(i).Pairs); n != i+1 {
			t.Errorf("of the %d. %d pairs are known, want %d", i+1, n, i+1)
		}
	}
}
