package svg

import (
	"html"
	"math"
	"strconv"
)

// A Point is a place on a drawing, or a value before it is scaled. A Y of NaN is a gap in a line.
type Point struct{ X, Y float64 }

// The text anchors of SVG.
const (
	Start  = "start"
	Middle = "middle"
	End    = "end"
)

// A Drawing collects shapes. Width and Height are in the drawing's own units; the page scales it. Classes are names
// from the page's style sheet and are written as they are; everything else is escaped.
type Drawing struct {
	Width, Height float64

	shapes []byte
}

// Text writes s with its baseline at y.
func (d *Drawing) Text(class, anchor string, x, y float64, s string) {
	d.open("text", class)
	d.attribute("x", x)
	d.attribute("y", y)
	if anchor != Start {
		d.shapes = append(d.shapes, ` text-anchor="`...)
		d.shapes = append(d.shapes, anchor...)
		d.shapes = append(d.shapes, '"')
	}
	d.shapes = append(d.shapes, '>')
	d.shapes = append(d.shapes, html.EscapeString(s)...)
	d.shapes = append(d.shapes, "</text>\n"...)
}

// Line draws a straight line.
func (d *Drawing) Line(class string, x1, y1, x2, y2 float64) {
	d.open("line", class)
	d.attribute("x1", x1)
	d.attribute("y1", y1)
	d.attribute("x2", x2)
	d.attribute("y2", y2)
	d.shapes = append(d.shapes, "/>\n"...)
}

// Rect draws a rectangle; one without an area is left out.
func (d *Drawing) Rect(class string, x, y, width, height float64) {
	if width <= 0 || height <= 0 {
		return
	}
	d.open("rect", class)
	d.attribute("x", x)
	d.attribute("y", y)
	d.attribute("width", width)
	d.attribute("height", height)
	d.shapes = append(d.shapes, "/>\n"...)
}

// Path draws straight lines from point to point and lifts the pen at a gap. A point that stands alone between two gaps is
// drawn as a dot by the round line caps that the style sheet must give. Nothing is drawn when every point is a gap.
func (d *Drawing) Path(class string, points []Point) {
	var p []byte
	pen, alone := false, false
	for _, at := range points {
		if math.IsNaN(at.Y) {
			if pen && alone {
				p = append(p, "h0"...)
			}
			pen = false
			continue
		}
		if pen {
			p = append(p, 'L')
			alone = false
		} else {
			p = append(p, 'M')
			pen, alone = true, true
		}
		p = coordinate(p, at.X)
		p = append(p, ' ')
		p = coordinate(p, at.Y)
	}
	if len(p) == 0 {
		return
	}
	if pen && alone {
		p = append(p, "h0"...)
	}
	d.open("path", class)
	d.shapes = append(d.shapes, ` d="`...)
	d.shapes = append(d.shapes, p...)
	d.shapes = append(d.shapes, "\"/>\n"...)
}

// Fill draws the area between the points and base, one closed shape for each stretch without a gap.
func (d *Drawing) Fill(class string, points []Point, base float64) {
	var p []byte
	first := -1
	for i := 0; i <= len(points); i++ {
		gap := i == len(points) || math.IsNaN(points[i].Y)
		switch {
		case gap && first >= 0:
			p = append(p, 'V')
			p = coordinate(p, base)
			p = append(p, 'H')
			p = coordinate(p, points[first].X)
			p = append(p, 'Z')
			first = -1
		case !gap && first < 0:
			first = i
			p = append(p, 'M')
			p = coordinate(p, points[i].X)
			p = append(p, ' ')
			p = coordinate(p, points[i].Y)
		case !gap:
			p = append(p, 'L')
			p = coordinate(p, points[i].X)
			p = append(p, ' ')
			p = coordinate(p, points[i].Y)
		}
	}
	if len(p) == 0 {
		return
	}
	d.open("path", class)
	d.shapes = append(d.shapes, ` d="`...)
	d.shapes = append(d.shapes, p...)
	d.shapes = append(d.shapes, "\"/>\n"...)
}

// An Attribute is one more attribute of the svg element.
type Attribute struct{ Name, Value string }

// Markup is the whole drawing as an svg element that tells a screen reader what it shows: title is its name, summary what a
// reader should take from it. The id must be unique in the page.
func (d *Drawing) Markup(id, class, title, summary string, more ...Attribute) string {
	b := make([]byte, 0, len(d.shapes)+512)
	b = append(b, `<svg xmlns="http://www.w3.org/2000/svg" id="`...)
	b = append(b, html.EscapeString(id)...)
	b = append(b, `" class="`...)
	b = append(b, html.EscapeString(class)...)
	b = append(b, `" viewBox="0 0 `...)
	b = coordinate(b, d.Width)
	b = append(b, ' ')
	b = coordinate(b, d.Height)
	b = append(b, `" role="img" aria-labelledby="`...)
	b = append(b, html.EscapeString(id+"-title "+id+"-summary")...)
	b = append(b, '"')
	for _, a := range more {
		b = append(b, ' ')
		b = append(b, a.Name...)
		b = append(b, `="`...)
		b = append(b, html.EscapeString(a.Value)...)
		b = append(b, '"')
	}
	b = append(b, "><title id=\""...)
	b = append(b, html.EscapeString(id+"-title")...)
	b = append(b, "\">"...)
	b = append(b, html.EscapeString(title)...)
	b = append(b, "</title><desc id=\""...)
	b = append(b, html.EscapeString(id+"-summary")...)
	b = append(b, "\">"...)
	b = append(b, html.EscapeString(summary)...)
	b = append(b, "</desc>\n"...)
	b = append(b, d.shapes...)
	return string(append(b, "</svg>"...))
}

func (d *Drawing) open(element, class string) {
	d.shapes = append(d.shapes, '<')
	d.shapes = append(d.shapes, element...)
	if class != "" {
		d.shapes = append(d.shapes, ` class="`...)
		d.shapes = append(d.shapes, class...)
		d.shapes = append(d.shapes, '"')
	}
}

func (d *Drawing) attribute(name string, v float64) {
	d.shapes = append(d.shapes, ' ')
	d.shapes = append(d.shapes, name...)
	d.shapes = append(d.shapes, '=', '"')
	d.shapes = coordinate(d.shapes, v)
	d.shapes = append(d.shapes, '"')
}

// coordinate appends v with at most one decimal: a tenth of a unit is less than a pixel shows. What is no number becomes 0,
// because one NaN in an attribute makes a browser drop the shape and complain.
func coordinate(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	tenths := int64(math.Round(v * 10))
	if tenths < 0 {
		b, tenths = append(b, '-'), -tenths
	}
	b = strconv.AppendInt(b, tenths/10, 10)
	if tenths%10 != 0 {
		b = append(b, '.', byte('0'+tenths%10))
	}
	return b
}
