package svg

// A Plot is one panel of a drawing: a box with a scale along each side. Several plots may share a drawing and an X scale.
type Plot struct {
	*Drawing
	X, Y Scale // X.From..X.To are the box's left and right, Y.From its foot, Y.To its top
}

// Label is the text of a tick.
type Label func(v float64) string

// YAxis draws a rule across the box at each tick with its label to the left, and name, if any, above the
// box.
func (p Plot) YAxis(name string, ticks []float64, label Label) {
	for _, v := range ticks {
		y := p.Y.At(v)
		p.Line("grid", p.X.From, y, p.X.To, y)
		p.Text("tick", End, p.X.From-5, y+3.5, label(v))
	}
	if name != "" {
		p.Text("name", Start, p.X.From, p.Y.To-6, name)
	}
}

// XRules draws a rule from foot to top at each tick.
func (p Plot) XRules(ticks []float64) {
	for _, v := range ticks {
		p.Line("grid", p.X.At(v), p.Y.From, p.X.At(v), p.Y.To)
	}
}

// XAxis writes the labels of ticks below the box, below units under its foot, leaving out a label that would touch the one
// before it or reach past the drawing.
func (p Plot) XAxis(below float64, ticks []float64, label Label) {
	free := 0.0
	for _, v := range ticks {
		x, s := p.X.At(v), label(v)
		half := float64(len(s)) * 3.2
		if x-half < free || x+half > p.Width {
			continue
		}
		p.Text("tick", Middle, x, p.Y.From+below, s)
		free = x + half + 6
	}
}

// Curve draws points as a line.
func (p Plot) Curve(class string, points []Point) { p.Path(class, p.scaled(points)) }

// Area fills the space between points and the foot of the box.
func (p Plot) Area(class string, points []Point) { p.Fill(class, p.scaled(points), p.Y.From) }

// Band shades the box from value from to value to.
func (p Plot) Band(class string, from, to float64) {
	p.Rect(class, p.X.At(from), p.Y.To, p.X.At(to)-p.X.At(from), p.Y.From-p.Y.To)
}

// Mark draws a rule from foot to top at v.
func (p Plot) Mark(class string, v float64) {
	p.Line(class, p.X.At(v), p.Y.From, p.X.At(v), p.Y.To)
}

// Level draws a rule across the box at v.
func (p Plot) Level(class string, v float64) {
	p.Line(class, p.X.From, p.Y.At(v), p.X.To, p.Y.At(v))
}

func (p Plot) scaled(points []Point) []Point {
	scaled := make([]Point, len(points))
	for i, at := range points {
		scaled[i] = Point{p.X.At(at.X), p.Y.At(at.Y)}
	}
	return scaled
}

// Steps turns points into the corners of a staircase: each value holds from its X until the next one's, the last until end.
func Steps(points []Point, end float64) []Point {
	corners := make([]Point, 0, 2*len(points))
	for i, at := range points {
		until := end
		if i+1 < len(points) {
			until = points[i+1].X
		}
		corners = append(corners, at, Point{until, at.Y})
	}
	return corners
}
