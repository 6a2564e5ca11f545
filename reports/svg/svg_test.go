package svg

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTicks(t *testing.T) {
	tests := []struct {
		name  string
		scale Scale
		n     int
		want  []float64
	}{
		{"tens on a scale to a hundred", Scale{Min: 0, Max: 100}, 10, []float64{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100}},
		{"a range that starts between ticks keeps only those inside", Scale{Min: 3, Max: 11}, 4, []float64{4, 6, 8, 10}},
		{"fractions", Scale{Min: 0, Max: 0.5}, 5, []float64{0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5}},
		{"powers of ten on a long log scale", Scale{Min: 1, Max: 1000, Log: true}, 3, []float64{1, 10, 100, 1000}},
		{"2 and 5 between them on a short one", Scale{Min: 1, Max: 10, Log: true}, 5, []float64{1, 2, 5, 10}},
		{"some of the powers on one that is too long", Scale{Min: 1, Max: 1e8, Log: true}, 4, []float64{1, 100, 1e4, 1e6, 1e8}},
		{"a scale without an end has no ticks to count", Scale{Min: 0, Max: math.Inf(1)}, 5, []float64{0}},
		{"an empty scale has its one value", Scale{Min: 7, Max: 7}, 5, []float64{7}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := test.scale.Ticks(test.n)
			if !slices.EqualFunc(got, test.want, func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*math.Abs(y) }) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestTicksOfTakesTheFirstStepThatIsFewEnough(t *testing.T) {
	s := Scale{Min: 37800, Max: 46800} // 10:30 to 13:00
	got := s.TicksOf(6, []float64{60, 600, 1800, 3600})
	if want := []float64{37800, 39600, 41400, 43200, 45000, 46800}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestUpEndsOnATick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.Float64Range(1e-3, 1e9).Draw(t, "top")
		n := rapid.IntRange(2, 10).Draw(t, "n")
		s := Scale{Min: 0, Max: top}.Up(n)
		ticks := s.Ticks(n)
		if s.Max < top*(1-1e-9) || len(ticks) > 2*n+2 {
			t.Fatalf("top %v became %v with %d ticks", top, s.Max, len(ticks))
		}
		if last := ticks[len(ticks)-1]; math.Abs(last-s.Max) > 1e-6*s.Max {
			t.Fatalf("the last tick %v is below the top %v", last, s.Max)
		}
	})
}

func TestEveryValueFallsWithinTheScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Scale{
			Min: rapid.Float64Range(1e-6, 10).Draw(t, "min"), From: 50, To: 300,
			Log: rapid.Bool().Draw(t, "log"),
		}
		s.Max = s.Min * rapid.Float64Range(1, 1e6).Draw(t, "times")
		x, y := rapid.Float64().Draw(t, "x"), rapid.Float64().Draw(t, "y")
		atX, atY := s.At(x), s.At(y)
		if atX < 50 || atX > 300 {
			t.Fatalf("At(%v) = %v", x, atX)
		}
		if x < y && atX > atY {
			t.Fatalf("the order of %v and %v is lost: %v, %v", x, y, atX, atY)
		}
	})
}

func TestThinKeepsEveryPeak(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := make([]Point, rapid.IntRange(0, 500).Draw(t, "points"))
		for i := range points {
			y := rapid.Float64Range(-100, 100).Draw(t, "y")
			if rapid.IntRange(0, 9).Draw(t, "gap") == 0 {
				y = math.NaN()
			}
			points[i] = Point{float64(i), y}
		}
		n := rapid.IntRange(1, 50).Draw(t, "n")
		thin := Thin(points, n)
		if len(thin) > max(2*n, 0) && len(points) > 2*n {
			t.Fatalf("%d points became %d for %d stretches", len(points), len(thin), n)
		}
		if high(thin) != high(points) || -high(negative(thin)) != -high(negative(points)) {
			t.Fatal("the highest or the lowest value is gone")
		}
		if !slices.IsSortedFunc(thin, func(a, b Point) int { return int(math.Copysign(1, a.X-b.X)) }) {
			t.Fatal("the points are out of order")
		}
	})
}

func high(points []Point) float64 {
	top := math.Inf(-1)
	for _, p := range points {
		if p.Y > top {
			top = p.Y
		}
	}
	return top
}

func negative(points []Point) []Point {
	out := slices.Clone(points)
	for i := range out {
		out[i].Y = -out[i].Y
	}
	return out
}

func TestPathLiftsThePenAtAGap(t *testing.T) {
	d := &Drawing{}
	gap := math.NaN()
	d.Path("line", []Point{{0, 1}, {1, 2.04}, {2, gap}, {3, 4}, {4, gap}, {5, -0.02}, {6, 1}})
	if got, want := string(d.shapes), `<path class="line" d="M0 1L1 2M3 4h0M5 0L6 1"/>`+"\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFillClosesEachStretchOnItsBase(t *testing.T) {
	d := &Drawing{}
	d.Fill("area", []Point{{0, 1}, {1, 2}, {2, math.NaN()}, {3, 4}}, 9)
	if got, want := string(d.shapes), `<path class="area" d="M0 1L1 2V9H0ZM3 4V9H3Z"/>`+"\n"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNothingButGapsDrawsNothing(t *testing.T) {
	d := &Drawing{}
	d.Path("line", []Point{{0, math.NaN()}})
	d.Fill("area", nil, 3)
	d.Rect("bar", 1, 1, 0, 5)
	if len(d.shapes) != 0 {
		t.Errorf("drew %s", d.shapes)
	}
}

func TestMarkupIsXMLWhateverTheText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ -~äЖ漢]{0,40}`).Draw(t, "text")
		d := &Drawing{Width: 10, Height: 10}
		d.Text("name", Middle, 1, 2, text)
		d.Line("grid", math.Inf(1), math.NaN(), 3, -4.25)
		markup := d.Markup("id", "chart", text, text, Attribute{"data-left", text})
		decoder := xml.NewDecoder(strings.NewReader(markup))
		var read []string
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%v in %s", err, markup)
			}
			if chars, ok := token.(xml.CharData); ok && strings.TrimSpace(string(chars)) != "" {
				read = append(read, string(chars))
			}
		}
		if strings.TrimSpace(text) != "" && !slices.Equal(read, []string{text, text, text}) {
			t.Fatalf("read back %q, want %q thrice", read, text)
		}
	})
}

func TestLabelsOfTheXAxisDoNotTouch(t *testing.T) {
	d := &Drawing{Width: 100}
	p := Plot{Drawing: d, X: Scale{Min: 0, Max: 100, From: 0, To: 100}}
	p.XAxis(10, []float64{0, 30, 40, 70, 99}, func(float64) string { return "12:00" })
	if got := strings.Count(string(d.shapes), "<text"); got != 2 {
		t.Errorf("%d labels stand, want those at 30 and 70 alone:\n%s", got, d.shapes)
	}
}
