package svg

// Dot draws a filled circle of radius r.
func (d *Drawing) Dot(class string, x, y, r float64) {
	d.open("circle", class)
	d.attribute("cx", x)
	d.attribute("cy", y)
	d.attribute("r", r)
	d.shapes = append(d.shapes, "/>\n"...)
}

// Cross draws two strokes through a place, each reaching r to every side: told from a dot without colour.
func (d *Drawing) Cross(class string, x, y, r float64) {
	d.Line(class, x-r, y-r, x+r, y+r)
	d.Line(class, x-r, y+r, x+r, y-r)
}

// Between fills what lies between two lines of points that share their X and have no gap.
func (p Plot) Between(class string, low, high []Point) {
	if len(low) == 0 || len(low) != len(high) {
		return
	}
	outline := p.scaled(high)
	for i := len(low) - 1; i >= 0; i-- {
		outline = append(outline, Point{p.X.At(low[i].X), p.Y.At(low[i].Y)})
	}
	p.Path(class, append(outline, outline[0]))
}
