package scenarios

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCatalogueRunsAreShort(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		limit := 3 * time.Minute
		if s.Name == "full-day" {
			limit = 5 * time.Minute
		}
		if longest := s.Length() + s.Drain; longest > limit {
			t.Errorf("%s lasts up to %s, more than %s", s.Name, longest, limit)
		}
	}
}

// A one-sided 95% bound of a 99th percentile needs 299 samples.
func TestCatalogueHasSamplesForItsPercentiles(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		b, m := s.Buyers, s.Machines
		orders := s.Curve().Total()
		drops := orders * (1 - b.Abandon - b.Late) * (1 - m.Fail - m.Offline)
		for measure := range s.Expect {
			samples := orders
			switch {
			case measure == "pay_to_dispense.p99":
				samples = drops
			case strings.HasPrefix(measure, "browse."):
				samples = s.BrowseCurve().Total()
			}
			if strings.HasSuffix(measure, ".p99") && samples < 310 {
				t.Errorf("%s has about %.0f samples for %s, too few to be sure of 299", s.Name, samples, measure)
			}
		}
	}
}

// Sold-out machines would turn buyers away, which no scenario here is about.
func TestCatalogueDoesNotSellOut(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		// Ten times what a slot sells on average, and no less than the unluckiest slot's likely run of buyers.
		slots := float64(s.Fleet.Machines * s.Fleet.Slots)
		if perSlot := s.Curve().Total() / slots; float64(s.Fleet.Stock) < max(10*perSlot, 10) {
			t.Errorf("%s stocks %d pieces a slot and sells %.2f on average", s.Name, s.Fleet.Stock, perSlot)
		}
	}
}

// What the accounts give must stay what they give.
func TestCatalogueKeepsTheDocumentedFigures(t *testing.T) {
	peak := func(s *Scenario, i int) string {
		return s.Demand.Peaks[i].From.String() + "-" + s.Demand.Peaks[i].To.String()
	}
	tests := []struct {
		name, what string
		got        func(s *Scenario) any
		want       any
	}{
		{"peak-lunch", "machines", func(s *Scenario) any { return s.Fleet.Machines }, 600},
		{"peak-lunch", "the peak", func(s *Scenario) any { return peak(s, 0) }, "11:00-12:30"},
		{"peak-evening", "the peak", func(s *Scenario) any { return peak(s, 0) }, "17:30-18:00"},
		{"peak-night", "the peak", func(s *Scenario) any { return peak(s, 0) }, "21:00-24:00"},
		{"peak-night", "the clock crosses midnight", func(s *Scenario) any { return s.Clock.To.String() }, "24:30"},
		{"full-day", "the lunch peak", func(s *Scenario) any { return peak(s, 1) }, "11:00-12:30"},
		{"full-day", "the evening peak", func(s *Scenario) any { return peak(s, 2) }, "17:30-18:00"},
		{"full-day", "the night peak", func(s *Scenario) any { return peak(s, 3) }, "21:00-24:00"},
		{"callback-serial", "one thread", func(s *Scenario) any { return s.AsWas["callback.workers"] }, "1"},
		{"queue-serial-batch", "one loop", func(s *Scenario) any { return s.AsWas["callback.workers"] }, "1"},
		{"queue-serial-batch", "rows at a time", func(s *Scenario) any { return s.Service["callback.batch"] }, "500"},
		{"retry-ladder", "void rows", func(s *Scenario) any { return s.AsWas["queue.void"] }, "silent"},
		{"shared-redis", "one server", func(s *Scenario) any { return s.AsWas["redis.queue"] }, "same"},
		{"notify-duplicates", "no key", func(s *Scenario) any { return s.AsWas["dedupe"] }, "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name+"/"+tt.what, func(t *testing.T) {
			s, err := Find(tt.name, Known{})
			if err != nil {
				t.Fatal(err)
			}
			if got := tt.got(s); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestCatalogueTellsTheStoryOfEachFailure(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]map[string]bool{}
	for _, s := range list {
		if told := s.Incident.Happened != ""; told != (len(s.AsWas) > 0) {
			t.Errorf("%s: an incident is told: %t, it has an as-was side: %t", s.Name, told, len(s.AsWas) > 0)
		}
		for _, place := range s.Incident.Code {
			file, name, _ := strings.Cut(place, ":")
			if declared[file] == nil {
				declared[file] = declarations(t, filepath.Join("..", filepath.FromSlash(file)))
			}
			if !declared[file][name] {
				t.Errorf("%s: there is no %s", s.Name, place)
			}
		}
	}
}

// declarations are the functions, methods and types that a file declares.
func declarations(t *testing.T, path string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return names
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names[d.Name.Name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok {
					names[spec.Name.Name] = true
				}
			}
		}
	}
	return names
}
