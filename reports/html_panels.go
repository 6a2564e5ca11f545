package reports

import "github.com/lunchrush/lunchrush/reports/svg"

// keyHeight is the height of a row of a panel's key.
const keyHeight = 14.0

// placePanels finds room for the names in each panel and gives the height of all of them.
func placePanels(panels []panel, left, width float64) (height float64) {
	for i := range panels {
		panels[i].placeKeys(left, width)
		panels[i].head = 16 + keyHeight*float64(panels[i].keyRows)
		height += panels[i].head + panels[i].height
	}
	return height
}

// drawPanels draws panels that [placePanels] has placed, under each other from top on, with a rule at each of rules. more is
// drawn over every panel.
func drawPanels(d *svg.Drawing, x svg.Scale, top float64, panels []panel, rules []float64, more func(svg.Plot)) {
	at := top
	for _, p := range panels {
		box := svg.Plot{Drawing: d, X: x, Y: p.scale(at+p.head+p.height, at+p.head)}
		box.XRules(rules)
		box.YAxis("", p.ticks(box.Y), p.label)
		d.Text("name", svg.Start, x.From, at+22, p.name)
		for i, s := range p.series {
			if s.name == "" { // one of many lines: it has no key
				continue
			}
			key := p.keys[i]
			d.Line(s.class, key.X, at+18.5+key.Y*keyHeight, key.X+16, at+18.5+key.Y*keyHeight)
			d.Text("key", svg.Start, key.X+20, at+22+key.Y*keyHeight, s.name)
		}
		for _, s := range p.series {
			points := svg.Thin(s.points, int(x.To-x.From))
			if s.area != "" {
				box.Area(s.area, points)
			}
			box.Curve(s.class, points)
		}
		box.Level("axis", box.Y.Min)
		more(box)
		at += p.head + p.height
	}
}
