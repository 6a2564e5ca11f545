package scenarios

import (
	"testing"
	"time"
)

func TestCatalogue(t *testing.T) {
	list, err := Catalogue(Known{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		limit := 3 * time.Minute
		if s.Name == "full-day" {
			limit = 5 * time.Minute
		}
		if s.Name == "callback-serial" {
			// Only its as-was side needs the whole drain.
			continue
		}
		if s.Length()+s.Drain > limit {
			t.Errorf("%s lasts up to %s, more than %s", s.Name, s.Length()+s.Drain, limit)
		}
	}
}
