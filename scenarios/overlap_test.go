package scenarios

import (
	"slices"
	"testing"
)

// holds reports whether a value meets a condition whose limit is known.
func (c Condition) holds(v, limit float64) bool {
	switch c.Op {
	case "==":
		return v == limit
	case "!=":
		return v != limit
	case "<":
		return v < limit
	case "<=":
		return v <= limit
	case ">":
		return v > limit
	}
	return v >= limit
}

// limitIn is a condition's limit in a scenario. One that is so many times the model's drain time is that multiple: it is compared
// with another multiple of it only.
func limitIn(t *testing.T, s *Scenario, c Condition) float64 {
	t.Helper()
	if c.Ref != "refund.after" {
		return c.Limit
	}
	d, err := parseDuration(s.Service[c.Ref])
	if err != nil {
		t.Fatalf("%s: %s is not set: %v", s.Name, c.Ref, err)
	}
	return float64(d)
}

// meet reports whether some value meets both conditions.
func meet(t *testing.T, s *Scenario, a, b Condition) bool {
	t.Helper()
	if len(a.Words)+len(b.Words) > 0 {
		return slices.ContainsFunc(a.Words, func(w string) bool { return slices.Contains(b.Words, w) })
	}
	if (a.Ref == "model") != (b.Ref == "model") {
		return true // nobody can tell before the run
	}
	x, y := limitIn(t, s, a), limitIn(t, s, b)
	return slices.ContainsFunc([]float64{x, y, (x + y) / 2, min(x, y) - 1, max(x, y) + 1}, func(v float64) bool { return a.holds(v, x) && b.holds(v, y) })
}

func TestConditionsMeet(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"< 30", "> 20", true},
		{"<= 15", "> 20", false},
		{"== 0", "> 0", false},
		{"<= 5%", ">= 5%", true},
		{"< 5%", ">= 5%", false},
		{"!= 3", "== 3", false},
		{"!= 3", "> 3", true},
		{"< 1s", "> 500ms", true},
		{"< 10s", "> refund.after", false},
		{"< 30s", "> refund.after", true},
		{"<= 1x model", "> 3x model", false},
		{"<= 3x model", "> 1x model", true},
		{"< 10s", "> 3x model", true},
	} {
		t.Run(tt.a+" and "+tt.b, func(t *testing.T) {
			a, err := ParseCondition(tt.a)
			if err != nil {
				t.Fatal(err)
			}
			b, err := ParseCondition(tt.b)
			if err != nil {
				t.Fatal(err)
			}
			s := &Scenario{Service: map[string]string{"refund.after": "20s"}}
			if got := meet(t, s, a, b); got != tt.want || meet(t, s, b, a) != tt.want {
				t.Errorf("meet: %v, want %v", got, tt.want)
			}
		})
	}
}

// One value that is a failure as it was documented and passes too would prove neither.
func TestNoValueShowsTheFailureAndPasses(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	both := 0
	for _, s := range list {
		signatures := []Side{{Name: "as-was", Signature: s.Signature}}
		for _, d := range append(signatures, s.Sides...) {
			for measure, shown := range d.Signature {
				wanted, named := s.Expect[measure]
				if !named || wanted.Text == shown.Text { // the same on both sides: what a failure and its cure begin with
					continue
				}
				both++
				if meet(t, s, wanted, shown) {
					t.Errorf("%s, %s: %s can be %s and %s", s.Name, d.Name, measure, wanted.Text, shown.Text)
				}
			}
		}
	}
	if both == 0 {
		t.Error("no measure is both expected and shown, which the catalogue is full of")
	}
}
