package scenarios

import (
	"errors"
	"testing"
)

// FuzzLoad: whatever the bytes, Load does not panic and either names every mistake or returns a scenario whose plan is
// bounded and which an editor with the schema would accept too.
func FuzzLoad(f *testing.F) {
	for _, name := range Names() {
		src, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte(good))
	f.Add([]byte(with("buyers: &b {late: 1%}", "payments: {think: *b}", "upstream: {<<: {create: 1s}}")))
	f.Add([]byte(with("faults:", `  - {at: "11:10", for: 5s, on: balancer, inject: outage, mode: hold}`)))
	f.Add([]byte(with("service: {refund.after: 30s}", "as-was: {refund.guard: none}", `signature: {loss.total: "> 0"}`, "needs: [innodb]")))
	f.Add([]byte("? [a, b]\n: 1\n"))
	f.Add([]byte("--- !!map {}\n---\n"))
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Load("x.yaml", src, Known{})
		if err != nil {
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("an error of another kind: %v", err)
			}
			for _, p := range problems {
				if p.What == "" || p.File != "x.yaml" {
					t.Fatalf("a problem that says nothing: %+v", p)
				}
			}
			return
		}
		c := s.Curve()
		if total := c.Total(); !(total >= 1 && total <= ordersMax) || !(c.Max() <= rateMax) || s.Length() > lengthMax || s.Drain > durationMax {
			t.Fatalf("%v orders at up to %v/s in %s, drain %s", c.Total(), c.Max(), s.Length(), s.Drain)
		}
		if err := schema.Validate(asJSON(t, src)); err != nil {
			t.Fatalf("the loader takes what the schema refuses: %v", err)
		}
	})
}
