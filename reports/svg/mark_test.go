package svg

import "testing"

func TestMarksStandAtTheirPlaces(t *testing.T) {
	d := &Drawing{}
	d.Dot("dot", 1, 2, 3.5)
	d.Cross("cross", 10, 20, 2)
	want := `<circle class="dot" cx="1" cy="2" r="3.5"/>` + "\n" +
		`<line class="cross" x1="8" y1="18" x2="12" y2="22"/>` + "\n" + `<line class="cross" x1="8" y1="22" x2="12" y2="18"/>` + "\n"
	if got := string(d.shapes); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBetweenGoesAlongTheUpperLineAndBackAlongTheLower(t *testing.T) {
	unit := Scale{Min: 0, Max: 10, From: 0, To: 10}
	p := Plot{Drawing: &Drawing{}, X: unit, Y: unit}
	p.Between("band", []Point{{0, 1}, {5, 2}}, []Point{{0, 3}, {5, 4}})
	if got, want := string(p.shapes), `<path class="band" d="M0 3L5 4L5 2L0 1L0 3"/>`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.shapes = nil
	p.Between("band", []Point{{0, 1}}, nil)
	if len(p.shapes) != 0 {
		t.Errorf("half a band was drawn: %s", p.shapes)
	}
}
